package duck

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// ChunkRows is how many rows an Appender takes at a time.
const ChunkRows = 2048

// Appender adds rows to a table by column, in the transaction of its connection.
// It is not safe for concurrent use.
type Appender struct {
	appender mapping.Appender
	types    []mapping.LogicalType
	chunk    mapping.DataChunk
	writers  []VectorWriter
	table    string
	borrowed runtime.Pinner
}

// NewAppender opens an appender on a table; catalog "" is the database, "temp" the connection's own.
func (c *Conn) NewAppender(catalog, schema, table string) (*Appender, error) {
	a := &Appender{table: table}
	if mapping.AppenderCreateExt(c.conn, catalog, schema, table, &a.appender) == mapping.StateError {
		err := a.failure("opening")
		mapping.AppenderDestroy(&a.appender)
		return nil, err
	}
	n := int(mapping.AppenderColumnCount(a.appender))
	a.writers = make([]VectorWriter, n)
	for i := range n {
		a.types = append(a.types, mapping.AppenderColumnType(a.appender, mapping.IdxT(i)))
	}
	a.chunk = mapping.CreateDataChunk(a.types)
	a.Begin()
	return a, nil
}

func (a *Appender) failure(doing string) error {
	data := mapping.AppenderErrorData(a.appender)
	defer mapping.DestroyErrorData(&data)
	return fmt.Errorf("%s appender of table %s: %w", doing, a.table, newError(mapping.ErrorDataMessage(data)))
}

// Begin starts a new chunk and drops one that was not appended.
func (a *Appender) Begin() {
	mapping.DataChunkReset(a.chunk)
	a.borrowed.Unpin()
	for i := range a.writers {
		vec := mapping.DataChunkGetVector(a.chunk, mapping.IdxT(i))
		a.writers[i] = VectorWriter{vec: vec, data: mapping.VectorGetData(vec)}
	}
}

// Column returns the writer of column i of the current chunk.
func (a *Appender) Column(i int) *VectorWriter { return &a.writers[i] }

// Append adds the first rows rows of the current chunk, at most ChunkRows, and begins the next.
func (a *Appender) Append(rows int) error {
	mapping.DataChunkSetSize(a.chunk, mapping.IdxT(rows))
	if mapping.AppendDataChunk(a.appender, a.chunk) == mapping.StateError {
		return a.failure("writing to")
	}
	a.Begin()
	return nil
}

// Flush makes what was appended visible to the transaction.
func (a *Appender) Flush() error {
	if mapping.AppenderFlush(a.appender) == mapping.StateError {
		return a.failure("flushing")
	}
	return nil
}

// Close frees the appender and drops what was not flushed.
func (a *Appender) Close() {
	if a.appender.Ptr == nil {
		return
	}
	a.borrowed.Unpin()
	mapping.AppenderClear(a.appender)
	mapping.DestroyDataChunk(&a.chunk)
	for i := range a.types {
		mapping.DestroyLogicalType(&a.types[i])
	}
	mapping.AppenderDestroy(&a.appender)
}

// Borrow lets SetBorrowed point into values, which must not change before
// Append or Begin.
func (a *Appender) Borrow(values []byte) {
	if len(values) > 0 {
		a.borrowed.Pin(&values[0])
	}
}

// VectorWriter fills one column of an Appender's current chunk.
type VectorWriter struct {
	vec      mapping.Vector
	data     unsafe.Pointer
	validity unsafe.Pointer
}

// CopyFixed sets the rows from row on from little-endian numbers of the type's own width.
func (w *VectorWriter) CopyFixed(row, width int, values []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Add(w.data, row*width)), len(values)), values)
}

// SetFixed sets one row; T must be the type's own layout.
func SetFixed[T Fixed](w *VectorWriter, row int, value T) {
	*(*T)(unsafe.Add(w.data, row*int(unsafe.Sizeof(value)))) = value
}

// SetBytes sets one row of a VARCHAR, JSON or BLOB column to a copy of value. A
// VARCHAR that is not UTF-8 makes Append fail.
func (w *VectorWriter) SetBytes(row int, value []byte) {
	if len(value) <= inlined {
		s := unsafe.Slice((*byte)(unsafe.Add(w.data, row*16)), 16)
		clear(s)
		*(*uint32)(unsafe.Pointer(&s[0])) = uint32(len(value))
		copy(s[4:], value)
		return
	}
	mapping.VectorAssignStringElementLen(w.vec, mapping.IdxT(row), value)
}

// SetBorrowed is SetBytes without the copy: value must be part of what Borrow
// was given. Nothing checks that a VARCHAR is UTF-8; the caller must have.
func (w *VectorWriter) SetBorrowed(row int, value []byte) {
	s := unsafe.Slice((*byte)(unsafe.Add(w.data, row*16)), 16)
	clear(s)
	*(*uint32)(unsafe.Pointer(&s[0])) = uint32(len(value))
	if len(value) <= inlined {
		copy(s[4:], value)
		return
	}
	copy(s[4:8], value)
	*(*uintptr)(unsafe.Pointer(&s[8])) = uintptr(unsafe.Pointer(&value[0]))
}

// SetNulls makes null those of the chunk's first rows rows whose bit is 1 in
// bitmap, least significant first.
func (w *VectorWriter) SetNulls(bitmap []byte, rows int) {
	mapping.VectorEnsureValidityWritable(w.vec)
	w.validity = mapping.VectorGetValidity(w.vec)
	valid := unsafe.Slice((*byte)(w.validity), (rows+63)/64*8)
	for i, b := range bitmap[:(rows+7)/8] {
		valid[i] = ^b
	}
}

// SetIntervals sets the rows from row on of an INTERVAL column from
// little-endian 8-byte numbers of microseconds.
func (w *VectorWriter) SetIntervals(row int, micros []byte) {
	out := unsafe.Slice((*IntervalValue)(unsafe.Add(w.data, row*16)), len(micros)/8)
	for i := range out {
		out[i] = IntervalValue{Micros: int64(binary.LittleEndian.Uint64(micros[8*i:]))}
	}
}

// SetNull makes one row null.
func (w *VectorWriter) SetNull(row int) {
	if w.validity == nil {
		mapping.VectorEnsureValidityWritable(w.vec)
		w.validity = mapping.VectorGetValidity(w.vec)
	}
	word := (*uint64)(unsafe.Add(w.validity, row/64*8))
	*word &^= 1 << (row % 64)
}
