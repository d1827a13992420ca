package duck

// #include "answer.h"
// // DuckDB calls nothing in Go, because no function in Go is registered with it.
// #cgo noescape answer_begin
// #cgo nocallback answer_begin
// #cgo noescape answer_next
// #cgo nocallback answer_next
// #cgo noescape answer_end
// #cgo nocallback answer_end
import "C"

import (
	"context"
	"errors"
	"time"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Column is one column of a result.
type Column struct {
	Name string
	Type *Type
}

// Result is the answer to one statement, read chunk by chunk by one goroutine.
type Result struct {
	ctx     context.Context //nolint:containedctx // lives exactly as long as the statement it belongs to
	conn    *Conn
	stream  bool
	release func()
	answer  *C.answer
	read    bool // the first rows, which come with the answer, have been read
	columns []Column
	chunk   Chunk
	crew    *crew // who helps with what is still to come, or nil
}

// begin runs the statement, whose parameters are bound, and reads what the result looks like.
func (r *Result) begin(s *Stmt) error {
	mode, crew := C.answer_mode(C.ANSWER_WHOLE), (*C.crew)(nil)
	if r.stream {
		mode, r.answer, s.conn.spare = C.ANSWER_STREAM, s.conn.spare, nil
		if s.conn.crew != nil {
			crew = s.conn.crew.c
		}
	}
	if r.answer == nil {
		if r.answer = C.answer_new(); r.answer == nil {
			return errors.New("there is no memory for a result")
		}
	}
	a := r.answer
	C.answer_begin(a, crew, s.stmt.Ptr, mode, C.bool(s.long), s.shape)
	if a.failed {
		return r.error()
	}
	if crew != nil {
		if s.long = time.Duration(a.took) > long; s.long {
			r.crew = s.conn.crew
		}
	}
	if !bool(a.alike) {
		s.look(a)
	}
	r.columns = s.columns
	r.chunk.vectors = make([]Vector, len(r.columns))
	return nil
}

func (r *Result) error() error { return newError(C.GoString(C.answer_error(r.answer))) }

// Columns describes the result. The slice is shared.
func (r *Result) Columns() []Column { return r.columns }

// Next returns the next chunk, or nil at the end. The chunk and all that was read from it
// without copying are valid until the next call of Next or Close. When the statement's context has
// ended the error is the context's.
func (r *Result) Next() (*Chunk, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	a := r.answer
	if r.read {
		if r.crew != nil {
			r.crew.invite()
		}
		C.answer_next(a)
	}
	r.read = true
	if a.failed {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		return nil, r.error()
	}
	if r.chunk.rows = int(a.rows); r.chunk.rows == 0 {
		return nil, nil
	}
	parts := unsafe.Slice(a.parts, len(r.columns))
	for i := range parts {
		p := &parts[i]
		r.chunk.vectors[i] = Vector{Type: r.columns[i].Type, vec: mapping.Vector{Ptr: p.vector}, data: p.data, validity: unsafe.Pointer(p.validity), rows: r.chunk.rows}
	}
	return &r.chunk, nil
}

// Close frees the result. It is safe to call twice.
func (r *Result) Close() {
	if r.release == nil {
		return
	}
	if r.answer != nil {
		C.answer_end(r.answer)
		// Only streams share the memory: a whole result may be closed anywhere and at any time, beside its connection's next statement.
		if r.stream && r.conn.spare == nil && !r.conn.closed {
			r.conn.spare = r.answer
		} else {
			C.answer_free(r.answer)
		}
		r.answer = nil
	}
	r.release()
	r.release = nil
}

// Chunk is up to 2048 rows of a result.
type Chunk struct {
	rows    int
	vectors []Vector
}

// Rows is the number of rows, at least 1.
func (c *Chunk) Rows() int { return c.rows }

// Column returns column i.
func (c *Chunk) Column(i int) *Vector { return &c.vectors[i] }

// look reads what columns the statement gives, which may differ from one run to the next.
func (s *Stmt) look(a *C.answer) {
	s.forget()
	s.columns = make([]Column, a.columns)
	for i := range s.columns {
		lt := mapping.LogicalType{Ptr: C.answer_type(a, C.size_t(i))}
		s.columns[i] = Column{Name: C.GoString(C.answer_name(a, C.size_t(i))), Type: newType(lt)}
		mapping.DestroyLogicalType(&lt)
	}
	s.shape = C.answer_shape(a)
}

func (s *Stmt) forget() {
	if s.shape != nil {
		C.shape_free(s.shape)
	}
	s.columns, s.shape, s.Kept = nil, nil, nil
}
