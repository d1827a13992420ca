package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chittihq/duckling/bench/internal/feed"
	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/testkit/usage"
)

const (
	orders      = 10_000_000
	mixed       = 2_000_000
	transaction = 20
)

// catchUp lets a loader with a table of 10M rows work off 2M changes that came while it was down.
func catchUp(ctx context.Context, page *report.Report) error {
	f, err := feed.New(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Stack.Loader.Start(); err != nil {
		return err
	}
	if err := f.Fill(ctx, orders); err != nil {
		return err
	}
	if _, err := f.Await(ctx); err != nil {
		return err
	}
	if err := f.Stack.Loader.Stop(ctx); err != nil {
		return err
	}
	if err := f.Mixed(ctx, mixed, transaction); err != nil {
		return err
	}
	began := time.Now()
	if err := f.Stack.Loader.Start(); err != nil {
		return err
	}
	m, err := f.Await(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if m.Tables[0].Rows != f.Rows() || m.Tables[0].Stale != "" {
		return fmt.Errorf("the loader has %d rows (%q) and the source %d", m.Tables[0].Rows, m.Tables[0].Stale, f.Rows())
	}
	peak, err := usage.Peak(f.Stack.Loader.Pid())
	if err != nil {
		return err
	}
	cpu, err := usage.CPU(f.Stack.Loader.Pid())
	if err != nil {
		return err
	}
	bare, err := appended()
	if err != nil {
		return err
	}
	page.Line("%d changes at random keys (60 %% updates, 30 %% inserts, 10 %% deletes, transactions of %d rows) to an order table of %d rows and 6 columns, from the start of the loader, with the backlog in JetStream, until the last one is in a published generation. "+
		"The floor is as many rows of that table appended to an empty one with DuckDB's appender, by column, and a checkpoint.", mixed, transaction, orders)
	line := func(what string, d time.Duration, more ...string) []string {
		return append([]string{what, fmt.Sprintf("%.2f", d.Seconds()), fmt.Sprintf("%.0f", mixed/d.Seconds()), fmt.Sprintf("%.0f %%", 100*bare.Seconds()/d.Seconds())}, more...)
	}
	page.Table([]string{"what", "seconds", "rows/s", "of the floor", "CPU s", "peak RSS MB"},
		line("bare append to an empty table", bare, "", ""),
		line("loader, to published", took, fmt.Sprintf("%.1f", cpu.Seconds()), fmt.Sprint(peak)))
	return nil
}

const giant = 5_000_000

// bounded shows the loader's memory under one transaction of 5M rows with a limit for DuckDB.
func bounded(ctx context.Context, page *report.Report) error {
	page.Line("One transaction of %d rows to the same kind of table, from the start of the loader until it is in a published generation, by `DUCKDB_MEMORY_LIMIT`. What is staged spills to disk; "+
		"the limit is DuckDB's, and Go's memory and what DuckDB does not count come on top.", giant)
	var rows [][]string
	for _, limit := range []string{"256MB", "512MB", "1GB"} {
		row, err := underLimit(ctx, limit)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	page.Table([]string{"limit", "seconds", "rows/s", "peak RSS MB"}, rows...)
	return nil
}

func underLimit(ctx context.Context, limit string) ([]string, error) {
	f, err := feed.New(ctx, "DUCKDB_MEMORY_LIMIT="+limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Fill(ctx, 1000); err != nil {
		return nil, err
	}
	if err := f.Giant(ctx, giant); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := f.Stack.Loader.Start(); err != nil {
		return nil, err
	}
	if _, err := f.Await(ctx); err != nil {
		return nil, err
	}
	took := time.Since(began)
	peak, err := usage.Peak(f.Stack.Loader.Pid())
	if err != nil {
		return nil, err
	}
	return []string{limit, fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.0f", giant/took.Seconds()), fmt.Sprint(peak)}, nil
}

// appended is how long the appender takes for as many rows.
func appended() (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "duckling-bench-")
	if err != nil {
		return 0, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := duck.Open(filepath.Join(dir, "bare.duckdb"), duck.Options{})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.Exec(`CREATE TABLE t (id BIGINT, "userId" INTEGER, status VARCHAR, total DECIMAL(10,2), "createdAt" TIMESTAMP, note VARCHAR)`); err != nil {
		return 0, err
	}
	notes := make([][]byte, mixed)
	for i := range notes {
		notes[i] = fmt.Appendf(nil, "note %d", uint64(i+1)*0x9e3779b97f4a7c15)
	}
	began := time.Now()
	err = conn.Transaction(func() error { return appendAll(conn, notes) })
	if err == nil {
		err = conn.Exec("CHECKPOINT")
	}
	return time.Since(began), err
}

func appendAll(conn *duck.Conn, notes [][]byte) error {
	a, err := conn.NewAppender("", "main", "t")
	if err != nil {
		return err
	}
	defer a.Close()
	states := [][]byte{[]byte("pending"), []byte("paid"), []byte("shipped"), []byte("delivered")}
	for from := 0; from < len(notes); from += duck.ChunkRows {
		rows := min(duck.ChunkRows, len(notes)-from)
		for i := range rows {
			id := int64(from + i)
			duck.SetFixed(a.Column(0), i, id)
			duck.SetFixed(a.Column(1), i, int32(id%100_000))
			a.Column(2).SetBytes(i, states[id%4])
			duck.SetFixed(a.Column(3), i, id*7)
			duck.SetFixed(a.Column(4), i, 1_735_689_600_000_000+id*1_000_000)
			a.Column(5).SetBytes(i, notes[id])
		}
		if err := a.Append(rows); err != nil {
			return err
		}
	}
	return a.Flush()
}
