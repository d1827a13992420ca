package snapshot

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// smallRows is below how many rows a table is read without looking for ranges, which takes as long.
const smallRows = 5000

// rangeBytes is the size that ranges aim at, by the source's estimate of its rows.
const rangeBytes = 4 << 20

// Keyed reads the table by key, in order, going on after resume if that is set. Each of its connections first waits until it
// sees everything up to visible. Pieces come in key order.
func (c *Copy) Keyed(ctx context.Context, visible binlog.Position, resume []byte, emit Emit) error {
	after, err := c.bound(resume)
	if err != nil {
		return err
	}
	return c.visibly(ctx, visible, func(conn *sql.Conn) error {
		if c.small() {
			more, err := c.readSmall(ctx, conn, after, emit)
			if err != nil || more == nil {
				return err
			}
			after = more
		}
		if c.Bounds == nil {
			return c.walk(ctx, conn, after, func(s *span) error { return c.readSpan(ctx, conn, s, emit) })
		}
		return c.spread(ctx, conn, visible, after, emit)
	})
}

// small says that the source estimates no more rows than are read at once.
func (c *Copy) small() bool {
	return c.Table.Rows < min(c.rangeRows(), smallRows) && !c.hidden()
}

// readSmall reads the first rows without looking for ranges. Where there are more, whatever the source estimated, it returns the key
// of the last.
func (c *Copy) readSmall(ctx context.Context, conn *sql.Conn, after []string, emit Emit) (more []string, err error) {
	most, n, mark := min(c.rangeRows(), smallRows), uint64(0), []byte(nil)
	err = c.readSpan(ctx, conn, &span{after: after, most: most}, func(p Piece) error {
		n += uint64(p.Rows.Len())
		mark = p.Resume
		return emit(p)
	})
	if err != nil || n < most {
		return nil, err
	}
	return c.bound(mark)
}

// rangeRows is how many rows a range is to have.
func (c *Copy) rangeRows() uint64 {
	return min(max(rangeBytes/max(c.Table.RowBytes, 1), 1), 100_000)
}

// hidden says that marks must not be made, for they would tell the key.
func (c *Copy) hidden() bool {
	return slices.ContainsFunc(c.keyColumns(), (*mysqltype.Column).Masked)
}

// visibly runs what reads rows on a connection that sees everything up to visible.
func (c *Copy) visibly(ctx context.Context, visible binlog.Position, read func(*sql.Conn) error) error {
	conn, err := c.Server.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	defer conn.Close()
	if err := c.Server.AwaitVisible(ctx, conn, visible, c.Table.Name); err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return read(conn)
}

// bound reads the mark of a piece, or of a part, which has the key's leading columns; an empty one is no bound.
func (c *Copy) bound(mark []byte) (key []string, err error) {
	if len(mark) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(mark, &key); err != nil || len(key) == 0 || len(key) > len(c.Table.Key) {
		return nil, fmt.Errorf("reading %q from a key on: the mark %q makes no sense", c.Table.Name, mark)
	}
	return key, nil
}

// walk finds the bounds of ranges: by the source's estimates where it can, else by stepping along the index.
func (c *Copy) walk(ctx context.Context, conn *sql.Conn, after []string, found func(*span) error) error {
	rows := c.rangeRows()
	divided, err := c.divide(ctx, conn, after, rows, found)
	for err == nil && !divided {
		var upto []string
		if upto, err = c.step(ctx, conn, after, rows); err == nil {
			err = found(&span{after: after, upto: upto})
		}
		after, divided = upto, upto == nil
	}
	return err
}

// step returns the key that many rows further, nil when there are fewer.
func (c *Copy) step(ctx context.Context, conn *sql.Conn, after []string, rows uint64) (upto []string, err error) {
	columns := c.keyColumns()
	expressions, names := make([]string, len(columns)), make([]string, len(columns))
	for i, column := range columns {
		expressions[i], names[i] = column.SelectExpression(), mysqltype.QuoteName(column.Name)
	}
	statement := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s)%s ORDER BY %s LIMIT 1 OFFSET %d",
		strings.Join(expressions, ", "), c.Server.Name(c.Table.Name), mysqltype.QuoteName(c.Table.Index),
		where(names, after, nil), strings.Join(names, ", "), rows-1)
	err = query(ctx, conn, statement, func(found driver.Rows) error {
		values := make([]driver.Value, len(columns))
		if err := found.Next(values); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		upto, err = literals(columns, values)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading key ranges of %q: %w", c.Table.Name, err)
	}
	return upto, nil
}

func (c *Copy) readSpan(ctx context.Context, conn *sql.Conn, s *span, emit Emit) error {
	columns := c.keyColumns()
	names, positions := make([]string, len(columns)), make([]int, len(columns))
	for i, column := range columns {
		names[i] = mysqltype.QuoteName(column.Name)
		positions[i] = c.position(column.Name)
	}
	var last []byte
	hidden := c.hidden()
	if s.upto != nil && !hidden {
		var err error
		if last, err = json.Marshal(s.upto); err != nil {
			return err
		}
	}
	statement := fmt.Sprintf("SELECT %s FROM %s FORCE INDEX (%s)%s ORDER BY %s", c.selectColumns(), c.Server.Name(c.Table.Name),
		mysqltype.QuoteName(c.Table.Index), where(names, s.after, s.upto), strings.Join(names, ", "))
	if s.most > 0 {
		statement += fmt.Sprint(" LIMIT ", s.most)
	}
	key := make([]driver.Value, len(columns))
	mark := func(row []driver.Value) ([]byte, error) {
		if hidden {
			return nil, nil
		}
		for i, at := range positions {
			key[i] = row[at]
		}
		text, err := literals(columns, key)
		if err != nil {
			return nil, err
		}
		return json.Marshal(text)
	}
	if err := c.scan(ctx, conn, statement, mark, last, emit); err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return nil
}

func (c *Copy) position(column string) int {
	return slices.IndexFunc(c.Table.Columns, func(x mysqltype.Column) bool { return x.Name == column })
}

func (c *Copy) keyColumns() []*mysqltype.Column {
	out := make([]*mysqltype.Column, len(c.Table.Key))
	for i, name := range c.Table.Key {
		out[i] = &c.Table.Columns[c.position(name)]
	}
	return out
}

func literals(columns []*mysqltype.Column, values []driver.Value) ([]string, error) {
	out := make([]string, len(columns))
	for i, column := range columns {
		var err error
		if out[i], err = column.KeyLiteral(values[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// where selects after < key <= upto, of as many leading columns as a bound has. The comparison is the server's own, so that collations and signs
// are those of the index; it is written out, for MySQL does not use an index for (a, b) > (1, 2).
func where(names, after, upto []string) string {
	var conditions []string
	if after != nil {
		conditions = append(conditions, compare(names[:len(after)], after, ">", ">"))
		if len(after) > 1 {
			conditions = append(conditions, names[0]+" >= "+after[0])
		}
	}
	if upto != nil {
		conditions = append(conditions, compare(names[:len(upto)], upto, "<", "<="))
		if len(upto) > 1 {
			conditions = append(conditions, names[0]+" <= "+upto[0])
		}
	}
	if conditions == nil {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// compare writes key < bound column by column; the last column uses its own operator.
func compare(names, bound []string, operator, lastOperator string) string {
	if len(names) == 1 {
		return "(" + names[0] + " " + lastOperator + " " + bound[0] + ")"
	}
	return fmt.Sprintf("(%s %s %s OR (%s = %s AND %s))", names[0], operator, bound[0],
		names[0], bound[0], compare(names[1:], bound[1:], operator, lastOperator))
}
