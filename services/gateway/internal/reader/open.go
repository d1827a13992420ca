package reader

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/companion"
)

// Engine says how generations are opened.
type Engine struct {
	// Companion is the path of the companion database.
	Companion string
	// TempDir is where DuckDB may spill, at most MaxTemp ("10GB").
	TempDir, MaxTemp string
	// MemoryLimit is DuckDB's, for each open generation ("2GB").
	MemoryLimit string
	// Threads is how many threads a query may use.
	Threads int
	// Ahead is how many of the statements used lately are prepared on a new generation before it is served.
	Ahead int

	mu     sync.Mutex // guards the fields below
	spare  *duck.DB
	closed bool
}

const companionSchema = companion.Name + ".main"

// errReplaced says that the file was not the published one any more when DuckDB had opened it.
var errReplaced = errors.New("the generation's file was taken back while it was opened")

// open opens the generation that m describes. The instance belongs to it alone: nothing is shared
// between generations, so that closing the old one can disturb no query of the new.
//
// The instance's own database is the companion and the generation is attached beside it, which gives the
// generation the database's name in SQL. After that the instance is locked: no files, no extensions, no settings.
func (e *Engine) open(dir string, m *generation.Manifest) (*Generation, error) {
	path := filepath.Join(dir, m.File)
	before, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening generation: %w", err)
	}
	if err := m.Check(dir); err != nil {
		return nil, err
	}
	g, err := e.attach(path, m)
	if err != nil {
		return nil, err
	}
	// From here on DuckDB's lock keeps the loader away; until now it could have taken the file for another generation.
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		g.db.Close()
		return nil, errReplaced
	}
	g.lease = &lease{users: 1}
	return g, nil
}

// reopen opens a generation once more, in another instance. The file is not looked at by other means
// than DuckDB's: that would give up the lock which the first instance has.
func (e *Engine) reopen(dir string, old *Generation) (*Generation, error) {
	m := old.Manifest()
	g, err := e.attach(filepath.Join(dir, m.File), m)
	if err != nil {
		return nil, err
	}
	g.lease = old.lease
	g.lease.join()
	return g, nil
}

func (e *Engine) attach(path string, m *generation.Manifest) (*Generation, error) {
	db, err := e.instance()
	if err != nil {
		return nil, err
	}
	if err := attach(db, path, m.Database); err != nil {
		db.Close()
		return nil, err
	}
	g := &Generation{Number: m.Generation, Database: m.Database, db: db}
	g.manifest.Store(m)
	g.pins.Store(1)
	return g, nil
}

// instance returns one that has the companion open and no generation yet: the spare one or, without it, a new one.
func (e *Engine) instance() (*duck.DB, error) {
	e.mu.Lock()
	db := e.spare
	e.spare = nil
	e.mu.Unlock()
	if db != nil {
		return db, nil
	}
	return e.start()
}

func (e *Engine) start() (*duck.DB, error) {
	return duck.Open(e.Companion, duck.Options{ReadOnly: true, Config: e.config(), After: e.settings(), Threads: cmp.Or(e.Threads, runtime.NumCPU()), Lend: true})
}

// prepare makes the instance that the next generation takes, because starting one takes ten times as long as
// attaching a generation to it. Without success the next generation starts its own, and tells what is wrong.
func (e *Engine) prepare() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.spare != nil || e.closed {
		return
	}
	if db, err := e.start(); err == nil {
		e.spare = db
	}
}

// close ends the spare instance.
func (e *Engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.spare != nil {
		e.spare.Close()
		e.spare = nil
	}
}

func (e *Engine) config() []duck.Setting {
	settings := []duck.Setting{
		{Name: "autoinstall_known_extensions", Value: "false"},
		{Name: "autoload_known_extensions", Value: "false"},
		{Name: "allow_community_extensions", Value: "false"},
		{Name: "allow_unsigned_extensions", Value: "false"},
		{Name: "allow_persistent_secrets", Value: "false"},
	}
	if e.MemoryLimit != "" {
		settings = append(settings, duck.Setting{Name: "memory_limit", Value: e.MemoryLimit})
	}
	return settings
}

func (e *Engine) settings() []duck.Setting {
	settings := []duck.Setting{
		{Name: "temp_directory", Value: e.TempDir},
		{Name: "enable_external_file_cache", Value: "false"},
		{Name: "TimeZone", Value: "UTC"},
	}
	if e.MaxTemp != "" {
		settings = append(settings, duck.Setting{Name: "max_temp_directory_size", Value: e.MaxTemp})
	}
	return settings
}

// attach adds the generation to the instance and then locks the instance.
func attach(db *duck.DB, path, name string) error {
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, sql := range []string{
		fmt.Sprintf("ATTACH %s AS %s (READ_ONLY)", duck.Literal(path), duck.Identifier(name)),
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if err := conn.Exec(sql); err != nil {
			return fmt.Errorf("opening generation %s: %w", path, err)
		}
	}
	return nil
}
