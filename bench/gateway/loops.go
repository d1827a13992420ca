package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	driver "github.com/duckdb/duckdb-go/v2"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/testkit/usage"
)

// repeat calls what make makes in each of some goroutines until the round is over, with another key each time.
func (m *measurement) repeat(inflight int, make func() (ask func(key int64) error, done func(), err error)) (outcome, error) {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		all    []float64
		failed error
	)
	before, err := usage.CPU(os.Getpid())
	if err != nil {
		return outcome{}, err
	}
	began := time.Now()
	end := began.Add(time.Duration(m.o.seconds * float64(time.Second)))
	for worker := range inflight {
		group.Go(func() {
			var mine timed
			err := func() error {
				ask, done, err := make()
				if err != nil {
					return err
				}
				defer done()
				for n := worker * 7919; ; n += 104729 {
					began := time.Now()
					if began.After(end) {
						return nil
					}
					if err := ask(int64(n % m.rows)); err != nil {
						return err
					}
					mine.add(time.Since(began))
				}
			}()
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			all = append(all, mine.all...)
		})
	}
	group.Wait()
	took := time.Since(began)
	after, err := usage.CPU(os.Getpid())
	slices.Sort(all)
	return outcome{Count: len(all), Seconds: took.Seconds(), Latencies: all, CPU: (after - before).Seconds()}, errors.Join(failed, err)
}

// overDuck runs the statement through package duck, which is what the gateway itself does, and reads what comes back.
func (m *measurement) overDuck(ctx context.Context, inflight int) (outcome, error) {
	var config []duck.Setting
	if m.o.threads != "" {
		config = append(config, duck.Setting{Name: "threads", Value: m.o.threads})
	}
	db, err := duck.Open(m.path, duck.Options{ReadOnly: true, Config: config})
	if err != nil {
		return outcome{}, err
	}
	defer db.Close()
	return m.repeat(inflight, func() (func(int64) error, func(), error) {
		conn, err := db.Connect()
		if err != nil {
			return nil, nil, err
		}
		stmt, err := conn.Prepare(m.statement.SQL)
		if err != nil {
			conn.Close()
			return nil, nil, err
		}
		ask := func(key int64) error {
			var params []any
			if m.statement.Key {
				params = []any{key}
			}
			result, err := stmt.Stream(ctx, params...)
			if err != nil {
				return err
			}
			defer result.Close()
			for {
				if chunk, err := result.Next(); err != nil || chunk == nil {
					return err
				}
			}
		}
		return ask, func() { stmt.Close(); conn.Close() }, nil
	})
}

// overSQL runs the statement as a Go program ordinarily does, and scans each row.
func (m *measurement) overSQL(ctx context.Context, inflight int) (outcome, error) {
	dsn := m.path + "?access_mode=READ_ONLY"
	if m.o.threads != "" {
		dsn += "&threads=" + m.o.threads
	}
	connector, err := driver.NewConnector(dsn, nil)
	if err != nil {
		return outcome{}, err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return m.repeat(inflight, func() (func(int64) error, func(), error) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		stmt, err := conn.PrepareContext(ctx, m.statement.SQL)
		if err != nil {
			conn.Close()
			return nil, nil, err
		}
		ask := func(key int64) error {
			var params []any
			if m.statement.Key {
				params = []any{key}
			}
			rows, err := stmt.QueryContext(ctx, params...)
			if err != nil {
				return err
			}
			defer rows.Close()
			return scan(rows)
		}
		return ask, func() { stmt.Close(); conn.Close() }, nil
	})
}

func scan(rows *sql.Rows) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	return rows.Err()
}
