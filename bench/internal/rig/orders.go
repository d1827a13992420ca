package rig

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/testkit/stack"
)

const (
	orderTable = "CREATE TABLE `Order` (id BIGINT NOT NULL PRIMARY KEY, userId INT NOT NULL, status VARCHAR(16) NOT NULL, " +
		"total DECIMAL(10,2) NOT NULL, createdAt DATETIME(3) NOT NULL, note VARCHAR(40))"
	numbers = "CREATE TABLE numbers.n (n INT PRIMARY KEY) SELECT * FROM (WITH RECURSIVE i (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM i WHERE n < 999) SELECT n FROM i) AS i"
	// fillOrders adds a million rows in the order of their keys.
	fillOrders = "INSERT INTO `Order` SELECT STRAIGHT_JOIN %[1]d + 1000 * a.n + b.n, (1000 * a.n + 7 * b.n) %% 100000, ELT(1 + b.n %% 4, 'pending', 'paid', 'shipped', 'delivered'), " +
		"(1000 * a.n + b.n) / 100, '2025-01-01' + INTERVAL (1000 * a.n + b.n) SECOND, CONCAT('note ', CRC32(%[1]d + 1000 * a.n + b.n)) FROM numbers.n AS a JOIN numbers.n AS b"
	fillRows = 1_000_000
)

// NewOrders starts MySQL 9.7 with one table, `Order`, of six columns and so many million rows with ids from 1 on,
// and lays a stack out without starting it.
func NewOrders(ctx context.Context, millions int, env ...string) (*Rig, error) {
	r, err := newRig(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.orders(ctx, millions, env); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Rig) orders(ctx context.Context, millions int, env []string) error {
	if err := r.Server.Exec(ctx, "CREATE DATABASE orders", "CREATE DATABASE numbers", numbers); err != nil {
		return err
	}
	var err error
	if r.DB, err = r.Server.Open("orders"); err != nil {
		return err
	}
	if _, err := r.DB.ExecContext(ctx, orderTable); err != nil {
		return fmt.Errorf("creating the table: %w", err)
	}
	fill, ctx := errgroup.WithContext(ctx)
	fill.SetLimit(2)
	for n := range millions {
		fill.Go(func() error { return r.million(ctx, n) })
	}
	if err := fill.Wait(); err != nil {
		return fmt.Errorf("filling the table: %w", err)
	}
	return r.layOut(context.WithoutCancel(ctx), "orders", env)
}

// million adds rows that the binlog does not have: only the copy is to see them.
func (r *Rig) million(ctx context.Context, n int) error {
	conn, err := r.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_log_bin = 0"); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(fillOrders, 1+n*fillRows)); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "SET SESSION sql_log_bin = 1")
	return err
}

// layOut makes the probe and a stack for the database.
func (r *Rig) layOut(ctx context.Context, database string, env []string) error {
	if _, err := r.DB.ExecContext(ctx, "CREATE TABLE probe (id BIGINT PRIMARY KEY)"); err != nil {
		return fmt.Errorf("creating the probe: %w", err)
	}
	var err error
	r.Stack, err = stack.New(stack.Options{Source: r.Server.URL(database), Env: env})
	return err
}

// Load changes rows of `Order` among the first rows ids at random, in 50 transactions a second that add up to
// rate changes a second, until ctx ends.
func (r *Rig) Load(ctx context.Context, rows, rate int, random func(int) int) error {
	const transactions = 50
	tick := time.NewTicker(time.Second / transactions)
	defer tick.Stop()
	for {
		ids := fmt.Sprint(1 + random(rows))
		for range rate/transactions - 1 {
			ids += fmt.Sprintf(",%d", 1+random(rows))
		}
		if _, err := r.DB.ExecContext(ctx, "UPDATE `Order` SET total = total + 0.01 WHERE id IN ("+ids+")"); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("changing rows: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
