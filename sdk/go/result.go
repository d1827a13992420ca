package duckling

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Column is a result's column. Type is DuckDB's name for it, as in DECIMAL(18,2).
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Meta says which state of the source a result shows.
type Meta struct {
	// Generation is the number of the published snapshot the statement ran on.
	Generation uint64
	// AsOf is when the newest transaction in it was committed at the source; zero before the first one.
	AsOf time.Time
	// Lag is how long ago the snapshot held all that was committed at the source. It stays
	// small while the source is idle and AsOf gets old. LagKnown is false when the server could not tell.
	Lag      time.Duration
	LagKnown bool
	// Position is where in the source's log the snapshot stands.
	Position Position
}

// Position is a place in the source's log: by GTID set, by file and offset, or both. The
// snapshot holds every transaction up to there and none after.
type Position struct {
	GTIDSet string
	File    string
	Offset  uint64
}

// Result is a statement's whole answer. It is safe for concurrent use. Rows are kept as
// they came and decoded when they are scanned; a Row keeps the memory of its Result alive.
type Result struct {
	rows     wire.Rows
	shape    *shape
	duration time.Duration
}

// Len is the number of rows.
func (r *Result) Len() int { return len(r.rows.Start) }

// Row returns row i, from zero. It panics when there is no such row, as a slice does.
func (r *Result) Row(i int) Row { return Row{text: r.rows.Row(i), shape: r.shape} }

// Rows iterates over the rows in order.
func (r *Result) Rows() iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for i := range r.rows.Start {
			if !yield(i, r.Row(i)) {
				return
			}
		}
	}
}

// Columns are the result's columns in order, even when there is no row.
func (r *Result) Columns() []Column { return r.shape.columns }

// Meta says which state of the source the result shows.
func (r *Result) Meta() Meta { return r.shape.meta }

// Duration is the time the server took, from receipt to reply.
func (r *Result) Duration() time.Duration { return r.duration }

// JSON is the rows as they came: a JSON array of objects. It must not be changed.
func (r *Result) JSON() json.RawMessage {
	if r.Len() == 0 {
		return json.RawMessage("[]")
	}
	return r.rows.Text
}

// ParseResult makes a result of rows that were kept as JSON returns them, say in a cache.
// Its columns have no types and its Meta is empty.
func ParseResult(rows json.RawMessage) (*Result, error) {
	reply, err := wire.ParseRows(rows)
	if err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	return newResult(reply)
}

func newResult(reply wire.Reply) (*Result, error) {
	if !reply.Result.Present() {
		return nil, protocolError(errors.New("the answer holds no result"))
	}
	s, err := newShape(reply.Meta, reply.Result)
	if err != nil {
		return nil, err
	}
	return &Result{
		rows:     reply.Result,
		shape:    s,
		duration: time.Duration(reply.Duration * float64(time.Millisecond)),
	}, nil
}
