package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

const (
	smallTables = 200
	smallRows   = 500
)

// measureTables copies many small tables with one connection and with several, beside a loop of bare SELECTs on as many.
func measureTables(ctx context.Context) (rows [][]string, err error) {
	server, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: mysqltest.MySQL})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	statements := []string{"CREATE DATABASE shop", "USE shop", orders, fmt.Sprintf(fillMany, 0, smallRows)}
	for i := range smallTables {
		name := fmt.Sprintf("t%03d", i)
		statements = append(statements, "CREATE TABLE "+name+" LIKE orders", "INSERT INTO "+name+" SELECT * FROM orders")
	}
	if err := server.Exec(ctx, append(statements, "DROP TABLE orders")...); err != nil {
		return nil, err
	}
	db, err := server.Open("shop")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxIdleConns(4)
	for _, connections := range []int{1, 4} {
		floor, err := selectTables(ctx, db, connections)
		if err != nil {
			return nil, err
		}
		copied, err := copyTables(ctx, db, server, connections)
		if err != nil {
			return nil, err
		}
		rows = append(rows, floor.cells(floor), copied.cells(floor))
	}
	return rows, nil
}

// selectTables reads all of the tables and drops what it reads.
func selectTables(ctx context.Context, db *sql.DB, connections int) (measured, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(connections)
	for i := range smallTables {
		group.Go(func() error {
			read, err := bareSelect(ctx, db, fmt.Sprintf("t%03d", i))
			if err == nil && read.rows != smallRows {
				err = fmt.Errorf("table %d has %d rows", i, read.rows)
			}
			return err
		})
	}
	err := group.Wait()
	return measured{name: fmt.Sprintf("bare SELECT *, %d at once", connections), rows: smallTables * smallRows, took: time.Since(began)}, err
}

func copyTables(ctx context.Context, db *sql.DB, server *mysqltest.Server, connections int) (m measured, err error) {
	// A new stream begins in the newest file, and a copy ends when the source has gone through it. That is not what is measured.
	if err := server.Exec(ctx, "FLUSH BINARY LOGS"); err != nil {
		return m, err
	}
	s, err := stack.New(stack.Options{Source: server.URL("shop"), Env: []string{fmt.Sprintf("COPY_CONNECTIONS=%d", connections)}})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	meter := &meter{db: db, stack: s}
	if err := meter.connect(ctx); err != nil {
		return m, err
	}
	defer meter.bus.Close()
	if err := meter.bus.EnsureStream(ctx, "default", bus.StreamOptions{}); err != nil {
		return m, err
	}
	if err := s.Ingest.Start(); err != nil {
		return m, err
	}
	var began time.Time
	ends := 0
	copied := errors.New("all tables are copied")
	err = meter.bus.Consume(ctx, "default", 1, bus.ConsumerOptions{}, func(message *bus.Message) error {
		f, err := frame.Unmarshal(message.Payload)
		if err != nil {
			return err
		}
		if began.IsZero() {
			began = time.Now()
		}
		if f.GetCopyEnd() != nil {
			ends++
		}
		if ends == smallTables {
			return copied
		}
		return nil
	})
	if !errors.Is(err, copied) {
		return m, err
	}
	return meter.usage(measured{name: fmt.Sprintf("ingest copy, COPY_CONNECTIONS=%d, to acks", connections), rows: smallTables * smallRows, took: time.Since(began)})
}
