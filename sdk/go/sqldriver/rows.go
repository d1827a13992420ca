package sqldriver

import (
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

// source is where rows come from: a whole result, or a *duckling.RowStream.
type source interface {
	Columns() []duckling.Column
	Next() bool
	Row() duckling.Row
	Err() error
	Close()
}

// whole steps through a result that is all there.
type whole struct {
	result *duckling.Result
	next   int
}

func (w *whole) Columns() []duckling.Column { return w.result.Columns() }
func (w *whole) Row() duckling.Row          { return w.result.Row(w.next - 1) }
func (w *whole) Err() error                 { return nil }
func (w *whole) Close()                     {}

func (w *whole) Next() bool {
	w.next++
	return w.next <= w.result.Len()
}

type rows struct {
	source  source
	columns []duckling.Column
	cells   []any // where a row is scanned to; each is a *cell or a **string
	texts   []*string
}

var (
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
)

func newRows(s source, options Options) *rows {
	columns := s.Columns()
	r := &rows{source: s, columns: columns, cells: make([]any, len(columns)), texts: make([]*string, len(columns))}
	for i, column := range columns {
		if isTime(column) && !options.ParseTime {
			r.cells[i] = &r.texts[i]
		} else {
			r.cells[i] = new(cell)
		}
	}
	return r
}

// cell takes what the client gives to any sql.Scanner, which are a driver's own types.
type cell struct{ value driver.Value }

func (c *cell) Scan(v any) error {
	c.value = v
	return nil
}

func (r *rows) Columns() []string {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.Name
	}
	return names
}

func (r *rows) Close() error {
	r.source.Close()
	return nil
}

func (r *rows) Next(dst []driver.Value) error {
	if !r.source.Next() {
		if err := r.source.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	if err := r.source.Row().Scan(r.cells...); err != nil {
		return err
	}
	for i := range r.cells {
		switch c := r.cells[i].(type) {
		case *cell:
			dst[i] = c.value
		case **string:
			if dst[i] = nil; *c != nil {
				dst[i] = **c
			}
		}
	}
	return nil
}

func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	name, _, _ := strings.Cut(r.columns[i].Type, "(")
	return name
}

// ColumnTypePrecisionScale knows DECIMAL(p,s).
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	_, err := fmt.Sscanf(r.columns[i].Type, "DECIMAL(%d,%d)", &precision, &scale)
	return precision, scale, err == nil
}

// ColumnTypeScanType is the type values come as, NULL aside.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	switch name := r.columns[i].Type; name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER":
		return reflect.TypeFor[int64]()
	case "FLOAT", "DOUBLE":
		return reflect.TypeFor[float64]()
	case "BOOLEAN":
		return reflect.TypeFor[bool]()
	case "BLOB":
		return reflect.TypeFor[[]byte]()
	case "", "HUGEINT", "UBIGINT", "UHUGEINT":
		return reflect.TypeFor[any]() // int64 where it fits, else text
	}
	if _, isCell := r.cells[i].(*cell); isCell && isTime(r.columns[i]) {
		return reflect.TypeFor[time.Time]()
	}
	return reflect.TypeFor[string]()
}

func isTime(c duckling.Column) bool {
	return c.Type == "DATE" || strings.HasPrefix(c.Type, "TIMESTAMP")
}
