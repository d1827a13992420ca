// Package rig sets up what benchmarks run on: a MySQL with the demo's shop, and the real binaries.
package rig

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/chittihq/duckling/demo/shop"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// Rig is a source and a stack that reads it.
type Rig struct {
	Server *mysqltest.Server
	DB     *sql.DB
	Stack  *stack.Stack
	Scale  shop.Scale
}

// New starts MySQL 9.7, loads the shop at its default scale, and lays a stack out without starting it; env is added
// to its services' environment, as NAME=value.
func New(ctx context.Context, env ...string) (*Rig, error) {
	r, err := newRig(ctx)
	if err != nil {
		return nil, err
	}
	r.Scale = shop.DefaultScale()
	if err := r.setUp(ctx, env); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func newRig(ctx context.Context) (*Rig, error) {
	server, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: mysqltest.MySQL, Args: []string{"--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=2G"}})
	if err != nil {
		return nil, err
	}
	return &Rig{Server: server}, nil
}

func (r *Rig) setUp(ctx context.Context, env []string) error {
	if err := r.Server.Exec(ctx, "CREATE DATABASE shop"); err != nil {
		return err
	}
	var err error
	if r.DB, err = r.Server.Open("shop"); err != nil {
		return err
	}
	if err := shop.Load(ctx, r.DB, shop.Options{Scale: r.Scale, Seed: 1, End: time.Now().UTC()}); err != nil {
		return fmt.Errorf("loading the shop: %w", err)
	}
	return r.layOut(ctx, "shop", env)
}

// Again lays out a new stack in place of the one there is, whose services end, under a DUCKDB_MEMORY_LIMIT, or DuckDB's own where that is empty.
func (r *Rig) Again(ctx context.Context, limit string) error {
	if err := r.Stack.Close(); err != nil {
		return err
	}
	var database string
	if err := r.DB.QueryRowContext(ctx, "SELECT DATABASE()").Scan(&database); err != nil {
		return err
	}
	var env []string
	if limit != "" {
		env = []string{"DUCKDB_MEMORY_LIMIT=" + limit}
	}
	var err error
	r.Stack, err = stack.New(stack.Options{Source: r.Server.URL(database), Env: env})
	return err
}

// Connect opens a client.
func (r *Rig) Connect(ctx context.Context) (*duckling.Client, error) {
	return duckling.Open(ctx, duckling.Config{URL: r.Stack.WebSocket(), APIKey: stack.Key})
}

// Serve starts the stack and returns a client that has seen a row committed since.
func (r *Rig) Serve(ctx context.Context) (*duckling.Client, error) {
	if err := r.Stack.Start(ctx); err != nil {
		return nil, err
	}
	client, err := r.Connect(ctx)
	if err != nil {
		return nil, err
	}
	err = r.Probe(ctx, 1)
	if err == nil {
		err = r.AwaitProbe(ctx, client, 1)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

// Probe commits row id of the probe table.
func (r *Rig) Probe(ctx context.Context, id int64) error {
	_, err := r.DB.ExecContext(ctx, "INSERT INTO probe VALUES (?)", id)
	return err
}

// AwaitProbe asks over WebSocket until row id is visible.
func (r *Rig) AwaitProbe(ctx context.Context, client *duckling.Client, id int64) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := duckling.Get[int](ctx, client, "SELECT COUNT(*) FROM probe WHERE id = ?", id)
		if err == nil && n == 1 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for probe %d: %w (%w)", id, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Close ends everything.
func (r *Rig) Close() {
	if r.Stack != nil {
		_ = r.Stack.Close() // the temporary folder may stay behind; nothing can be done about it here
	}
	if r.DB != nil {
		r.DB.Close()
	}
	_ = r.Server.Close()
}
