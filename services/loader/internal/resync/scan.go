package resync

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// scan hashes the table's rows as the snapshot has them, into the table here, and returns how many there are.
func (c *Check) scan(ctx context.Context, write *duck.Conn) (n int64, err error) {
	if err := write.Exec(fmt.Sprintf("CREATE TABLE %s.here (k UBIGINT, r UBIGINT)", scratch)); err != nil {
		return 0, err
	}
	out, err := write.NewAppender(scratch, "main", "here")
	if err != nil {
		return 0, err
	}
	defer out.Close()
	err = c.stream(ctx, "", func(_ *duck.Chunk, keys, rows frame.Sums) error {
		n += int64(len(rows))
		for i := range rows {
			duck.SetFixed(out.Column(0), i, keys[i])
			duck.SetFixed(out.Column(1), i, rows[i])
		}
		return out.Append(len(rows))
	})
	if err != nil {
		return 0, err
	}
	return n, out.Flush()
}

// stream reads the part's rows as the snapshot has them: their columns and then extra ones, with the hashes of both sides.
func (c *Check) stream(ctx context.Context, extra string, take func(chunk *duck.Chunk, keys, rows frame.Sums) error) error {
	stmt, err := c.read.Prepare(fmt.Sprintf("SELECT %s%s FROM %s", schema.Columns(c.def, ""), extra, c.live+c.within()))
	if err != nil {
		return err
	}
	defer stmt.Close()
	res, err := stmt.Stream(ctx)
	if err != nil {
		return err
	}
	defer res.Close()
	var h hasher
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			return err
		}
		keys, rows := h.chunk(c.def, chunk)
		if err := take(chunk, keys, rows); err != nil {
			return err
		}
	}
}

// within is SQL that selects the rows of the part. The first one has the rows whose key is null too, which only damage makes.
func (c *Check) within() string {
	var conditions []string
	if c.after != nil {
		conditions = append(conditions, c.beyond(">", c.after))
	}
	if c.upto != nil {
		below := "NOT (" + c.beyond(">", c.upto) + ")"
		if len(c.upto) == 1 {
			below = c.beyond("<=", c.upto) // which DuckDB compares with the bounds that it has of blocks of rows
		}
		if c.after == nil {
			for i := range c.upto {
				below += " OR " + c.keyColumn(i) + " IS NULL"
			}
		}
		conditions = append(conditions, "("+below+")")
	}
	if conditions == nil {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

// beyond compares the key's leading columns with a bound, by the operator in the last of them and by > in those before.
func (c *Check) beyond(operator string, bound []string) string {
	column := func(i int) (name, value string) {
		def := c.def.GetColumns()[c.def.GetKey()[i]]
		return c.keyColumn(i), duck.Literal(bound[i]) + "::" + schema.Type(def)
	}
	last := len(bound) - 1
	name, value := column(last)
	out := name + " " + operator + " " + value
	for i := last - 1; i >= 0; i-- {
		name, value = column(i)
		out = fmt.Sprintf("%[1]s >= %[2]s AND (%[1]s > %[2]s OR %[3]s)", name, value, out)
	}
	return out
}

func (c *Check) keyColumn(i int) string {
	return duck.Identifier(c.def.GetColumns()[c.def.GetKey()[i]].GetName())
}

// hasher makes of DuckDB's vectors the sums that ingest makes of the same rows. Its memory is used again for each chunk.
type hasher struct {
	keys, rows frame.Sums
	nulls      []byte
	micros     []byte
}

func (h *hasher) chunk(def *cdcv1.TableDefinition, chunk *duck.Chunk) (keys, rows frame.Sums) {
	n := chunk.Rows()
	if cap(h.rows) < n {
		h.keys, h.rows = frame.NewSums(n), frame.NewSums(n)
	}
	h.keys, h.rows = h.keys[:n], h.rows[:n]
	h.keys.Reset()
	h.rows.Reset()
	for i, c := range def.GetColumns() {
		h.column(h.rows, c, chunk.Column(i))
	}
	if len(def.GetKey()) == 0 {
		return h.rows, h.rows
	}
	for _, i := range def.GetKey() {
		h.column(h.keys, def.GetColumns()[i], chunk.Column(int(i)))
	}
	return h.keys, h.rows
}

func (h *hasher) column(sums frame.Sums, def *cdcv1.Column, v *duck.Vector) {
	width := frame.Width(def)
	if width == frame.Variable {
		for i := range sums {
			if v.Null(i) {
				sums.Null(i)
			} else {
				sums.Bytes(i, v.Bytes(i))
			}
		}
		return
	}
	h.nulls = h.nulls[:0]
	for _, b := range v.Validity() {
		h.nulls = append(h.nulls, ^b)
	}
	if def.GetType() != cdcv1.Type_TYPE_TIME {
		sums.Fixed(def, v.Raw(width), h.nulls)
		return
	}
	h.micros = h.micros[:0]
	for _, t := range duck.Slice[duck.IntervalValue](v) {
		// The loader writes neither months nor days; where they came from elsewhere they must count.
		h.micros = binary.LittleEndian.AppendUint64(h.micros, uint64(t.Micros)^uint64(t.Months)<<48^uint64(t.Days)<<56)
	}
	sums.Fixed(def, h.micros, h.nulls)
}
