package snapshot

import (
	"context"
	"database/sql"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// Range is the part of a table between the marks of two pieces: after the one, up to and with the other. An empty mark is no bound.
type Range struct {
	After []byte `json:"after,omitempty"`
	Upto  []byte `json:"upto,omitempty"`
}

// Ranges reads parts of a table with a key, one after the other, once everything up to visible can be seen.
func (c *Copy) Ranges(ctx context.Context, visible binlog.Position, ranges []Range, emit Emit) error {
	return c.visibly(ctx, visible, func(conn *sql.Conn) error {
		for _, r := range ranges {
			after, err := c.bound(r.After)
			if err != nil {
				return err
			}
			upto, err := c.bound(r.Upto)
			if err != nil {
				return err
			}
			if err := c.readSpan(ctx, conn, &span{after: after, upto: upto}, emit); err != nil {
				return err
			}
		}
		return nil
	})
}

// Whole reads a table without a key in one statement, which is a consistent read, once everything up to visible can be seen. It takes no
// lock and so does not tell the place in the binlog that the rows belong to: it is between visible and where the binlog stands afterwards.
func (c *Copy) Whole(ctx context.Context, visible binlog.Position, emit Emit) error {
	return c.visibly(ctx, visible, func(conn *sql.Conn) error { return c.readAll(ctx, conn, emit) })
}
