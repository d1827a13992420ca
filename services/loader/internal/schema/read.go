package schema

import (
	"github.com/chittihq/duckling/pkg/duck"
)

// row is one row of a bookkeeping table: string (also for BLOB), uint64, int64, bool.
type row []any

func (r row) text(i int) string { s, _ := r[i].(string); return s }
func (r row) uint(i int) uint64 { n, _ := r[i].(uint64); return n }
func (r row) int(i int) int64   { n, _ := r[i].(int64); return n }
func (r row) bool(i int) bool   { v, _ := r[i].(bool); return v }

// rows reads a whole result of the few types that the bookkeeping uses.
func (b *Book) rows(sql string) ([]row, error) {
	res, err := b.conn.Query(duck.Uncancelled, sql)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	var out []row
	for {
		chunk, err := res.Next()
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			return out, nil
		}
		for i := range chunk.Rows() {
			r := make(row, len(res.Columns()))
			for j := range r {
				r[j] = value(chunk.Column(j), i)
			}
			out = append(out, r)
		}
	}
}

func value(v *duck.Vector, i int) any {
	if v.Null(i) {
		return nil
	}
	switch v.Type.ID {
	case duck.UBigInt:
		return duck.Slice[uint64](v)[i]
	case duck.BigInt:
		return duck.Slice[int64](v)[i]
	case duck.Boolean:
		return duck.Slice[bool](v)[i]
	case duck.Varchar, duck.Blob:
		return string(v.Bytes(i))
	default:
		return nil
	}
}
