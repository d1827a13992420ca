package binlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// Optional metadata of a TABLE_MAP event: type, length, value. Source: Table_map_event in MySQL's
// rows_event.h; MariaDB 10.5 and later write the same.
const (
	metaSignedness       = 1
	metaDefaultCharset   = 2
	metaColumnCharset    = 3
	metaColumnName       = 4
	metaSetLabels        = 5
	metaEnumLabels       = 6
	metaPrimaryKey       = 8
	metaPrimaryKeyPrefix = 9
	metaEnumSetDefault   = 10
	metaEnumSetCharset   = 11
)

// Column types as the TABLE_MAP event writes them.
const (
	colTiny       = 1
	colShort      = 2
	colLong       = 3
	colFloat      = 4
	colDouble     = 5
	colLongLong   = 8
	colInt24      = 9
	colYear       = 13
	colVarchar    = 15
	colBit        = 16
	colTimestamp2 = 17
	colDatetime2  = 18
	colTime2      = 19
	colBlobPacked = 140 // MariaDB COMPRESSED
	colTextPacked = 141
	colVector     = 242
	colJSON       = 245
	colDecimal    = 246
	colEnum       = 247
	colSet        = 248
	colBlob       = 252
	colVarString  = 253
	colString     = 254
	colGeometry   = 255
)

var errTableMap = errors.New("damaged table map")

// cutter reads an event's body from front to back. The first read past the end
// makes it fail, and every later one too.
type cutter struct {
	b   []byte
	bad bool
}

func (c *cutter) bytes(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cutter) byte() byte {
	if v := c.bytes(1); v != nil {
		return v[0]
	}
	return 0
}

// number reads MySQL's length-encoded integer.
func (c *cutter) number() int {
	size := 0
	switch first := c.byte(); first {
	case 0xfc:
		size = 2
	case 0xfd:
		size = 3
	case 0xfe:
		size = 8
	default:
		return int(first)
	}
	var v uint64
	for i, b := range c.bytes(size) {
		v |= uint64(b) << (8 * i)
	}
	if v > 1<<31 {
		c.bad = true
		return 0
	}
	return int(v)
}

func (c *cutter) numbers() (out []int) {
	for len(c.b) > 0 && !c.bad {
		out = append(out, c.number())
	}
	return out
}

// parseTableMap reads the body of a TABLE_MAP event.
func parseTableMap(body []byte, flavor Flavor) (*TableMap, error) {
	c := &cutter{b: body}
	c.bytes(6 + 2) // table id, flags
	t := &TableMap{}
	t.Schema = string(c.bytes(int(c.byte())))
	c.byte()
	t.Name = string(c.bytes(int(c.byte())))
	c.byte()
	count := c.number()
	types := c.bytes(count)
	meta := &cutter{b: c.bytes(c.number())}
	nullable := c.bytes((count + 7) / 8)
	if c.bad {
		return nil, errTableMap
	}
	columns := make([]mysqltype.MapColumn, count)
	for i, typ := range types {
		columns[i] = mysqltype.MapColumn{Type: typ, Meta: columnMeta(meta, typ), Nullable: nullable[i/8]>>(i%8)&1 != 0}
	}
	if meta.bad {
		return nil, errTableMap
	}
	t.Columns = columns
	if err := t.optional(c, flavor); err != nil {
		return nil, fmt.Errorf("table %q: %w", t.Name, err)
	}
	if !t.Named {
		t.Columns = nil
	}
	return t, nil
}

func columnMeta(meta *cutter, typ byte) uint16 {
	switch typ {
	case colString, colDecimal, colEnum, colSet: // high byte first
		if v := meta.bytes(2); v != nil {
			return binary.BigEndian.Uint16(v)
		}
	case colVarchar, colVarString, colBit, colTextPacked:
		if v := meta.bytes(2); v != nil {
			return binary.LittleEndian.Uint16(v)
		}
	case colFloat, colDouble, colBlob, colGeometry, colJSON, colVector, colTime2, colDatetime2, colTimestamp2, colBlobPacked:
		return uint16(meta.byte())
	}
	return 0
}

func (t *TableMap) optional(c *cutter, flavor Flavor) error {
	var signs, names []byte
	var collations, labelCollations collations
	var setLabels, enumLabels []byte
	var key []int
	for len(c.b) > 0 && !c.bad {
		typ := c.byte()
		v := &cutter{b: c.bytes(c.number())}
		switch typ {
		case metaSignedness:
			signs = v.b
		case metaDefaultCharset:
			collations.usual(v)
		case metaColumnCharset:
			collations.each = v.numbers()
		case metaEnumSetDefault:
			labelCollations.usual(v)
		case metaEnumSetCharset:
			labelCollations.each = v.numbers()
		case metaColumnName:
			names = v.b
		case metaSetLabels:
			setLabels = v.b
		case metaEnumLabels:
			enumLabels = v.b
		case metaPrimaryKey:
			key = v.numbers()
		case metaPrimaryKeyPrefix:
			for pairs := v.numbers(); len(pairs) >= 2; pairs = pairs[2:] {
				key = append(key, pairs[0])
			}
		}
		if v.bad {
			return errTableMap
		}
	}
	if c.bad {
		return errTableMap
	}
	if names == nil {
		return nil
	}
	t.Named = true
	name, set, enum := &cutter{b: names}, &cutter{b: setLabels}, &cutter{b: enumLabels}
	number, text, labelled := 0, 0, 0
	for i := range t.Columns {
		col := &t.Columns[i]
		col.Name = string(name.bytes(int(name.byte())))
		switch typ := realType(col); {
		case isNumber(typ):
			col.Unsigned = number/8 < len(signs) && signs[number/8]&(0x80>>(number%8)) != 0
			number++
		case typ == colEnum || typ == colSet:
			labels := enum
			if typ == colSet {
				labels = set
			}
			col.Collation = labelCollations.of(labelled)
			labelled++
			for range labels.number() {
				col.Labels = append(col.Labels, labels.bytes(labels.number()))
			}
		case isText(typ) || typ == colGeometry && flavor == MariaDB:
			col.Collation = collations.of(text)
			text++
		}
	}
	if name.bad || set.bad || enum.bad {
		return errTableMap
	}
	for _, k := range key {
		if k >= len(t.Columns) {
			return errTableMap
		}
		t.Key = append(t.Key, t.Columns[k].Name)
	}
	return nil
}

// realType unpacks ENUM and SET, which travel as strings.
func realType(c *mysqltype.MapColumn) byte {
	if c.Type == colString {
		if t := byte(c.Meta >> 8); t == colEnum || t == colSet {
			return t
		}
	}
	return c.Type
}

func isNumber(typ byte) bool {
	switch typ {
	case colTiny, colShort, colInt24, colLong, colLongLong, colDecimal, colFloat, colDouble, colYear:
		return true
	}
	return false
}

func isText(typ byte) bool {
	switch typ {
	case colString, colVarString, colVarchar, colBlob, colBlobPacked, colTextPacked:
		return true
	}
	return false
}

// collations holds the collation of each text column, written either as one
// for all with exceptions, or one by one.
type collations struct {
	common int
	except map[int]int
	each   []int
}

func (c *collations) usual(v *cutter) {
	c.common = v.number()
	c.except = map[int]int{}
	for pairs := v.numbers(); len(pairs) >= 2; pairs = pairs[2:] {
		c.except[pairs[0]] = pairs[1]
	}
}

func (c *collations) of(i int) uint64 {
	if i < len(c.each) {
		return uint64(c.each[i])
	}
	if v, ok := c.except[i]; ok {
		return uint64(v)
	}
	return uint64(c.common)
}
