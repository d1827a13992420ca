package frame

import (
	"encoding/binary"
	"fmt"
	"math"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Table is a checked view of a TableRows message: every index below is in
// range for every row. It shares the message's memory and is read-only.
type Table struct {
	Definition *cdcv1.TableDefinition
	Rows       int
	Columns    []ColumnView
	operations []byte
}

// View checks m against def: that the rows were written for it, and that every column's
// bytes are as long as its rows need. Damage comes back as an error that names table and column.
func View(m *cdcv1.TableRows, def *cdcv1.TableDefinition) (*Table, error) {
	if m.GetDefinition() != def.GetFingerprint() || m.GetTable() != def.GetTable() {
		return nil, fmt.Errorf("rows of table %q follow definition %x, not %x", m.GetTable(), m.GetDefinition(), def.GetFingerprint())
	}
	if len(m.GetColumns()) != len(def.GetColumns()) {
		return nil, fmt.Errorf("rows of table %q have %d columns, their definition %d", m.GetTable(), len(m.GetColumns()), len(def.GetColumns()))
	}
	rows := int(m.GetRows())
	ops := m.GetOperations()
	if len(ops) != 0 && len(ops) != rows {
		return nil, fmt.Errorf("rows of table %q: %d operations for %d rows", m.GetTable(), len(ops), rows)
	}
	for _, op := range ops {
		if op < byte(cdcv1.Operation_OPERATION_INSERT) || op > byte(cdcv1.Operation_OPERATION_DELETE) {
			return nil, fmt.Errorf("rows of table %q: operation %d is unknown to this release", m.GetTable(), op)
		}
	}
	t := &Table{Definition: def, Rows: rows, operations: ops, Columns: make([]ColumnView, len(def.GetColumns()))}
	for i, c := range m.GetColumns() {
		if err := t.Columns[i].init(c, def.GetColumns()[i], rows); err != nil {
			return nil, fmt.Errorf("column %q.%q: %w", m.GetTable(), def.GetColumns()[i].GetName(), err)
		}
	}
	return t, nil
}

// Operation says what row i is.
func (t *Table) Operation(i int) cdcv1.Operation {
	if len(t.operations) == 0 {
		return cdcv1.Operation_OPERATION_INSERT
	}
	return cdcv1.Operation(t.operations[i])
}

// InsertsOnly is true when every row is an insert.
func (t *Table) InsertsOnly() bool { return len(t.operations) == 0 }

// ColumnView reads one column of a Table.
type ColumnView struct {
	width   int
	nulls   []byte
	values  []byte
	offsets []uint32 // one more than rows, Variable only
}

func (c *ColumnView) init(m *cdcv1.ColumnValues, def *cdcv1.Column, rows int) error {
	c.width, c.nulls, c.values = Width(def), m.GetNulls(), m.GetValues()
	if len(c.nulls) != 0 && len(c.nulls) != (rows+7)/8 {
		return fmt.Errorf("null bitmap of %d bytes for %d rows", len(c.nulls), rows)
	}
	if c.width != Variable {
		if len(c.values) != rows*c.width {
			return fmt.Errorf("%d bytes for %d rows of width %d", len(c.values), rows, c.width)
		}
		return nil
	}
	if len(m.GetLengths()) != rows {
		return fmt.Errorf("%d lengths for %d rows", len(m.GetLengths()), rows)
	}
	if len(c.values) > math.MaxUint32 {
		return fmt.Errorf("%d bytes of values, more than a frame may hold", len(c.values))
	}
	c.offsets = make([]uint32, rows+1)
	var sum uint64
	for i, n := range m.GetLengths() {
		sum += uint64(n)
		if sum > uint64(len(c.values)) {
			return fmt.Errorf("lengths add up to more than its %d bytes", len(c.values))
		}
		c.offsets[i+1] = uint32(sum)
	}
	if sum != uint64(len(c.values)) {
		return fmt.Errorf("lengths add up to %d of its %d bytes", sum, len(c.values))
	}
	return nil
}

// Null reports whether row i is null.
func (c *ColumnView) Null(i int) bool {
	return len(c.nulls) != 0 && c.nulls[i/8]>>(i%8)&1 == 1
}

// Nulls is the bitmap as it travelled, empty when no row is null.
func (c *ColumnView) Nulls() []byte { return c.nulls }

// Fixed returns the little-endian numbers of a fixed-width column, all rows end to end.
func (c *ColumnView) Fixed() []byte { return c.values }

// Width is the column's Width.
func (c *ColumnView) Width() int { return c.width }

// Bytes returns the value of row i of a TEXT, BLOB or JSON column, or the raw number of a fixed-width one.
func (c *ColumnView) Bytes(i int) []byte {
	if c.width == Variable {
		return c.values[c.offsets[i]:c.offsets[i+1]]
	}
	return c.values[i*c.width : (i+1)*c.width]
}

// Int returns row i of a column up to 8 bytes wide, sign-extended.
func (c *ColumnView) Int(i int) int64 {
	switch c.width {
	case 1:
		return int64(int8(c.values[i]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(c.values[2*i:])))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(c.values[4*i:])))
	default:
		return int64(binary.LittleEndian.Uint64(c.values[8*i:]))
	}
}

// Uint returns row i of an unsigned column up to 8 bytes wide.
func (c *ColumnView) Uint(i int) uint64 {
	switch c.width {
	case 1:
		return uint64(c.values[i])
	case 2:
		return uint64(binary.LittleEndian.Uint16(c.values[2*i:]))
	case 4:
		return uint64(binary.LittleEndian.Uint32(c.values[4*i:]))
	default:
		return binary.LittleEndian.Uint64(c.values[8*i:])
	}
}

// Wide returns row i of a DECIMAL of precision 19 to 38.
func (c *ColumnView) Wide(i int) (lower uint64, upper int64) {
	b := c.values[16*i:]
	return binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
}

// Float64 returns row i of a FLOAT or DOUBLE column.
func (c *ColumnView) Float64(i int) float64 {
	if c.width == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(c.values[4*i:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(c.values[8*i:]))
}
