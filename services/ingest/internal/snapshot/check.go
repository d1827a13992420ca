package snapshot

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// Range is the part of a table between the marks of two pieces: after the one, up to and with the other. An empty mark is no bound.
type Range struct {
	After []byte `json:"after,omitempty"`
	Upto  []byte `json:"upto,omitempty"`
}

// Ranges reads parts of a table with a key, one after the other, once everything up to visible can be seen.
func (c *Copy) Ranges(ctx context.Context, visible binlog.Position, ranges []Range, emit Emit) error {
	spans := make([]*span, len(ranges))
	for i, r := range ranges {
		after, err := c.bound(r.After)
		if err != nil {
			return err
		}
		upto, err := c.bound(r.Upto)
		if err != nil {
			return err
		}
		spans[i] = &span{after: after, upto: upto, pieces: make(chan Piece, ahead)}
	}
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan *span, len(spans))
	for _, s := range spans {
		work <- s
	}
	close(work)
	group.Go(func() error { return c.readSpans(ctx, visible, work) })
	group.Go(func() error {
		for _, s := range spans {
			if err := forward(ctx, s, emit); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// Whole reads a table without a key in one statement, which is a consistent read, once everything up to visible can be seen. It takes no
// lock and so does not tell the place in the binlog that the rows belong to: it is between visible and where the binlog stands afterwards.
func (c *Copy) Whole(ctx context.Context, visible binlog.Position, emit Emit) error {
	conn, err := c.Server.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	defer conn.Close()
	if err := c.Server.AwaitVisible(ctx, conn, visible, c.Table.Name); err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return c.readAll(ctx, conn, emit)
}
