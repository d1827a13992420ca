package mysqltype

import (
	"fmt"
	"strings"
)

// MapColumn is a column as a TABLE_MAP event describes it.
type MapColumn struct {
	Name      string
	Type      byte
	Meta      uint16
	Unsigned  bool
	Nullable  bool
	Collation uint64   // character columns, ENUM and SET
	Labels    [][]byte // ENUM and SET, in the column's character set
}

// Column types of the binlog. Source: enum_field_types in MySQL's field_types.h.
const (
	typeTiny       = 1
	typeShort      = 2
	typeLong       = 3
	typeFloat      = 4
	typeDouble     = 5
	typeLongLong   = 8
	typeTimestamp  = 7
	typeInt24      = 9
	typeDate       = 10
	typeTime       = 11
	typeDatetime   = 12
	typeYear       = 13
	typeVarchar    = 15
	typeBit        = 16
	typeTimestamp2 = 17
	typeDatetime2  = 18
	typeTime2      = 19
	typeVector     = 242
	typeJSON       = 245
	typeNewDecimal = 246
	typeEnum       = 247
	typeSet        = 248
	typeBlob       = 252
	typeVarString  = 253
	typeString     = 254
	typeGeometry   = 255
)

// hiddenPrefix begins the names of columns that MySQL makes for indexes on
// expressions. Nobody can select them.
const hiddenPrefix = "!hidden!"

// hashPrefix begins the names of those that MariaDB makes for unique indexes on long columns. A user's own may be named so, too.
const hashPrefix = "DB_ROW_HASH_"

// NewImage builds the reader for rows that follow columns. known are the table's columns from the
// schema, where they could be read: the binlog does not tell MariaDB's UUID from
// BINARY(16). charset resolves a collation's number. key names the key's columns. rules apply to table.
func NewImage(table string, columns []MapColumn, known []Column, key []string, charset func(collation uint64) (*Charset, error), rules Rules) (*Image, error) {
	im := &Image{stored: make([]storedColumn, len(columns)), isKey: make([]bool, len(columns))}
	schema := make(map[string]*Column, len(known))
	for i := range known {
		schema[known[i].Name] = &known[i]
	}
	index := make(map[string]int, len(columns))
	for i, m := range columns {
		stored, column, err := describeStored(m, schema[m.Name], charset)
		if err != nil {
			return nil, err
		}
		keep, err := rules.apply(table, &column)
		if err != nil {
			return nil, err
		}
		stored.frame = -1
		hidden := strings.HasPrefix(m.Name, hiddenPrefix) || strings.HasPrefix(m.Name, hashPrefix) && len(known) > 0 && schema[m.Name] == nil
		if keep && !hidden {
			stored.frame = len(im.Columns)
			im.Columns = append(im.Columns, column)
		}
		im.stored[i] = stored
		index[m.Name] = i
	}
	for _, name := range key {
		i, ok := index[name]
		if !ok {
			return nil, fmt.Errorf("key column %q is not in the table's rows", name)
		}
		im.key = append(im.key, i)
		im.isKey[i] = true
	}
	keepDates(im.Columns, key)
	if err := CheckKey(im.Columns, key); err != nil {
		return nil, err
	}
	return im, nil
}

// describeStored works out how a column's values lie in the image, and what they become.
func describeStored(m MapColumn, known *Column, charset func(uint64) (*Charset, error)) (storedColumn, Column, error) {
	c := Column{Name: m.Name, Nullable: m.Nullable}
	s := storedColumn{sized: true}
	fixed := func(k kind, size int) { c.kind, s.size = k, size }
	prefixed := func(k kind, size int) { c.kind, s.size, s.sized = k, size, false }
	integer := func(size int) {
		fixed(kindInt, size)
		if m.Unsigned {
			c.kind = kindUint
		}
		c.width = size
	}
	temporal := func(k kind, size int) {
		fixed(k, size+(int(m.Meta)+1)/2)
		s.digits = int(m.Meta)
	}

	typ, length := m.Type, int(m.Meta)
	if typ == typeString && m.Meta >= 256 {
		// The real type is in the upper byte; lengths over 255 borrow two bits of it, inverted.
		typ, length = byte(m.Meta>>8), int(m.Meta&0xff)
		if typ&0x30 != 0x30 {
			length |= int(typ&0x30^0x30) << 4
			typ |= 0x30
		}
	}
	var collation *Charset
	resolve := func() (err error) {
		collation, err = charset(m.Collation)
		return err
	}

	switch typ {
	case typeTiny:
		integer(1)
	case typeShort:
		integer(2)
	case typeInt24:
		integer(3)
	case typeLong:
		integer(4)
	case typeLongLong:
		integer(8)
	case typeFloat:
		fixed(kindFloat, 4)
	case typeDouble:
		fixed(kindDouble, 8)
	case typeYear:
		fixed(kindYear, 1)
	case typeBit:
		fixed(kindBit, int(m.Meta>>8)+(int(m.Meta&0xff)+7)/8)
	case typeNewDecimal:
		precision, scale := int(m.Meta>>8), int(m.Meta&0xff)
		if scale > precision {
			return s, c, &UnsupportedError{m.Name, fmt.Sprintf("DECIMAL(%d,%d) in the binlog", precision, scale)}
		}
		c.setDecimal(precision, scale)
		s.size = decimalSize(precision, scale)
		s.whole, s.scale = uint8(precision-scale), uint8(scale)
	case typeDate:
		fixed(kindDate, 3)
	case typeTimestamp2:
		temporal(kindTimestamp, 4)
	case typeDatetime2:
		temporal(kindDatetime, 5)
	case typeTime2:
		temporal(kindTime, 3)
	case typeTimestamp, typeDatetime, typeTime:
		if known == nil || strings.Contains(known.SourceType, "(") {
			return s, c, errOldFraction(m.Name) // whose size the binlog does not tell
		}
		switch typ {
		case typeTimestamp:
			fixed(kindTimestamp, 4)
			s.modern = modernTimestamp
		case typeDatetime:
			fixed(kindDatetime, 8)
			s.modern = modernDatetime
		default:
			fixed(kindTime, 3)
			s.modern = modernTime
		}
	case typeEnum, typeSet:
		if err := resolve(); err != nil {
			return s, c, &UnsupportedError{m.Name, err.Error()}
		}
		fixed(kindEnum, length)
		if typ == typeSet {
			c.kind = kindSet
		}
		for _, label := range m.Labels {
			text, err := collation.text(label)
			if err != nil {
				return s, c, &UnsupportedError{m.Name, err.Error()}
			}
			s.labels = append(s.labels, text)
		}
	case typeVarchar, typeVarString, typeString:
		if err := resolve(); err != nil {
			return s, c, &UnsupportedError{m.Name, err.Error()}
		}
		prefix := 1
		if length > 255 {
			prefix = 2
		}
		prefixed(kindText, prefix)
		if collation.Name == BinaryCharset {
			c.kind = kindBlob
			if typ == typeString {
				c.kind, c.width = kindBinary, length
			}
		}
	case typeBlob:
		if err := resolve(); err != nil {
			return s, c, &UnsupportedError{m.Name, err.Error()}
		}
		prefixed(kindText, length)
		if collation.Name == BinaryCharset {
			c.kind = kindBlob
		}
	case typeJSON:
		prefixed(kindJSON, length)
	case typeGeometry:
		prefixed(kindGeometry, length)
	case typeVector:
		prefixed(kindVector, length)
	default:
		return s, c, &UnsupportedError{m.Name, fmt.Sprintf("binlog type %d is unknown to this release", m.Type)}
	}

	if s.digits > 6 {
		return s, c, &UnsupportedError{m.Name, fmt.Sprintf("%d digits of a second in the binlog", s.digits)}
	}
	if known != nil {
		c.adopt(known)
	}
	s.kind, s.width, s.charset = c.kind, c.width, collation
	return s, c, nil
}

// adopt takes over what only the schema knows.
func (c *Column) adopt(known *Column) {
	c.SourceType, c.Comment, c.Initial = known.SourceType, known.Comment, known.Initial
	switch known.kind {
	case kindUUID, kindInet4, kindInet6:
		if c.kind == kindBinary {
			c.kind = known.kind
		}
	}
}
