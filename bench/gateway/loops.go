package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	"github.com/chittihq/duckling/bench/gateway/loop"
	"github.com/chittihq/duckling/pkg/duck"
)

func (m *measurement) task(inflight int) loop.Task {
	return loop.Task{Path: m.path, Statement: loop.Statement(m.statement), InFlight: inflight, Rows: m.rows, Seconds: m.o.seconds, Threads: m.o.threads}
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
	out, err := m.task(inflight).Run(func() (func(int64) error, func(), error) {
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
	return outcome(out), err
}

// overSQL runs the statement as a Go program ordinarily does, and scans each row.
func (m *measurement) overSQL(ctx context.Context, inflight int) (outcome, error) {
	task, err := json.Marshal(m.task(inflight))
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.CommandContext(ctx, m.o.bare, string(task)) //nolint:gosec // built by this command
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("loop over database/sql: %w", err)
	}
	var result outcome
	return result, json.Unmarshal(out, &result)
}
