// Package mysqltype is the one mapping from MySQL and MariaDB values to frame
// columns. A value enters it in one of two forms: as the bytes of a binlog row
// image (Image) or as what the SQL driver returns for a copied row
// (Column.AppendValue). Both give the same bytes in the frame; a test sends
// every type through both and compares.
//
// The rules, where a choice had to be made:
//   - TINYINT(1) is a number. YEAR is a number, 0 for '0000'. BIT(n) is an unsigned number.
//   - DECIMAL beyond 38 digits, which DuckDB cannot hold, is exact text.
//   - TIMESTAMP is UTC; DATETIME has no zone.
//   - Zero dates, partial dates and days that a month does not have are null, and counted; or every DATE, DATETIME and TIMESTAMP
//     is MySQL's own text; or they are refused (Rules.Dates).
//   - ENUM and SET are their labels; the invalid ENUM value is the empty string.
//   - BINARY(n) is padded with zero bytes to n, as MySQL shows it.
//   - GEOMETRY is WKB; the SRID that MySQL stores before it is dropped.
//   - VECTOR is its little-endian 32-bit floats.
//   - MariaDB's UUID, INET4 and INET6 are their text.
//   - Text is UTF-8, converted as the source itself converts it. Bytes that are not valid in a Unicode character set
//     become U+FFFD; in one of the East Asian sets they make the stream's row unreadable, and the table is copied anew.
package mysqltype

import (
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// kind says how a value is read at the source. Several kinds give one frame type.
type kind uint8

const (
	kindInt kind = iota + 1
	kindUint
	kindYear
	kindBit
	kindDecimal
	kindWideDecimal // beyond what a frame's DECIMAL holds
	kindFloat
	kindDouble
	kindDate
	kindDatetime
	kindTimestamp
	kindTime
	kindText
	kindBinary // BINARY(n), padded
	kindBlob
	kindEnum
	kindSet
	kindJSON
	kindGeometry
	kindVector
	kindUUID
	kindInet4
	kindInet6
)

// MaxDecimal is the largest precision of a DECIMAL in a frame.
const MaxDecimal = 38

// Column is one column of a table: what it is called, what it becomes in
// frames, and how its values are read at the source.
type Column struct {
	Name       string
	SourceType string
	Comment    string
	Nullable   bool
	// Initial is what rows from before the column was added hold; nil for null or when not known.
	Initial *string
	// Default is the column's default as text that DuckDB casts to its type; nil for null, for an expression, and where it is not known.
	Default *string

	kind  kind
	width int // bytes of an integer, n of BINARY(n)
	// precision and scale of DECIMAL
	precision, scale int

	mask *Mask
	// dates is what becomes of dates that no calendar has.
	dates cdcv1.ZeroDates
}

// Frame describes the column as frames carry it.
func (c *Column) Frame() *cdcv1.Column {
	f := &cdcv1.Column{
		Name:       c.Name,
		Type:       c.frameType(),
		SourceType: c.SourceType,
		Nullable:   c.Nullable,
		Comment:    c.Comment,
		Initial:    c.Initial,
		Default:    c.Default,
	}
	if c.kind == kindDecimal {
		f.Precision, f.Scale = uint32(c.precision), uint32(c.scale)
	}
	if c.mask != nil {
		c.mask.hide(f)
	}
	return f
}

func (c *Column) frameType() cdcv1.Type {
	if c.dateText() {
		return cdcv1.Type_TYPE_TEXT
	}
	switch c.kind {
	case kindInt:
		switch c.width {
		case 1:
			return cdcv1.Type_TYPE_INT8
		case 2:
			return cdcv1.Type_TYPE_INT16
		case 3, 4:
			return cdcv1.Type_TYPE_INT32
		}
		return cdcv1.Type_TYPE_INT64
	case kindUint:
		switch c.width {
		case 1:
			return cdcv1.Type_TYPE_UINT8
		case 2:
			return cdcv1.Type_TYPE_UINT16
		case 3, 4:
			return cdcv1.Type_TYPE_UINT32
		}
		return cdcv1.Type_TYPE_UINT64
	case kindYear:
		return cdcv1.Type_TYPE_UINT16
	case kindBit:
		return cdcv1.Type_TYPE_UINT64
	case kindDecimal:
		return cdcv1.Type_TYPE_DECIMAL
	case kindFloat:
		return cdcv1.Type_TYPE_FLOAT
	case kindDouble:
		return cdcv1.Type_TYPE_DOUBLE
	case kindDate:
		return cdcv1.Type_TYPE_DATE
	case kindDatetime, kindTimestamp:
		return cdcv1.Type_TYPE_TIMESTAMP
	case kindTime:
		return cdcv1.Type_TYPE_TIME
	case kindBinary, kindBlob, kindGeometry, kindVector:
		return cdcv1.Type_TYPE_BLOB
	case kindJSON:
		return cdcv1.Type_TYPE_JSON
	default: // text, labels, addresses, decimals too long
		return cdcv1.Type_TYPE_TEXT
	}
}

// UnsupportedError names a column that this release cannot carry. The table
// it is in is left out until the column changes.
type UnsupportedError struct {
	Column string
	Reason string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("column %q: %s", e.Column, e.Reason)
}
