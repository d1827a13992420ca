package frametest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// Lines returns the table's rows, each as a line, sorted.
func (t *Table) Lines() []string {
	out := make([]string, 0, len(t.Rows))
	for _, r := range t.Rows {
		out = append(out, line(r))
	}
	slices.Sort(out)
	return out
}

func line(r Row) string {
	parts := make([]string, len(r))
	for i, v := range r {
		parts[i] = "null"
		if v != nil {
			parts[i] = fmt.Sprintf("%q", fmt.Sprint(v))
		}
	}
	return strings.Join(parts, " ")
}

// Read returns the rows of a DuckDB table in the form of Lines, its columns in
// the order of def.
func Read(conn *duck.Conn, name string, def *cdcv1.TableDefinition) ([]string, error) {
	columns := make([]string, len(def.GetColumns()))
	for i, c := range def.GetColumns() {
		columns[i] = duck.Identifier(c.GetName())
	}
	res, err := conn.Query(context.Background(), fmt.Sprintf("SELECT %s FROM %s", strings.Join(columns, ", "), name))
	if err != nil {
		return nil, err
	}
	defer res.Close()
	out := []string{}
	for {
		chunk, err := res.Next()
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			slices.Sort(out)
			return out, nil
		}
		for i := range chunk.Rows() {
			r := make(Row, len(columns))
			for j := range r {
				if v := chunk.Column(j); !v.Null(i) {
					r[j] = value(v, i)
				}
			}
			out = append(out, line(r))
		}
	}
}

func value(v *duck.Vector, i int) any {
	id := v.Type.ID
	if id == duck.Decimal {
		id = v.Type.Storage
	}
	switch id {
	case duck.TinyInt:
		return int64(duck.Slice[int8](v)[i])
	case duck.SmallInt:
		return int64(duck.Slice[int16](v)[i])
	case duck.Integer, duck.Date:
		return int64(duck.Slice[int32](v)[i])
	case duck.BigInt, duck.Timestamp:
		return duck.Slice[int64](v)[i]
	case duck.HugeInt:
		n := duck.Slice[duck.Int128](v)[i]
		if n.Upper != int64(n.Lower)>>63 {
			return fmt.Sprintf("%v", n)
		}
		return int64(n.Lower)
	case duck.UTinyInt:
		return uint64(duck.Slice[uint8](v)[i])
	case duck.USmallInt:
		return uint64(duck.Slice[uint16](v)[i])
	case duck.UInteger:
		return uint64(duck.Slice[uint32](v)[i])
	case duck.UBigInt:
		return duck.Slice[uint64](v)[i]
	case duck.Float:
		return float64(duck.Slice[float32](v)[i])
	case duck.Double:
		return duck.Slice[float64](v)[i]
	case duck.Interval:
		n := duck.Slice[duck.IntervalValue](v)[i]
		if n.Days != 0 || n.Months != 0 {
			return fmt.Sprintf("%v", n)
		}
		return n.Micros
	default:
		return string(v.Bytes(i))
	}
}
