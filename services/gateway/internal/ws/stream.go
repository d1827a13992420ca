package ws

import (
	"context"
	"strconv"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

const (
	maxCredit     = 1024
	maxChunkRows  = 100000
	someChunkRows = 1000
	// chunkBytes is about how much a chunk holds at most, and backlog how much may wait for a client before a stream waits too.
	chunkBytes = 1 << 20
	backlog    = 4 << 20
)

// stream sends a statement's rows in chunks, as many as its client has given credit for.
type stream struct {
	session   *session
	call      *call
	statement query.Statement
	options   encode.Options
	chunkRows int
	credit    chan int // what the client has added
	left      int      // only run uses it
}

func (s *session) stream(f *frame, began time.Time) error {
	st, options, err := s.statement(f, query.KindStream)
	if err != nil {
		return err
	}
	if f.Credit == nil || *f.Credit < 1 || *f.Credit > maxCredit {
		return problem(query.CodeInvalidRequest, "credit must be 1 to 1024")
	}
	one := &stream{session: s, statement: st, options: options, chunkRows: someChunkRows, credit: make(chan int, 1), left: *f.Credit}
	if f.ChunkRows != nil {
		if one.chunkRows = *f.ChunkRows; one.chunkRows < 1 || one.chunkRows > maxChunkRows {
			return problem(query.CodeInvalidRequest, "chunkRows must be 1 to 100000")
		}
	}
	snapshot, err := s.server.queries.Snapshot(s.database)
	if err != nil {
		return err
	}
	if err := s.take(&s.streams, s.server.limits.Streams, "streams"); err != nil {
		snapshot.Release()
		return err
	}
	c, err := s.open(f, began)
	if err != nil {
		s.give(&s.streams)
		snapshot.Release()
		return err
	}
	one.call = c
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	c.stream, c.cancel = one, func() bool {
		defer cancel()
		return ctx.Err() == nil
	}
	s.mu.Unlock()
	s.server.metrics.streams.Inc()
	go func() {
		end, err := one.run(ctx, snapshot)
		cancel()
		snapshot.Release()
		s.give(&s.streams)
		s.server.metrics.streams.Dec()
		if err != nil {
			s.replyFailure(c, err)
			return
		}
		s.reply(c, end)
	}()
	return nil
}

// take counts one more of what a connection may have only so many of.
func (s *session) take(count *int, limit int, what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *count >= limit {
		return s.exceeded(what, limit)
	}
	*count++
	return nil
}

func (s *session) give(count *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*count--
}

// credit answers nothing; what is for a stream that has ended is dropped.
func (s *session) credit(f *frame) error {
	if f.Credit == nil || *f.Credit < 1 || *f.Credit > maxCredit {
		return problem(query.CodeInvalidRequest, "credit must be 1 to 1024")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[f.ID.text]
	if c == nil || c.stream == nil {
		return nil
	}
	more := *f.Credit
	select {
	case waiting := <-c.stream.credit: // not taken yet
		more += waiting
	default:
	}
	c.stream.credit <- more // the reader is the only one to fill it
	return nil
}

// progress is what a stream has sent.
type progress struct{ chunks, rows int }

func (p *progress) end(c *call) *buffer {
	b := newBuffer()
	b.bytes = append(begin(b.bytes, c.id, true), `,"type":"end","chunks":`...)
	b.bytes = strconv.AppendInt(b.bytes, int64(p.chunks), 10)
	b.bytes = append(b.bytes, `,"rows":`...)
	b.bytes = strconv.AppendInt(b.bytes, int64(p.rows), 10)
	b.bytes = append(appendDuration(b.bytes, time.Since(c.began)), '}')
	return b
}

// run sends the stream and returns its last frame.
func (st *stream) run(ctx context.Context, snapshot *query.Snapshot) (end *buffer, err error) {
	rows, err := snapshot.Query(ctx, st.statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	encoder, err := encode.NewJSON(rows.Columns(), st.options)
	if err != nil {
		return nil, query.Explain(err)
	}
	b := newBuffer()
	b.bytes = append(begin(b.bytes, st.call.id, true), `,"type":"start"`...)
	b.bytes = append(appendMeta(b.bytes, rows.Columns(), snapshot.Manifest(), time.Now()), '}')
	st.session.out.send(b)

	var done progress
	cursor := cursor{rows: rows, encoder: encoder}
	for {
		b := newBuffer()
		b.bytes = append(begin(b.bytes, st.call.id, true), `,"type":"chunk","seq":`...)
		b.bytes = strconv.AppendInt(b.bytes, int64(done.chunks), 10)
		b.bytes = append(b.bytes, `,"result":[`...)
		n, err := cursor.fill(b, st.chunkRows)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return done.end(st.call), nil
		}
		b.bytes = append(b.bytes, "]}"...)
		if err := st.mayLeave(ctx, rows); err != nil {
			return nil, err
		}
		done.chunks++
		done.rows += n
		st.left--
		st.session.out.send(b)
	}
}

// mayLeave waits for credit and for a client that has read what was sent, without a place among the running statements.
func (st *stream) mayLeave(ctx context.Context, rows *query.Rows) error {
	if st.ready() {
		return nil
	}
	rows.Pause()
	if err := st.wait(ctx, rows.Stopping()); err != nil {
		return err
	}
	return rows.Resume()
}

func (st *stream) ready() bool {
	select {
	case more := <-st.credit:
		st.left += more
	default:
	}
	return st.left > 0 && st.session.out.below(backlog) == nil
}

// wait returns nil also when the statement has been stopped.
func (st *stream) wait(ctx context.Context, stopping <-chan struct{}) error {
	patience := time.NewTimer(st.session.server.limits.Credit)
	defer patience.Stop()
	for !st.ready() {
		var credit chan int
		if st.left == 0 {
			credit = st.credit
		}
		read := st.session.out.below(backlog)
		if credit == nil && read == nil {
			continue
		}
		select {
		case more := <-credit:
			st.left += more
		case <-read:
		case <-stopping:
			return nil
		case <-ctx.Done():
			return &query.Error{Code: query.CodeCancelled, Message: "Query cancelled"}
		case <-patience.C:
			st.session.server.metrics.exceeded.WithLabelValues("stream_wait").Inc()
			return problem(query.CodeSlowConsumer, "the stream waited too long for its client")
		}
	}
	return nil
}

// cursor reads rows as they fit into chunks of the protocol's size.
type cursor struct {
	rows    *query.Rows
	encoder *encode.JSON
	chunk   *duck.Chunk
	next    int
}

// fill appends up to most rows, separated by commas, and returns how many there were; none at the end.
func (c *cursor) fill(b *buffer, most int) (rows int, err error) {
	size := len(b.bytes) + chunkBytes
	for rows < most && len(b.bytes) < size {
		if c.chunk == nil || c.next == c.chunk.Rows() {
			if c.chunk, err = c.rows.Next(); err != nil || c.chunk == nil {
				return rows, err
			}
			c.next = 0
		}
		if rows > 0 {
			b.bytes = append(b.bytes, ',')
		}
		before := c.next
		b.bytes, c.next = c.encoder.AppendSome(b.bytes, c.chunk, c.next, most-rows, size)
		rows += c.next - before
	}
	return rows, nil
}
