// Package duck is the project's door to DuckDB: a thin layer over the C API as
// the official Go driver exports it, and the only importer of that driver.
//
// It is used instead of database/sql because three things the project needs are
// not to be had there: results that stream, values read by vector without boxing,
// and rows appended by column. It also opens files without the driver's instance
// cache, which hands out old data for a path that was renamed over.
package duck

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Setting is one DuckDB option. Order matters: some options lock others.
type Setting struct{ Name, Value string }

// Options say how a file is opened.
type Options struct {
	// ReadOnly opens with a shared lock; many processes may.
	ReadOnly bool
	// Config is given to DuckDB before the file is opened, as access limits must be.
	Config []Setting
	// After is run as SET statements, in order, on the first connection.
	After []Setting
	// Threads is how many a statement may use, DuckDB's choice unless set.
	Threads int
	// Lend is for many short statements: DuckDB has no threads of its own, which each of them would wake. A streamed statement runs in
	// its caller's thread, and is helped by others once it has run for a moment. It needs Threads.
	Lend bool
}

// DB is one DuckDB instance on one file. It is safe for concurrent use; a Conn is not.
type DB struct {
	db   mapping.Database
	path string
	crew *crew // nil when DuckDB has threads of its own
}

// Open opens path, or a database in memory for "". It returns a *LockedError
// when another process holds the file in a way that excludes this one.
func Open(path string, opts Options) (*DB, error) {
	var config mapping.Config
	if mapping.CreateConfig(&config) == mapping.StateError {
		return nil, fmt.Errorf("creating DuckDB configuration")
	}
	defer mapping.DestroyConfig(&config)
	mode := "READ_WRITE"
	if opts.ReadOnly {
		mode = "READ_ONLY"
	}
	settings := append([]Setting{{"access_mode", mode}, {"duckdb_api", "duckling"}}, opts.Config...)
	if opts.Threads > 0 {
		settings = append(settings, Setting{"threads", strconv.Itoa(opts.Threads)})
	}
	if opts.Lend {
		settings = append(settings, Setting{"external_threads", strconv.Itoa(opts.Threads)})
	}
	if path == "" {
		settings = settings[1:]
		path = ":memory:"
	} else if opts.ReadOnly {
		// DuckDB's own message for a missing file suggests creating it.
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("opening DuckDB file: %w", err)
		}
	}
	for _, s := range settings {
		if mapping.SetConfig(config, s.Name, s.Value) == mapping.StateError {
			return nil, fmt.Errorf("DuckDB does not take %s=%q", s.Name, s.Value)
		}
	}
	db := &DB{path: path}
	var message string
	if mapping.OpenExt(path, &db.db, config, &message) == mapping.StateError {
		return nil, openError(path, message)
	}
	if opts.Lend && opts.Threads > 1 {
		var err error
		if db.crew, err = newCrew(db.db, opts.Threads-1); err != nil {
			db.Close()
			return nil, err
		}
	}
	if err := db.apply(opts.After); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (db *DB) apply(settings []Setting) error {
	if len(settings) == 0 {
		return nil
	}
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range settings {
		if err := conn.Exec(fmt.Sprintf("SET %s = %s", s.Name, Literal(s.Value))); err != nil {
			return fmt.Errorf("setting %s: %w", s.Name, err)
		}
	}
	return nil
}

// Path is what the database was opened with.
func (db *DB) Path() string { return db.path }

// Connect opens a connection.
func (db *DB) Connect() (*Conn, error) {
	c := &Conn{crew: db.crew}
	if mapping.Connect(db.db, &c.conn) == mapping.StateError {
		return nil, fmt.Errorf("connecting to DuckDB file %s", db.path)
	}
	return c, nil
}

// Close frees the instance. The file's lock goes with the last connection, so
// connections are to be closed first.
func (db *DB) Close() {
	if db.crew != nil {
		db.crew.close()
		db.crew = nil
	}
	mapping.Close(&db.db)
}

// Version is the DuckDB release this program is linked with, as "v1.5.6".
func Version() string { return mapping.LibraryVersion() }

// Literal quotes s as a SQL string.
func Literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Identifier quotes s as a SQL name.
func Identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
