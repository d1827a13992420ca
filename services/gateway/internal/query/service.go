// Package query is the way of a statement through the gateway, the same for REST and WebSocket:
// pin a generation, translate and check the statement, wait for a place, run it, encode what comes back.
package query

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
)

// Limits bound what one query and all of them together may take.
type Limits struct {
	// Timeout is how long a statement may run, waiting for a place included.
	Timeout time.Duration
	// Concurrent is how many statements run at once, Queue how many may wait for it.
	Concurrent, Queue int
	// Rows and Bytes bound a result that is sent as a whole.
	Rows, Bytes int
}

// Service runs statements. It is safe for concurrent use.
type Service struct {
	databases *reader.Set
	checker   *sandbox.Checker
	plans     *plans
	limits    Limits
	metrics   *Metrics

	places  chan struct{}
	waiting atomic.Int64
}

// New makes a Service.
func New(databases *reader.Set, checker *sandbox.Checker, limits Limits, metrics *Metrics) *Service {
	return &Service{
		databases: databases,
		checker:   checker,
		plans:     newPlans(),
		limits:    limits,
		metrics:   metrics,
		places:    make(chan struct{}, limits.Concurrent),
	}
}

// Statement is what a client asks.
type Statement struct {
	SQL     string
	Params  []any // as duck.Stmt takes them
	Dialect dialect.Mode
}

// Snapshot is one generation, pinned. All that is asked of it sees the same data.
type Snapshot struct {
	service    *Service
	generation *reader.Generation
}

// Snapshot pins the newest generation of a database. It must be released.
func (s *Service) Snapshot(database string) (*Snapshot, error) {
	d, err := s.databases.Get(database)
	if err != nil {
		return nil, Explain(err)
	}
	g, err := d.Pin()
	if err != nil {
		return nil, Explain(err)
	}
	return &Snapshot{service: s, generation: g}, nil
}

// Release gives the generation back.
func (sn *Snapshot) Release() { sn.generation.Release() }

// Manifest describes the generation.
func (sn *Snapshot) Manifest() *generation.Manifest { return sn.generation.Manifest }

// Query starts a statement. Its rows must be closed. Errors are of type *Error, here and from Rows.
func (sn *Snapshot) Query(ctx context.Context, st Statement) (*Rows, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, sn.service.limits.Timeout)
	rows, err := sn.start(ctx, st)
	if err != nil {
		cancel()
		sn.service.metrics.observe(began, err)
		return nil, err
	}
	rows.began, rows.cancel = began, cancel
	return rows, nil
}

func (sn *Snapshot) start(ctx context.Context, st Statement) (*Rows, error) {
	p := sn.service.plan(sn.generation.Database, st)
	if p.err != nil {
		return nil, p.err
	}
	if err := sn.service.enter(ctx); err != nil {
		return nil, err
	}
	conn, err := sn.generation.Conn()
	if err != nil {
		sn.service.leave()
		return nil, Explain(err)
	}
	result, err := run(ctx, conn, p.sql, st.Params)
	if err != nil {
		sn.generation.Put(conn, true)
		sn.service.leave()
		return nil, p.explain(err)
	}
	return &Rows{snapshot: sn, plan: p, conn: conn, result: result}, nil
}

func run(ctx context.Context, conn *reader.Conn, sql string, params []any) (*duck.Result, error) {
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	return stmt.Stream(ctx, params...)
}

// enter takes a place among the running statements, or waits for one in turn.
func (s *Service) enter(ctx context.Context) error {
	select {
	case s.places <- struct{}{}:
		s.metrics.running.Inc()
		return nil
	default:
	}
	if s.waiting.Add(1) > int64(s.limits.Queue) {
		s.waiting.Add(-1)
		return &Error{Code: CodeBusy, Message: "too many queries are waiting; try again shortly"}
	}
	s.metrics.waiting.Inc()
	defer func() {
		s.waiting.Add(-1)
		s.metrics.waiting.Dec()
	}()
	select {
	case s.places <- struct{}{}:
		s.metrics.running.Inc()
		return nil
	case <-ctx.Done():
		return Explain(ctx.Err())
	}
}

func (s *Service) leave() {
	<-s.places
	s.metrics.running.Dec()
}

// Rows is a running statement. It is used by one goroutine.
type Rows struct {
	snapshot *Snapshot
	plan     *plan
	conn     *reader.Conn
	result   *duck.Result
	began    time.Time
	cancel   context.CancelFunc
	done     bool
	err      error
}

// Columns describes the result.
func (r *Rows) Columns() []duck.Column { return r.result.Columns() }

// Next returns the next rows, valid until the next call, or nil at the end.
func (r *Rows) Next() (*duck.Chunk, error) {
	chunk, err := r.result.Next()
	if err != nil {
		r.err = r.plan.explain(err)
		return nil, r.err
	}
	r.done = chunk == nil
	return chunk, nil
}

// Close ends the statement, wherever it is, and gives its place to the next.
func (r *Rows) Close() {
	r.result.Close()
	r.cancel() // after Close, which stops listening for it
	r.snapshot.generation.Put(r.conn, !r.done)
	r.snapshot.service.leave()
	r.snapshot.service.metrics.observe(r.began, r.err)
}

// AppendJSON runs a statement and appends its rows to dst as a JSON array of objects. On an error dst is
// returned as it was.
func (sn *Snapshot) AppendJSON(ctx context.Context, dst []byte, st Statement, options encode.Options) ([]byte, error) {
	rows, err := sn.Query(ctx, st)
	if err != nil {
		return dst, err
	}
	defer rows.Close()
	encoder, err := encode.NewJSON(rows.Columns(), options)
	if err != nil {
		return dst, Explain(err)
	}
	start, count := len(dst), 0
	dst = append(dst, '[')
	for {
		chunk, err := rows.Next()
		if err != nil {
			return dst[:start], err
		}
		if chunk == nil {
			return append(dst, ']'), nil
		}
		if count > 0 {
			dst = append(dst, ',')
		}
		count += chunk.Rows()
		dst = encoder.AppendRows(dst, chunk)
		if err := sn.service.limits.check(count, len(dst)-start); err != nil {
			rows.err = err
			return dst[:start], err
		}
	}
}
