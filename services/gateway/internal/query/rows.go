package query

import (
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// Rows is a running statement. It is used by one goroutine, except for Stop.
type Rows struct {
	ticket  *ticket
	plan    *plan
	conn    *reader.Conn
	stmt    *duck.Stmt
	result  *duck.Result
	release func() bool // of the caller's context, or nil
	count   int
	done    bool
	err     error
}

// Columns describes the result.
func (r *Rows) Columns() []duck.Column { return r.result.Columns() }

// Next returns the next rows, valid until the next call, or nil at the end, as often as it is called.
func (r *Rows) Next() (*duck.Chunk, error) {
	if r.done {
		return nil, nil // DuckDB takes a fetch after the end for an error
	}
	if reason := r.ticket.reason(); reason != nil {
		r.err = reason
		return nil, reason
	}
	chunk, err := r.result.Next()
	if err != nil {
		r.err = r.ticket.explain(r.plan, err)
		return nil, r.err
	}
	if chunk == nil {
		r.done = true
	} else {
		r.count += chunk.Rows()
	}
	return chunk, nil
}

// Pause gives the statement's place to others while its client takes what it has; the time until Resume does not count.
// The chunk read last stays valid.
func (r *Rows) Pause() { r.ticket.pause() }

// Resume takes a place again. After an error, which is of type *Error, the rows can only be closed.
func (r *Rows) Resume() error {
	err := r.ticket.resume()
	if err != nil {
		r.err = err
	}
	return err
}

// Stopping returns a channel that is closed when the statement is stopped, while it is paused too. Then Resume returns the reason.
func (r *Rows) Stopping() <-chan struct{} { return r.ticket.stopping() }

// Stop ends the statement from beside: Next returns the reason.
func (r *Rows) Stop(why *Error) { r.ticket.stop(why) }

// Close ends the statement, wherever it is, and gives its place to the next.
func (r *Rows) Close() {
	if r.release != nil {
		r.release()
	}
	r.result.Close()
	r.ticket.drop(r.conn, !r.done)
	r.ticket.finish(r.err, r.count)
}
