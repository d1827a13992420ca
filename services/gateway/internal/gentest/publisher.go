// Package gentest publishes generations for tests, as the loader does.
package gentest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// Publisher owns one database's live file.
type Publisher struct {
	// Keep is how many generations are left on disk, at least 1; older ones that nobody reads are removed.
	Keep int
	// Damage makes Publish cut the file short after the manifest was made.
	Damage bool

	t        testing.TB
	data, id string
	db       *duck.DB
	conn     *duck.Conn
	last     uint64
}

// New starts a database in the data directory, with Duckling's bookkeeping in it. Nothing is published yet.
func New(t testing.TB, data, id string) *Publisher {
	t.Helper()
	if err := os.MkdirAll(generation.Dir(data, id), 0o755); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(generation.LivePath(data, id), duck.Options{After: []duck.Setting{{Name: "checkpoint_threshold", Value: "1TB"}}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); db.Close() })
	p := &Publisher{Keep: 3, t: t, data: data, id: id, db: db, conn: conn}
	p.Exec("CREATE SCHEMA _duckling; CREATE TABLE _duckling.progress (secret INTEGER); CREATE TABLE __duckling_shadow (secret INTEGER)")
	return p
}

// Exec runs statements on the live file.
func (p *Publisher) Exec(sql string) {
	p.t.Helper()
	if err := p.conn.Exec(sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// Publish makes what is in the live file the newest generation and returns its number.
func (p *Publisher) Publish() uint64 {
	p.t.Helper()
	p.Exec("CHECKPOINT")
	p.last++
	m := &generation.Manifest{
		Database: p.id, Generation: p.last, File: generation.FileName(p.last),
		Position:   generation.Position{GTIDSet: "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-" + strconv.FormatUint(p.last, 10), CommitTime: time.Now()},
		SourceTime: time.Now(), PublishedAt: time.Now(), DuckDB: duck.Version(), Tables: p.tables(),
	}
	path := filepath.Join(p.dir(), m.File)
	m.Size = p.copyLive(path)
	file, err := os.Open(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	if m.HeaderSHA256, err = generation.HeaderSum(file); err != nil {
		p.t.Fatal(err)
	}
	if p.Damage {
		if err := os.Truncate(path, m.Size/2); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := generation.Write(p.dir(), m); err != nil {
		p.t.Fatal(err)
	}
	p.remove(int(p.last) - p.Keep)
	return p.last
}

// Wait says in the manifest that the next generation waits until readers let go of older ones.
func (p *Publisher) Wait() {
	p.t.Helper()
	m, err := generation.Read(p.dir())
	if err != nil {
		p.t.Fatal(err)
	}
	m.Waiting = true
	if err := generation.Write(p.dir(), m); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Publisher) dir() string { return generation.Dir(p.data, p.id) }

func (p *Publisher) copyLive(path string) int64 {
	live, err := os.Open(generation.LivePath(p.data, p.id))
	if err != nil {
		p.t.Fatal(err)
	}
	defer live.Close()
	out, err := os.Create(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	n, err := io.Copy(out, live)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// remove deletes generation n as the loader does: only when no reader has it.
func (p *Publisher) remove(n int) {
	if n < 1 {
		return
	}
	// Readers are in this process, where DuckDB's lock does not show; on Linux they may read a file that has no name any more.
	if err := os.Remove(filepath.Join(p.dir(), generation.FileName(uint64(n)))); err != nil {
		p.t.Error(err)
	}
}

func (p *Publisher) tables() []generation.Table {
	res, err := p.conn.Query(context.Background(), `SELECT table_name, estimated_size::BIGINT FROM duckdb_tables()
		WHERE schema_name = 'main' AND NOT starts_with(table_name, '__duckling_') ORDER BY table_name`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Close()
	var tables []generation.Table
	for {
		chunk, err := res.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if chunk == nil {
			return tables
		}
		for i := range chunk.Rows() {
			tables = append(tables, generation.Table{Name: string(chunk.Column(0).Bytes(i)), Rows: duck.Slice[int64](chunk.Column(1))[i]})
		}
	}
}
