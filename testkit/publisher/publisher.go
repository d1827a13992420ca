// Package publisher publishes generations without a loader, for tests and benches of what reads them.
package publisher

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// Publisher owns one database's live file.
type Publisher struct {
	data, id string
	db       *duck.DB
	conn     *duck.Conn
	last     uint64
}

// New starts a database in the data directory. Nothing is published yet.
func New(data, id string) (*Publisher, error) {
	if err := os.MkdirAll(generation.Dir(data, id), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of database %s: %w", id, err)
	}
	db, err := duck.Open(generation.LivePath(data, id), duck.Options{})
	if err != nil {
		return nil, err
	}
	conn, err := db.Connect()
	if err != nil {
		db.Close()
		return nil, err
	}
	return &Publisher{data: data, id: id, db: db, conn: conn}, nil
}

// Close ends the database; what was published stays.
func (p *Publisher) Close() {
	p.conn.Close()
	p.db.Close()
}

// Publish runs statements on the live file and makes what is then in it the newest generation. It returns that one's number.
func (p *Publisher) Publish(ctx context.Context, sql string) (uint64, error) {
	if err := p.conn.Exec(sql); err != nil {
		return 0, fmt.Errorf("running %.60q: %w", sql, err)
	}
	if err := p.conn.Exec("CHECKPOINT"); err != nil {
		return 0, fmt.Errorf("writing the live file: %w", err)
	}
	tables, err := p.tables(ctx)
	if err != nil {
		return 0, err
	}
	p.last++
	now := time.Now()
	m := &generation.Manifest{
		Database: p.id, Generation: p.last, File: generation.FileName(p.last), SourceTime: now, PublishedAt: now, DuckDB: duck.Version(), Tables: tables,
		Position: generation.Position{GTIDSet: fmt.Sprintf("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-%d", p.last), CommitTime: now},
	}
	if m.Size, m.HeaderSHA256, err = p.copyLive(m.File); err != nil {
		return 0, fmt.Errorf("copying the live file: %w", err)
	}
	return p.last, generation.Write(generation.Dir(p.data, p.id), m)
}

func (p *Publisher) copyLive(name string) (size int64, header string, err error) {
	live, err := os.Open(generation.LivePath(p.data, p.id))
	if err != nil {
		return 0, "", err
	}
	defer live.Close()
	out, err := os.Create(filepath.Join(generation.Dir(p.data, p.id), name))
	if err != nil {
		return 0, "", err
	}
	defer out.Close()
	if size, err = io.Copy(out, live); err != nil {
		return 0, "", err
	}
	header, err = generation.HeaderSum(out)
	return size, header, err
}

func (p *Publisher) tables(ctx context.Context) ([]generation.Table, error) {
	res, err := p.conn.Query(ctx, "SELECT table_name, estimated_size::BIGINT FROM duckdb_tables() ORDER BY table_name")
	if err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	defer res.Close()
	var tables []generation.Table
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			return tables, err
		}
		for i := range chunk.Rows() {
			tables = append(tables, generation.Table{Name: string(chunk.Column(0).Bytes(i)), Rows: duck.Slice[int64](chunk.Column(1))[i]})
		}
	}
}
