// Package query is the way of a statement through the gateway, the same for REST and WebSocket:
// pin a generation, translate and check the statement, wait for a place, run it, encode what comes back.
package query

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

// Limits bound what one query and all of them together may take.
type Limits struct {
	// Timeout is how long a statement may run, waiting for a place included. Grace is how much longer one that
	// has been told to stop may take for it before it is given up, and Stuck how many such statements there may be.
	Timeout, Grace time.Duration
	Stuck          int
	// Concurrent is how many statements run at once, Queue how many may wait for it.
	Concurrent, Queue int
	// Rate is how many statements a second one key may send, on average, and Burst how many at once. A Rate of 0 sets no bounds.
	Rate  float64
	Burst int
	// Rows and Bytes bound a result that is sent as a whole.
	Rows, Bytes int
	// Cache is how many bytes of results are kept; 0 keeps none, and every statement runs.
	Cache int
	// Slow is how long a statement takes that is logged; 0 logs none. Log logs all.
	Slow time.Duration
	Log  bool
}

// Service runs statements. It is safe for concurrent use.
type Service struct {
	databases *reader.Set
	checker   *sandbox.Checker
	volatile  *Volatile
	plans     *plans
	limits    Limits
	metrics   *Metrics
	tracer    *tracing.Tracer
	log       *slog.Logger

	admission *admission
	rates     *rates
	active    *active
	cache     *cache
	stuck     atomic.Int64
	worn      atomic.Bool
}

// New makes a Service. Its Run is to run as long as it is used. Without a tracer nobody is told of statements.
func New(databases *reader.Set, checker *sandbox.Checker, volatile *Volatile, limits Limits, metrics *Metrics, tracer *tracing.Tracer, log *slog.Logger) *Service {
	s := &Service{
		databases: databases,
		checker:   checker,
		volatile:  volatile,
		plans:     newPlans(),
		limits:    limits,
		metrics:   metrics,
		tracer:    tracer,
		log:       log,
		admission: newAdmission(limits.Concurrent, limits.Queue, metrics),
		rates:     newRates(&limits),
		active:    &active{tickets: make(map[uint64]*ticket)},
		cache:     newCache(limits.Cache, metrics),
	}
	metrics.service = s
	return s
}

// Kind is what sort of request a statement came with. It is for metrics and logs.
type Kind string

// The kinds.
const (
	KindREST      Kind = "rest"
	KindQuery     Kind = "query"
	KindBatch     Kind = "batch"
	KindPrepare   Kind = "prepare"
	KindExecute   Kind = "execute"
	KindStream    Kind = "stream"
	KindSubscribe Kind = "subscribe"
	KindJob       Kind = "job"
)

var kinds = []Kind{KindREST, KindQuery, KindBatch, KindPrepare, KindExecute, KindStream, KindSubscribe, KindJob}

// Statement is what a client asks.
type Statement struct {
	SQL     string
	Params  []any // as duck.Stmt takes them
	Dialect dialect.Mode
	// Key says whose statement it is: the places are shared fairly between keys.
	Key string
	// Kind is KindREST unless set.
	Kind Kind
	// Timeout is Limits.Timeout unless set.
	Timeout time.Duration
	// Parent is the span of the client's that the statement belongs to, if it told of one.
	Parent tracing.Parent
}

// Database returns the named database or an *Error.
func (s *Service) Database(id string) (*reader.Database, error) {
	d, err := s.databases.Get(id)
	if err != nil {
		return nil, Explain(err)
	}
	return d, nil
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

// Release gives the generation back. Statements that run keep it on their own.
func (sn *Snapshot) Release() { sn.generation.Release() }

// Manifest describes the generation.
func (sn *Snapshot) Manifest() *generation.Manifest { return sn.generation.Manifest() }

// ticket registers a statement, which is to end with the ticket's end.
func (sn *Snapshot) ticket(st Statement) *ticket {
	if st.Kind == "" {
		st.Kind = KindREST
	}
	if st.Timeout == 0 {
		st.Timeout = sn.service.limits.Timeout
	}
	now := time.Now()
	t := &ticket{service: sn.service, generation: sn.generation, statement: st, began: now, deadline: now.Add(st.Timeout)}
	if tracer := sn.service.tracer; tracer != nil {
		t.span = tracer.Begin(st.Parent, tracing.Statement{
			Kind: string(st.Kind), Database: sn.generation.Database, Key: st.Key, Generation: sn.generation.Number, Fingerprint: fingerprint(st.SQL),
		})
	}
	sn.generation.Retain()
	sn.service.active.add(t)
	return t
}

// Query starts a statement. Its rows must be closed, and stop when ctx ends. Errors are of type *Error, here and from Rows.
func (sn *Snapshot) Query(ctx context.Context, st Statement) (*Rows, error) {
	t := sn.ticket(st)
	release := context.AfterFunc(ctx, func() { t.stop(cancelled()) })
	rows, err := t.open()
	if err != nil {
		release()
		t.finish(err, 0)
		return nil, err
	}
	rows.release = release
	return rows, nil
}

// open runs the ticket's statement up to its first rows.
func (t *ticket) open() (*Rows, error) {
	p := t.planned()
	if p.err != nil {
		return nil, p.err
	}
	if slices.ContainsFunc(t.statement.Params, deepPath) {
		return nil, &Error{Code: CodeParams, Message: "a parameter is a JSON path with more than 1000 wildcards"}
	}
	if err := t.enter(); err != nil {
		return nil, err
	}
	rows, err := t.start(p)
	if duck.GivenUp(err) && t.renew() {
		rows, err = t.start(p)
	}
	if err != nil {
		return nil, t.explain(p, err)
	}
	t.span.Event("first rows")
	return rows, nil
}

// start runs the statement in the ticket's place.
func (t *ticket) start(p *plan) (*Rows, error) {
	conn, err := t.instance().Conn()
	if err != nil {
		return nil, err
	}
	if err := t.use(conn); err != nil {
		t.drop(conn, false)
		return nil, err
	}
	stmt, result, err := run(conn, p.sql, t.statement.Params)
	if err != nil {
		t.drop(conn, true)
		return nil, err
	}
	return &Rows{ticket: t, plan: p, conn: conn, stmt: stmt, result: result}, nil
}

// explain is what a client is told of an error: the reason why the statement was stopped, if it was.
func (t *ticket) explain(p *plan, err error) error {
	if duck.Failed(err) {
		return t.failed(err)
	}
	if !duck.Interrupted(err) {
		return p.explain(err)
	}
	if reason := t.reason(); reason != nil {
		return reason
	}
	// When one of its threads fails DuckDB stops the others, and sometimes tells a reader of the stream of that and not of the failure.
	return &Error{Code: CodeInvalid, Message: "the statement failed after its first rows, and DuckDB lost the reason; running it again may show it"}
}

// drop gives a connection back after the last interrupt that is for it.
func (t *ticket) drop(conn *reader.Conn, stopped bool) {
	t.mu.Lock()
	t.conn = nil
	t.mu.Unlock()
	t.instance().Put(conn, stopped)
}

// finish ends the ticket and counts and logs it.
func (t *ticket) finish(err error, rows int) {
	t.end()
	t.took = time.Since(t.began)
	t.service.metrics.observe(t.statement.Kind, t.took, err)
	t.report(t.took, err, rows)
	if err != nil {
		known := Explain(err)
		t.span.End(rows, string(known.Code), known.Message)
		return
	}
	t.span.End(rows, "", "")
}

func run(conn *reader.Conn, sql string, params []any) (*duck.Stmt, *duck.Result, error) {
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return nil, nil, err
	}
	result, err := stmt.Stream(context.Background(), params...)
	return stmt, result, err
}
