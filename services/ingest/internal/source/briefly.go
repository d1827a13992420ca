package source

import (
	"context"
	"fmt"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/catalog"
)

// loopWait is how long the loop waits for a table that another session has to itself. A variable for the tests.
var loopWait = 15 * time.Second

// briefly is for questions of the loop about a table. A statement that has this table to itself, as RENAME of several tables has, may wait
// for a copy of another one, and that copy for the loop: after loopWait the run ends, and with it the copies.
func (r *run) briefly(ctx context.Context, table string, ask func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, loopWait)
	defer cancel()
	err := ask(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("another statement at the source has had table %q to itself for %v: %w", table, loopWait, err)
	}
	return err
}

// describe is schema for the loop.
func (r *run) describe(ctx context.Context, name string) (found map[string]*catalog.Table, err error) {
	err = r.briefly(ctx, name, func(ctx context.Context) error {
		found, err = r.schema(ctx, name)
		return err
	})
	return found, err
}
