package frame

import (
	"encoding/binary"
	"math"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Rows collects rows of one table, column by column. For each row the caller
// appends one value to every column and then calls EndRow. Not safe for concurrent use.
type Rows struct {
	def        *cdcv1.TableDefinition
	columns    []ColumnBuilder
	operations []byte
	inserts    int
}

// NewRows returns an empty collection for rows of def, which must have passed CheckDefinition.
func NewRows(def *cdcv1.TableDefinition) *Rows {
	r := &Rows{def: def, columns: make([]ColumnBuilder, len(def.GetColumns()))}
	for i, c := range def.GetColumns() {
		r.columns[i].width = Width(c)
	}
	return r
}

// Definition is what the rows follow.
func (r *Rows) Definition() *cdcv1.TableDefinition { return r.def }

// Column returns the builder of column i, valid until the next Reset.
func (r *Rows) Column(i int) *ColumnBuilder { return &r.columns[i] }

// EndRow completes a row. Every column must have got exactly one value since
// the last EndRow; a column that got none is filled with null.
func (r *Rows) EndRow(op cdcv1.Operation) {
	r.operations = append(r.operations, byte(op))
	if op == cdcv1.Operation_OPERATION_INSERT {
		r.inserts++
	}
	for i := range r.columns {
		for r.columns[i].rows < len(r.operations) {
			r.columns[i].Null()
		}
	}
}

// CancelRow takes back the values appended since the last EndRow.
func (r *Rows) CancelRow() {
	for i := range r.columns {
		r.columns[i].truncate(len(r.operations))
	}
}

// Len is the number of complete rows.
func (r *Rows) Len() int { return len(r.operations) }

// Size is the number of bytes the rows take before compression, within a few percent.
func (r *Rows) Size() int {
	n := len(r.operations)
	for i := range r.columns {
		c := &r.columns[i]
		n += len(c.values) + 2*len(c.lengths) + len(c.nulls) + 8
	}
	return n
}

// Message returns the rows as they travel. It shares memory with r: encode it
// before r is changed or reset.
func (r *Rows) Message() *cdcv1.TableRows {
	m := &cdcv1.TableRows{
		Table:      r.def.GetTable(),
		Definition: r.def.GetFingerprint(),
		Rows:       uint32(len(r.operations)),
		Columns:    make([]*cdcv1.ColumnValues, len(r.columns)),
	}
	if r.inserts != len(r.operations) {
		m.Operations = r.operations
	}
	for i := range r.columns {
		c := &r.columns[i]
		m.Columns[i] = &cdcv1.ColumnValues{Values: c.values, Lengths: c.lengths}
		if c.hasNull {
			m.Columns[i].Nulls = c.nulls
		}
	}
	return m
}

// Reset forgets the rows and keeps the memory.
func (r *Rows) Reset() {
	r.operations = r.operations[:0]
	r.inserts = 0
	for i := range r.columns {
		r.columns[i].truncate(0)
	}
}

// ColumnBuilder appends values of one column in the layout of its type.
// The method must suit the type; the builder trusts the caller.
type ColumnBuilder struct {
	width   int
	rows    int
	values  []byte
	lengths []uint32
	nulls   []byte
	hasNull bool
}

func (c *ColumnBuilder) truncate(rows int) {
	if rows >= c.rows {
		return
	}
	if c.width == Variable {
		for _, n := range c.lengths[rows:] {
			c.values = c.values[:len(c.values)-int(n)]
		}
		c.lengths = c.lengths[:rows]
	} else {
		c.values = c.values[:rows*c.width]
	}
	c.nulls = c.nulls[:(rows+7)/8]
	if rows%8 != 0 {
		c.nulls[rows/8] &= 1<<(rows%8) - 1
	}
	c.rows = rows
	c.hasNull = false
	for _, b := range c.nulls {
		c.hasNull = c.hasNull || b != 0
	}
}

func (c *ColumnBuilder) next() {
	if c.rows%8 == 0 {
		c.nulls = append(c.nulls, 0)
	}
	c.rows++
}

var zeros [16]byte

// Null appends a null.
func (c *ColumnBuilder) Null() {
	c.next()
	c.nulls[(c.rows-1)/8] |= 1 << ((c.rows - 1) % 8)
	c.hasNull = true
	if c.width == Variable {
		c.lengths = append(c.lengths, 0)
		return
	}
	c.values = append(c.values, zeros[:c.width]...)
}

// Int appends a signed number, truncated to the column's width: INT8 to INT64, DATE,
// TIMESTAMP, TIME, and DECIMAL up to precision 18 as the unscaled number.
func (c *ColumnBuilder) Int(v int64) {
	c.Uint(uint64(v))
}

// Uint appends an unsigned number, truncated to the column's width: UINT8 to UINT64.
func (c *ColumnBuilder) Uint(v uint64) {
	c.next()
	switch c.width {
	case 1:
		c.values = append(c.values, byte(v))
	case 2:
		c.values = binary.LittleEndian.AppendUint16(c.values, uint16(v))
	case 4:
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(v))
	default:
		c.values = binary.LittleEndian.AppendUint64(c.values, v)
	}
}

// Wide appends a DECIMAL of precision 19 to 38: the unscaled number in two's complement.
func (c *ColumnBuilder) Wide(lower uint64, upper int64) {
	c.next()
	c.values = binary.LittleEndian.AppendUint64(c.values, lower)
	c.values = binary.LittleEndian.AppendUint64(c.values, uint64(upper))
}

// Float32 appends a FLOAT.
func (c *ColumnBuilder) Float32(v float32) {
	c.next()
	c.values = binary.LittleEndian.AppendUint32(c.values, math.Float32bits(v))
}

// Float64 appends a DOUBLE.
func (c *ColumnBuilder) Float64(v float64) {
	c.next()
	c.values = binary.LittleEndian.AppendUint64(c.values, math.Float64bits(v))
}

// Bytes appends a copy of v to a TEXT, BLOB or JSON column. TEXT and JSON must be valid UTF-8.
func (c *ColumnBuilder) Bytes(v []byte) {
	c.next()
	c.values = append(c.values, v...)
	c.lengths = append(c.lengths, uint32(len(v)))
}

// String is Bytes for a string.
func (c *ColumnBuilder) String(v string) {
	c.next()
	c.values = append(c.values, v...)
	c.lengths = append(c.lengths, uint32(len(v)))
}
