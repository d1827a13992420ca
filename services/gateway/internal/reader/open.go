package reader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

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
	db, err := duck.Open(e.Companion, duck.Options{ReadOnly: true, Config: e.config(), After: e.settings()})
	if err != nil {
		return nil, err
	}
	if err := attach(db, path, m.Database); err != nil {
		db.Close()
		return nil, err
	}
	// From here on DuckDB's lock keeps the loader away; until now it could have taken the file for another generation.
	after, err := os.Stat(path)
	if err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		db.Close()
		return nil, errReplaced
	}
	g := &Generation{Manifest: m, Database: m.Database, db: db}
	g.pins.Store(1)
	return g, nil
}

func (e *Engine) config() []duck.Setting {
	settings := []duck.Setting{
		{Name: "autoinstall_known_extensions", Value: "false"},
		{Name: "autoload_known_extensions", Value: "false"},
		{Name: "allow_community_extensions", Value: "false"},
		{Name: "allow_unsigned_extensions", Value: "false"},
		{Name: "allow_persistent_secrets", Value: "false"},
	}
	if e.Threads > 0 {
		settings = append(settings, duck.Setting{Name: "threads", Value: strconv.Itoa(e.Threads)})
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
