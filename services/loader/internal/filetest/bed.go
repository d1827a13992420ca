// Package filetest has the loader's file of a database open for a test, publishes generations of it, and reads them in another process.
package filetest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// Database is the database's name.
const Database = "shop"

// Bed is the open file, and what publishes it. What fails fails the test.
type Bed struct {
	T    testing.TB
	Data string
	File *live.File
	Conn *duck.Conn
	Pub  *publish.Publisher
}

// New opens an empty file under data until the test ends. It has no tables yet.
func New(t testing.TB, data string) *Bed {
	b := &Bed{T: t, Data: data}
	b.Open()
	t.Cleanup(b.Close)
	return b
}

// Open opens the file after a Close, as a loader that starts does.
func (b *Bed) Open() {
	b.T.Helper()
	var err error
	if b.File, err = live.Open(b.Data, Database, live.Options{Threads: 2}); err != nil {
		b.T.Fatal(err)
	}
	if b.Conn, err = b.File.DB.Connect(); err != nil {
		b.T.Fatal(err)
	}
	if b.Pub, err = publish.New(b.File, b.Conn, b.Data, Database, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		b.T.Fatal(err)
	}
}

// Close closes the file if it is open.
func (b *Bed) Close() {
	if b.File != nil {
		b.Conn.Close()
		b.File.Close()
		b.File = nil
	}
}

// Exec runs statements on the file.
func (b *Bed) Exec(sql string) {
	b.T.Helper()
	if err := b.Conn.Exec(sql); err != nil {
		b.T.Fatal(err)
	}
}

// Publish makes what is committed the newest generation.
func (b *Bed) Publish() publish.Result {
	b.T.Helper()
	r, err := b.Try()
	if err != nil {
		b.T.Fatal(err)
	}
	return r
}

// Try is Publish for a publication that may fail.
func (b *Bed) Try() (publish.Result, error) {
	b.T.Helper()
	if err := b.Pub.Checkpoint(); err != nil {
		b.T.Fatal(err)
	}
	return b.Pub.Publish(publish.Content{Position: generation.Position{GTIDSet: "g:1-7"}})
}

// Sum depends on every row and column of the live file's table t.
func (b *Bed) Sum() int64 {
	b.T.Helper()
	n, err := sum(b.Conn)
	if err != nil {
		b.T.Fatal(err)
	}
	return n
}

func sum(conn *duck.Conn) (int64, error) {
	res, err := conn.Query(context.Background(), "SELECT (coalesce(sum(hash(t)), 0) % 1000000007)::BIGINT + count(*) * 1000000007 FROM t")
	if err != nil {
		return 0, err
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return 0, err
	}
	return duck.Slice[int64](chunk.Column(0))[0], nil
}

// Dir is where the generations are.
func (b *Bed) Dir() string { return generation.Dir(b.Data, Database) }

// Same makes sure that the newest generation can be read, as gateways do, and holds what the live file does.
func (b *Bed) Same() {
	b.T.Helper()
	if got, want := b.NewestSum(), b.Sum(); got != want {
		b.T.Fatalf("generation has sum %d, the live file %d", got, want)
	}
}

// NewestSum is Sum of the newest generation.
func (b *Bed) NewestSum() int64 {
	b.T.Helper()
	m, err := generation.Read(b.Dir())
	if err != nil {
		b.T.Fatal(err)
	}
	if err := m.Check(b.Dir()); err != nil {
		b.T.Fatal(err)
	}
	path := filepath.Join(b.Dir(), m.File)
	if _, err := os.Stat(path + ".wal"); !errors.Is(err, os.ErrNotExist) {
		b.T.Fatal("a generation has a log")
	}
	got, err := read(path)
	if err != nil {
		b.T.Fatal(err)
	}
	return got
}

func read(path string) (int64, error) {
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return sum(conn)
}

// Files are the names in the directory of generations, sorted.
func (b *Bed) Files() []string {
	b.T.Helper()
	entries, err := os.ReadDir(b.Dir())
	if err != nil {
		b.T.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
