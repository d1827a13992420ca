package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// backlog is a source with an empty table of orders, and a stream that has begun there. Its ingest is stopped, so that
// all that follows is backlog.
type backlog struct {
	server *mysqltest.Server
	db     *sql.DB
	stack  *stack.Stack
	meter  *meter
	from   string // GTIDs
}

func newBacklog(ctx context.Context, flavor mysqltest.Flavor) (b *backlog, err error) {
	b = &backlog{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	args := []string{"--innodb-buffer-pool-size=1G", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"}
	if flavor == mysqltest.MariaDB {
		args = append(args, "--innodb-log-file-size=2G", "--max-recursive-iterations=4294967295")
	} else {
		args = append(args, "--innodb-redo-log-capacity=2G", "--cte-max-recursion-depth=4294967295")
	}
	b.server, err = mysqltest.Start(ctx, mysqltest.Options{Flavor: flavor, Args: args})
	if err != nil {
		return b, err
	}
	if err := b.server.Exec(ctx, "CREATE DATABASE shop", "USE shop", orders, fillSingly); err != nil {
		return b, err
	}
	if b.db, err = b.server.Open("shop"); err != nil {
		return b, err
	}
	if b.stack, err = stack.New(stack.Options{Source: b.server.URL("shop")}); err != nil {
		return b, err
	}
	b.meter = &meter{db: b.db, stack: b.stack}
	if _, err := b.meter.begin(ctx); err != nil {
		return b, err
	}
	if err := b.stack.Ingest.Stop(ctx); err != nil {
		return b, err
	}
	if err := b.server.Exec(ctx, "FLUSH BINARY LOGS"); err != nil {
		return b, err
	}
	b.from, err = b.server.GTID(ctx)
	return b, err
}

// Close ends what has begun.
func (b *backlog) Close() error {
	var errs []error
	if b.meter != nil && b.meter.bus != nil {
		b.meter.bus.Close()
	}
	if b.stack != nil {
		errs = append(errs, b.stack.Close())
	}
	if b.db != nil {
		errs = append(errs, b.db.Close())
	}
	if b.server != nil {
		errs = append(errs, b.server.Close())
	}
	return errors.Join(errs...)
}

// measureGiant lets the bare reader and ingest read one transaction of so many rows, from both kinds of server.
func measureGiant(ctx context.Context, rows int) error {
	page := report.New("ingest", "One huge transaction, from the ingest binary's first message to JetStream's acknowledgement of the last one, "+
		"beside go-mysql's BinlogSyncer, whose events are thrown away. CPU and memory are the ingest process's own.")
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		if err := measureGiantOf(ctx, flavor, rows, page); err != nil {
			return fmt.Errorf("%s: %w", flavor, err)
		}
	}
	return page.SaveAs("ingest-giant")
}

func measureGiantOf(ctx context.Context, flavor mysqltest.Flavor, rows int, page *report.Report) (err error) {
	b, err := newBacklog(ctx, flavor)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.db.ExecContext(ctx, fmt.Sprintf(fillMany, 0, rows)); err != nil {
		return fmt.Errorf("preparing the transaction: %w", err)
	}
	file, size, err := head(ctx, b.db)
	if err != nil {
		return err
	}
	syncer, err := bareSyncer(ctx, b.server, b.from, rows)
	if err != nil {
		return err
	}
	ingest, err := b.meter.stream(ctx, rows)
	if err != nil {
		return err
	}
	page.Line("One transaction of %d rows from %s; the binlog file %s that it is in has %d MB:", rows, flavor, file, size>>20)
	page.Table(header, syncer.cells(syncer), ingest.cells(syncer))
	return nil
}
