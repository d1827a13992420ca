package snapshot

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// RefusedError names a row that is not to be copied as it is.
type RefusedError struct {
	// Key is the row's for people, Mark for Again; both are empty where the table has none or it must not be told.
	Key  string
	Mark []byte
	Date *mysqltype.RefusedError
}

func (e *RefusedError) Error() string { return fmt.Sprintf("the row with key %s: %v", e.Key, e.Date) }

// refused adds to an error about a refused date the row that it is in.
func (c *Copy) refused(err error, row []driver.Value, mark func([]driver.Value) ([]byte, error)) error {
	e := &RefusedError{}
	if !errors.As(err, &e.Date) {
		return err
	}
	if slices.Contains(c.Table.Key, e.Date.Column) { // the row cannot be asked for by such a key
		return e
	}
	var markErr error
	if e.Mark, markErr = mark(row); markErr != nil {
		return markErr
	}
	e.Key = c.keyText(row)
	return e
}

// keyText is a row's key for people; empty where there is none, or where it is what was refused.
func (c *Copy) keyText(row []driver.Value) string {
	if len(c.Table.Key) == 0 {
		return ""
	}
	rows := frame.NewRows(c.Definition)
	for i, v := range row {
		if !slices.Contains(c.Definition.GetKey(), uint32(i)) {
			v = nil
		}
		if _, err := c.Table.Columns[i].AppendValue(rows.Column(i), v); err != nil {
			return ""
		}
	}
	rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
	view, err := frame.View(rows.Message(), c.Definition)
	if err != nil {
		return ""
	}
	return view.KeyText(0)
}

// Again reads the row of a RefusedError as it is now, and returns such an error if it would still be refused.
func (c *Copy) Again(ctx context.Context, mark []byte) error {
	key, err := c.bound(mark)
	if err != nil {
		return err
	}
	conn, err := c.Server.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	defer conn.Close()
	conditions := make([]string, len(key))
	for i, column := range c.keyColumns() {
		conditions[i] = mysqltype.QuoteName(column.Name) + " = " + key[i]
	}
	statement := fmt.Sprintf("SELECT %s FROM %s WHERE %s", c.selectColumns(), c.Server.Name(c.Table.Name), strings.Join(conditions, " AND "))
	same := func([]driver.Value) ([]byte, error) { return mark, nil }
	if err := c.scan(ctx, conn, statement, same, mark, func(Piece) error { return nil }); err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return nil
}
