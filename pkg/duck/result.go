package duck

import (
	"context"

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
	release func()
	res     mapping.Result
	columns []Column
	chunk   Chunk
	crew    *crew // who helps with what is still to come, or nil
}

func (r *Result) readColumns() {
	n := int(mapping.ColumnCount(&r.res))
	r.columns = make([]Column, n)
	for i := range n {
		lt := mapping.ColumnLogicalType(&r.res, mapping.IdxT(i))
		r.columns[i] = Column{Name: mapping.ColumnName(&r.res, mapping.IdxT(i)), Type: newType(lt)}
		mapping.DestroyLogicalType(&lt)
	}
	r.chunk.vectors = make([]Vector, n)
}

// Columns describes the result. The slice is shared.
func (r *Result) Columns() []Column { return r.columns }

// Next returns the next chunk, or nil at the end. The chunk and all that was read from it
// without copying are valid until the next call of Next or Close. When the statement's context has
// ended the error is the context's.
func (r *Result) Next() (*Chunk, error) {
	r.chunk.free()
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if r.crew != nil {
		r.crew.invite()
	}
	r.chunk.chunk = mapping.FetchChunk(r.res)
	if r.chunk.chunk.Ptr == nil {
		if message := mapping.ResultError(&r.res); message != "" {
			if err := r.ctx.Err(); err != nil {
				return nil, err
			}
			return nil, newError(message)
		}
		return nil, nil
	}
	r.chunk.rows = int(mapping.DataChunkGetSize(r.chunk.chunk))
	if r.chunk.rows == 0 {
		r.chunk.free()
		return nil, nil
	}
	for i := range r.chunk.vectors {
		r.chunk.vectors[i] = newVector(mapping.DataChunkGetVector(r.chunk.chunk, mapping.IdxT(i)), r.columns[i].Type, r.chunk.rows)
	}
	return &r.chunk, nil
}

// Close frees the result. It is safe to call twice.
func (r *Result) Close() {
	if r.release == nil {
		return
	}
	r.chunk.free()
	mapping.DestroyResult(&r.res)
	r.release()
	r.release = nil
}

// Chunk is up to 2048 rows of a result.
type Chunk struct {
	chunk   mapping.DataChunk
	rows    int
	vectors []Vector
}

// Rows is the number of rows, at least 1.
func (c *Chunk) Rows() int { return c.rows }

// Column returns column i.
func (c *Chunk) Column(i int) *Vector { return &c.vectors[i] }

func (c *Chunk) free() {
	if c.chunk.Ptr != nil {
		mapping.DestroyDataChunk(&c.chunk)
	}
}
