package duckling

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// streamCredit is how many chunks may be under way at once: enough that the server never
// waits for a client that keeps up, few enough that one that does not holds little memory.
const streamCredit = 4

// Stream runs one statement and iterates over its rows as they arrive, all from one
// generation, holding a few thousand at a time however many there are. The statement runs
// when the sequence is ranged over, and again each time that is done. Leaving the loop early
// or ending ctx stops it on the server. An error is the last element; without one the
// result was complete.
//
// RequestTimeout bounds the wait for each chunk, not the whole. The server ends a stream
// whose reader rests for a minute with SLOW_CONSUMER. A stream that loses its connection fails: a
// new run might see other data.
func (c *Client) Stream(ctx context.Context, sql string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		s, err := c.OpenStream(ctx, Request{SQL: sql, Args: args})
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer s.Close()
		for s.Next() {
			if !yield(s.Row(), nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(Row{}, err)
		}
	}
}

// RowStream is Stream for those who need the columns before the first row, or to take rows
// one by one. It must be closed, and used by one goroutine at a time.
type RowStream struct {
	client   *Client
	session  *session
	id       uint64
	frames   *feed
	w        *patience
	progress streamProgress

	rows wire.Rows // of the present chunk
	at   int       // of the next row in it
	over bool      // nothing more follows; the server is done with the stream, or told so
	err  error
}

// OpenStream starts a stream and waits until its columns are known. ctx bounds all of it.
// Request.Retry has no effect.
func (c *Client) OpenStream(ctx context.Context, request Request) (*RowStream, error) {
	statement, err := request.statement()
	if err != nil {
		return nil, err
	}
	s := &RowStream{client: c, frames: newFeed(), w: c.patience(ctx, request.Timeout)}
	c.inFlight.Add(1)
	body := wire.Stream(statement, c.reading(request.NestJSON), streamCredit)
	if s.session, s.id, err = c.begin(s.w, body, s.frames); err != nil {
		s.over = true
		s.Close()
		return nil, err
	}
	if err := s.receive(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Columns are the columns of the rows to come.
func (s *RowStream) Columns() []Column { return s.progress.shape.columns }

// Meta says which state of the source the rows show.
func (s *RowStream) Meta() Meta { return s.progress.shape.meta }

// Next waits for another row. It returns false at the end, and on an error, which Err tells.
func (s *RowStream) Next() bool {
	if s.at++; s.at < len(s.rows.Start) {
		return true
	}
	for !s.over && s.err == nil {
		if len(s.rows.Start) > 0 {
			s.session.credit(s.id)
			s.rows = wire.Rows{}
		}
		s.err = s.receive()
		if s.at = 0; len(s.rows.Start) > 0 {
			return true
		}
	}
	return false
}

// Row is the row Next found.
func (s *RowStream) Row() Row { return Row{text: s.rows.Row(s.at), shape: s.progress.shape} }

// Err is why Next returned false; nil means that the result was complete.
func (s *RowStream) Err() error { return s.err }

// Close stops the stream on the server, if it goes on. It may be called more than once.
func (s *RowStream) Close() {
	if s.client == nil {
		return
	}
	if !s.over {
		s.session.abandon(s.id, wire.Cancel(s.id))
	}
	s.over, s.rows = true, wire.Rows{}
	s.w.stop()
	s.client.inFlight.Add(-1)
	s.client = nil
}

// receive takes one frame.
func (s *RowStream) receive() error {
	s.w.restart()
	frame, err := s.frames.next(s.w)
	if err != nil {
		return err
	}
	reply, err := wire.Parse(frame)
	if err != nil {
		return protocolError(err)
	}
	if !reply.Success || reply.Type == wire.TypeEnd {
		s.over = true
		s.session.forget(s.id)
	}
	if !reply.Success {
		return failure(reply.Failure)
	}
	s.rows, err = s.progress.take(reply)
	return err
}

// streamProgress checks that a stream's frames come whole and in order.
type streamProgress struct {
	shape  *shape
	chunks int
	rows   int
}

// take returns the rows of the next frame; only a chunk has any.
func (p *streamProgress) take(reply wire.Reply) (rows wire.Rows, err error) {
	switch {
	case reply.Type == wire.TypeStart && p.shape == nil:
		p.shape, err = newShape(reply.Meta, wire.Rows{})
		return rows, err
	case reply.Type == wire.TypeChunk && p.shape != nil && reply.Seq == p.chunks:
		p.chunks++
		p.rows += len(reply.Result.Start)
		return reply.Result, p.shape.learn(reply.Result)
	case reply.Type == wire.TypeEnd && p.shape != nil && reply.Chunks == p.chunks && reply.Rows == p.rows:
		return rows, nil
	}
	return rows, protocolError(fmt.Errorf("a frame of type %q (chunk %d, %d chunks, %d rows) came in a stream after %d chunks with %d rows",
		reply.Type, reply.Seq, reply.Chunks, reply.Rows, p.chunks, p.rows))
}

// begin starts a request with more than one answer on whatever connection there is.
func (c *Client) begin(w *patience, body wire.Body, r receiver) (*session, uint64, error) {
	for {
		s, err := c.acquire(w)
		if err != nil {
			return nil, 0, err
		}
		id, err := s.start(body, r)
		if !errors.Is(err, errNotSent) {
			return s, id, err
		}
	}
}

// credit lets the server send one more chunk of stream id.
func (s *session) credit(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.out.put(noRequest, wire.Credit(1).Frame(id))
	}
}

// feed holds the frames of a stream until they are read. The server may not send more than
// it has credit for, so more than that is the server's mistake.
type feed struct{ frames chan answer }

// newFeed has room for the chunks, for start, for what ends the stream, and for one loss.
func newFeed() *feed { return &feed{frames: make(chan answer, streamCredit+3)} }

func (f *feed) deliver(frame []byte) bool {
	if len(f.frames) == cap(f.frames)-1 {
		f.lost(protocolError(errors.New("the server sent more of a stream than it was allowed")))
		return false
	}
	f.frames <- answer{frame: frame}
	return true
}

func (f *feed) lost(err error) { f.frames <- answer{err: err} }

func (f *feed) next(w *patience) ([]byte, error) {
	select {
	case a := <-f.frames:
		return a.frame, a.err
	case <-w.ctx.Done():
		return nil, fmt.Errorf("waiting for rows: %w", w.ctx.Err())
	case <-w.expired:
		return nil, timedOut(w.limit)
	}
}
