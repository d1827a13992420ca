package ws

import (
	"fmt"
	"sync"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

const (
	// batchItems is how many queries a batch may hold, and batchSide how many of them run at the same time.
	batchItems = 1000
	batchSide  = 4
)

// batch runs several queries on one generation. Each item keeps its own outcome.
type batch struct {
	session  *session
	call     *call
	snapshot *query.Snapshot
	frame    *frame
	base     query.Statement
	options  encode.Options

	mu      sync.Mutex // guards the fields below
	next    int
	left    int
	bytes   int
	stopped *query.Error // why the batch as a whole fails
	handles map[int]*query.Handle
	results [][]byte
}

func (s *session) batch(f *frame, began time.Time) error {
	switch n := len(f.Queries); {
	case n == 0:
		return problem(query.CodeInvalidRequest, "queries must hold at least one query")
	case n > batchItems:
		return problem(query.CodeInvalidRequest, fmt.Sprintf("queries may hold %d queries", batchItems))
	}
	for i := range f.Queries {
		if f.Queries[i].SQL == "" {
			return problem(query.CodeInvalidRequest, fmt.Sprintf("SQL query is required (queries, item %d)", i))
		}
	}
	mode, options, err := f.options()
	if err != nil {
		return err
	}
	snapshot, err := s.server.queries.Snapshot(s.database)
	if err != nil {
		return err
	}
	c, err := s.open(f, began)
	if err != nil {
		snapshot.Release()
		return err
	}
	b := &batch{
		session: s, call: c, snapshot: snapshot, frame: f, options: options,
		base: query.Statement{Dialect: mode, Key: s.keyName, Kind: query.KindBatch, Parent: tracing.Parent{TraceParent: f.TraceParent}},
		left: len(f.Queries), handles: make(map[int]*query.Handle), results: make([][]byte, len(f.Queries)),
	}
	s.cancelBy(c, b.cancel)
	b.mu.Lock()
	defer b.mu.Unlock()
	for range batchSide {
		b.start()
	}
	return nil
}

// start runs the next query, if there is one. It is called with mu held.
func (b *batch) start() {
	if b.next >= len(b.results) || b.stopped != nil {
		return
	}
	i := b.next
	b.next++
	st := b.base
	st.SQL, st.Params = b.frame.Queries[i].SQL, b.frame.Queries[i].Params
	began := time.Now()
	b.handles[i] = b.snapshot.Go(st, b.options, []byte(`{"success":true,"result":`), func(a query.Answer) { b.done(i, a, began) })
}

// done takes one query's outcome and starts another in its place. The last one sends the reply.
func (b *batch) done(i int, a query.Answer, began time.Time) {
	b.mu.Lock()
	delete(b.handles, i)
	b.results[i] = b.item(a, time.Since(began))
	b.bytes += len(b.results[i])
	b.left--
	b.start()
	finished := b.left == 0 || b.stopped != nil && len(b.handles) == 0
	b.mu.Unlock()
	if finished {
		b.reply()
	}
}

func (b *batch) item(a query.Answer, took time.Duration) []byte {
	err := a.Err
	if limit := b.session.server.limits.Bytes; err == nil && b.bytes+len(a.JSON) > limit {
		b.session.server.metrics.exceeded.WithLabelValues("batch_bytes").Inc()
		err = problem(query.CodeTooLarge, fmt.Sprintf("the batch's results have more than %d bytes (MAX_RESULT_BYTES) from this query on", limit))
	}
	if err != nil {
		return appendFailure([]byte(`{"success":false`), err, took)
	}
	item := appendDuration(a.JSON, took)
	if b.frame.Meta {
		item = appendMeta(item, a.Columns, b.snapshot.Manifest(), time.Now())
	}
	return append(item, '}')
}

func (b *batch) reply() {
	defer b.snapshot.Release()
	if b.stopped != nil {
		b.session.replyFailure(b.call, b.stopped)
		return
	}
	out := newBuffer()
	out.bytes = append(begin(out.bytes, b.call.id, true), `,"results":[`...)
	for i, item := range b.results {
		if i > 0 {
			out.bytes = append(out.bytes, ',')
		}
		out.bytes = append(out.bytes, item...)
	}
	out.bytes = append(out.bytes, ']')
	out.bytes = append(appendDuration(out.bytes, time.Since(b.call.began)), '}')
	b.session.reply(b.call, out)
}

// cancel stops the batch as a whole.
func (b *batch) cancel() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped != nil || b.left == 0 {
		return false
	}
	b.stopped = &query.Error{Code: query.CodeCancelled, Message: "Query cancelled"}
	for _, h := range b.handles {
		h.Cancel() // when the answer is on its way it comes to done
	}
	return true
}
