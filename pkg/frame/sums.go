package frame

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

// Sums are 64-bit hashes of rows, one a row, made column by column: columns are added in the order of the definition (or the
// key), each for every row. Rows with equal values have equal sums in every process and release of one format. Two rows that
// differ in one value of a fixed-width column never have the same; others do by a chance of 2^-64. A zero float's sign does not count, for DuckDB
// takes both zeros for one value when it groups.
type Sums []uint64

// NewSums returns sums of rows without columns.
func NewSums(rows int) Sums {
	s := make(Sums, rows)
	s.Reset()
	return s
}

// Reset forgets all columns.
func (s Sums) Reset() {
	for i := range s {
		s[i] = 0x9e3779b97f4a7c15
	}
}

// mix is a bijection of 64 bits (the finalizer of MurmurHash3), so that values that differ stay different.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func (s Sums) word(i int, v uint64) { s[i] = mix(s[i] ^ v) }

// Null adds a null to row i.
func (s Sums) Null(i int) { s[i] = mix(bits.RotateLeft64(s[i], 29) + 0xd1b54a32d192ed03) }

// Bytes adds a value of TEXT, BLOB or JSON to row i.
func (s Sums) Bytes(i int, value []byte) { s.word(i, xxhash.Sum64(value)) }

// Fixed adds a fixed-width column to every row: values are its little-endian numbers of Width(c) bytes, end to end, and nulls
// its bitmap (1 is null), empty when no row is null.
func (s Sums) Fixed(c *cdcv1.Column, values, nulls []byte) {
	width := Width(c)
	for i := range s {
		if len(nulls) > 0 && nulls[i/8]>>(i%8)&1 == 1 {
			s.Null(i)
			continue
		}
		switch v := values[i*width:]; width {
		case 1:
			s.word(i, uint64(v[0]))
		case 2:
			s.word(i, uint64(binary.LittleEndian.Uint16(v)))
		case 4:
			s.word(i, withoutSign(uint64(binary.LittleEndian.Uint32(v)), c.GetType() == cdcv1.Type_TYPE_FLOAT, 31))
		case 8:
			s.word(i, withoutSign(binary.LittleEndian.Uint64(v), c.GetType() == cdcv1.Type_TYPE_DOUBLE, 63))
		default:
			s.word(i, binary.LittleEndian.Uint64(v))
			s.word(i, binary.LittleEndian.Uint64(v[8:]))
		}
	}
}

// withoutSign makes one zero of a float's two.
func withoutSign(v uint64, float bool, sign int) uint64 {
	if float && v == 1<<sign {
		return 0
	}
	return v
}

// Sums hashes the given columns of every row; nil takes all of them.
func (t *Table) Sums(columns []uint32) Sums {
	s := NewSums(t.Rows)
	if columns == nil {
		for i := range t.Columns {
			s.column(t, i)
		}
		return s
	}
	for _, i := range columns {
		s.column(t, int(i))
	}
	return s
}

func (s Sums) column(t *Table, i int) {
	c := &t.Columns[i]
	if c.width != Variable {
		s.Fixed(t.Definition.GetColumns()[i], c.values, c.nulls)
		return
	}
	for row := range s {
		if c.Null(row) {
			s.Null(row)
		} else {
			s.Bytes(row, c.Bytes(row))
		}
	}
}

// KeySums hashes what tells rows apart: the key's columns, or all of them where there is no key.
func (t *Table) KeySums() Sums {
	if len(t.Definition.GetKey()) == 0 {
		return t.Sums(nil)
	}
	return t.Sums(t.Definition.GetKey())
}

// Pack returns the sums as they travel, 8 bytes each, little-endian.
func (s Sums) Pack() []byte {
	out := make([]byte, 0, 8*len(s))
	for _, v := range s {
		out = binary.LittleEndian.AppendUint64(out, v)
	}
	return out
}

// UnpackSums reads what Pack wrote; bytes beyond a multiple of 8 are dropped.
func UnpackSums(data []byte) Sums {
	s := make(Sums, len(data)/8)
	for i := range s {
		s[i] = binary.LittleEndian.Uint64(data[8*i:])
	}
	return s
}
