package duck

import (
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Vector is one column of a chunk, or a part of a nested one. It points into
// DuckDB's memory and lives no longer than its chunk.
type Vector struct {
	Type     *Type
	vec      mapping.Vector
	data     unsafe.Pointer
	validity unsafe.Pointer
	rows     int
}

func newVector(vec mapping.Vector, t *Type, rows int) Vector {
	return Vector{Type: t, vec: vec, data: mapping.VectorGetData(vec), validity: mapping.VectorGetValidity(vec), rows: rows}
}

// Rows is the number of values.
func (v *Vector) Rows() int { return v.rows }

// Null reports whether value i is null.
func (v *Vector) Null(i int) bool {
	if v.validity == nil {
		return false
	}
	word := *(*uint64)(unsafe.Add(v.validity, i/64*8))
	return word>>(i%64)&1 == 0
}

// HasNulls is false when no value can be null, so that a caller may skip Null.
func (v *Vector) HasNulls() bool { return v.validity != nil }

// Fixed is a Go type with the layout DuckDB gives a fixed-width value.
type Fixed interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | Int128 | IntervalValue | ListEntry
}

// Int128 is a HUGEINT, UHUGEINT, UUID or wide DECIMAL: two's complement, Upper read as unsigned where the type is.
// A UUID has its top bit flipped, so that it sorts.
type Int128 struct {
	Lower uint64
	Upper int64
}

// IntervalValue is an INTERVAL.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// ListEntry tells which values of the child vector a LIST or MAP value holds.
type ListEntry struct{ Offset, Length uint64 }

// Slice returns the values of a fixed-width vector without copying. T must be the
// type's own layout: DATE is int32, TIME and TIMESTAMP* are int64, DECIMAL and ENUM as Type.Storage says.
// Values of null rows are arbitrary.
func Slice[T Fixed](v *Vector) []T { return unsafe.Slice((*T)(v.data), v.rows) }

// Raw returns the values of a fixed-width vector as bytes, width for each, without copying.
func (v *Vector) Raw(width int) []byte { return unsafe.Slice((*byte)(v.data), v.rows*width) }

// Validity returns the bitmap that says which values are not null, least significant bit first and in whole
// 8-byte words, without copying; nil when there is none because no value is null.
func (v *Vector) Validity() []byte {
	if v.validity == nil {
		return nil
	}
	return unsafe.Slice((*byte)(v.validity), (v.rows+63)/64*8)
}

// inlined is how many bytes a string_t holds in itself.
const inlined = 12

// Bytes returns value i of a VARCHAR, BLOB, BIT or BIGNUM vector without copying. It must not be called for a null.
func (v *Vector) Bytes(i int) []byte {
	s := unsafe.Add(v.data, i*16)
	n := *(*uint32)(s)
	if n <= inlined {
		return unsafe.Slice((*byte)(unsafe.Add(s, 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(s, 8)), n)
}

// Child returns the values of a LIST's or ARRAY's elements, or of member i of a STRUCT.
// A MAP's child is a STRUCT of key and value; a UNION's member 0 is its tag (UTINYINT).
func (v *Vector) Child(i int) Vector {
	switch v.Type.ID {
	case List:
		return newVector(mapping.ListVectorGetChild(v.vec), v.Type.Fields[0].Type, int(mapping.ListVectorGetSize(v.vec)))
	case Map:
		entry := &Type{ID: Struct, Fields: v.Type.Fields}
		return newVector(mapping.ListVectorGetChild(v.vec), entry, int(mapping.ListVectorGetSize(v.vec)))
	case Array:
		return newVector(mapping.ArrayVectorGetChild(v.vec), v.Type.Fields[0].Type, v.rows*v.Type.Width)
	case Union:
		if i == 0 {
			return newVector(mapping.StructVectorGetChild(v.vec, 0), &Type{ID: UTinyInt}, v.rows)
		}
		return newVector(mapping.StructVectorGetChild(v.vec, mapping.IdxT(i)), v.Type.Fields[i-1].Type, v.rows)
	default:
		return newVector(mapping.StructVectorGetChild(v.vec, mapping.IdxT(i)), v.Type.Fields[i].Type, v.rows)
	}
}
