package duck

// #include "answer.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Conn is one connection. It runs one statement at a time and is not safe for
// concurrent use, except for Interrupt.
type Conn struct {
	conn mapping.Connection
	crew *crew

	spare  *C.answer // of a stream that has ended, for the next one
	closed bool
}

// Close frees the connection. Open transactions roll back.
func (c *Conn) Close() {
	if c.spare != nil {
		C.answer_free(c.spare)
		c.spare = nil
	}
	c.closed = true
	mapping.Disconnect(&c.conn)
}

// Interrupt asks the running statement to stop at its next vector. A statement that has not begun is not affected.
func (c *Conn) Interrupt() { mapping.Interrupt(c.conn) }

// Exec runs every statement in sql, without parameters, and drops the results.
// It cannot be cancelled; it is for the program's own statements.
func (c *Conn) Exec(sql string) error {
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.Query(c.conn, sql, &res) == mapping.StateError {
		return newError(mapping.ResultError(&res))
	}
	return nil
}

// ExecCount runs one statement and returns how many rows it changed.
func (c *Conn) ExecCount(sql string) (int64, error) {
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.Query(c.conn, sql, &res) == mapping.StateError {
		return 0, newError(mapping.ResultError(&res))
	}
	return int64(mapping.RowsChanged(&res)), nil
}

// Run runs one statement with parameters to its end and drops the result.
func (c *Conn) Run(ctx context.Context, sql string, args ...any) error {
	res, err := c.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	res.Close()
	return nil
}

// Query prepares and runs one statement and returns its whole result.
func (c *Conn) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	stmt, err := c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	return stmt.Query(ctx, args...)
}

// Transaction runs fn between BEGIN and COMMIT, and rolls back when fn fails.
func (c *Conn) Transaction(fn func() error) error {
	if err := c.Exec("BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("beginning transaction: %w", err)
	}
	if err := fn(); err != nil {
		if rerr := c.Exec("ROLLBACK"); rerr != nil {
			return errors.Join(err, fmt.Errorf("rolling back: %w", rerr))
		}
		return err
	}
	if err := c.Exec("COMMIT"); err != nil {
		return fmt.Errorf("committing transaction: %w", err)
	}
	return nil
}

// Uncancelled is the context of a program's own statements, which run to their
// end whatever becomes of whoever waits for them.
var Uncancelled = context.Background()

// reassert is how often a cancelled statement is interrupted again: the flag is
// cleared when a statement begins, so one call may come too early to be seen.
const reassert = 5 * time.Millisecond

// interruptOn interrupts the connection when ctx ends, until release is called.
// After release returns, no interrupt can hit a later statement.
func (c *Conn) interruptOn(ctx context.Context) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	released := make(chan struct{})
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		tick := time.NewTicker(reassert)
		defer tick.Stop()
		for {
			c.Interrupt()
			select {
			case <-released:
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(released)
		if !stop() {
			<-finished
		}
	}
}
