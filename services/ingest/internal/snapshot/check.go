package snapshot

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// End is where a part of a table ends: as a mark to go on from, and as the values of the key's leading columns in DuckDB's form.
type End struct {
	Mark  []byte
	Bound []string
}

var errFull = errors.New("the part has as many rows as it is to have")

// Part reads a table with a key as Keyed does, and stops after that many rows and those that the key's ordered columns do not tell from
// the last; at 0, and where no column is ordered, it reads to the end. The result is nil at the table's end.
func (c *Copy) Part(ctx context.Context, visible binlog.Position, after []byte, rows int, emit Emit) (*End, error) {
	ordered := c.Table.Ordered()
	if rows == 0 || ordered == 0 {
		return nil, c.Keyed(ctx, visible, after, emit)
	}
	var last []byte
	c.most = rows
	err := c.Keyed(ctx, visible, after, func(p Piece) error {
		if err := emit(p); err != nil {
			return err
		}
		last = p.Resume
		if rows -= p.Rows.Len(); rows <= 0 {
			return errFull
		}
		return nil
	})
	if !errors.Is(err, errFull) {
		return nil, err
	}
	key, err := c.bound(last)
	if err != nil {
		return nil, err
	}
	end := &End{Mark: last}
	if len(key) > ordered {
		key = key[:ordered]
		if end.Mark, err = json.Marshal(key); err != nil {
			return nil, err
		}
		if err := c.Ranges(ctx, visible, []Range{{After: last, Upto: end.Mark}}, emit); err != nil {
			return nil, err
		}
	}
	for _, literal := range key {
		text, err := mysqltype.BoundText(literal)
		if err != nil {
			return nil, err
		}
		end.Bound = append(end.Bound, text)
	}
	return end, nil
}

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
