// Command bare is bench/gateway's loop over database/sql, as a program of its own: one that links package duck has that one's allocator.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"

	driver "github.com/duckdb/duckdb-go/v2"

	"github.com/chittihq/duckling/bench/gateway/loop"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway/bare:", err)
		os.Exit(1)
	}
}

// run does the task and writes the outcome on standard output.
func run(ctx context.Context, text string) error {
	var task loop.Task
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	outcome, err := overSQL(ctx, task)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcome)
}

// overSQL runs the statement as a Go program ordinarily does, and scans each row.
func overSQL(ctx context.Context, task loop.Task) (loop.Outcome, error) {
	dsn := task.Path + "?access_mode=READ_ONLY"
	if task.Threads != "" {
		dsn += "&threads=" + task.Threads
	}
	connector, err := driver.NewConnector(dsn, nil)
	if err != nil {
		return loop.Outcome{}, err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return task.Run(func() (func(int64) error, func(), error) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		stmt, err := conn.PrepareContext(ctx, task.Statement.SQL)
		if err != nil {
			conn.Close()
			return nil, nil, err
		}
		ask := func(key int64) error {
			var params []any
			if task.Statement.Key {
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
