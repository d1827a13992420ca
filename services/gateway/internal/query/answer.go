package query

import (
	"context"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// Answer is the outcome of a statement whose result is sent as a whole.
type Answer struct {
	// JSON is what Go was given, with the rows appended as an array of objects. After an error it is nil.
	JSON []byte
	// Columns describe the rows. The slice is shared.
	Columns []duck.Column
	// Err is of type *Error.
	Err error
}

// Handle is a statement that has arrived.
type Handle struct {
	ticket *ticket
	run    func()
}

// Stop ends the statement with a reason, which is then its answer. It is false when the answer was on its way already.
func (h *Handle) Stop(why *Error) bool { return h.ticket.stop(why) }

// Cancel stops the statement as its client's cancel does.
func (h *Handle) Cancel() bool { return h.ticket.stop(cancelled()) }

// Run runs the statement to its end. It is called once.
func (h *Handle) Run() { h.run() }

// Quick tells whether the statement took less than two milliseconds when it ran last, and is likely to do so again.
func (h *Handle) Quick() bool { return h.ticket.plan != nil && h.ticket.plan.within(quick) }

// Brief is Quick for a tenth of a millisecond.
func (h *Handle) Brief() bool { return h.ticket.plan != nil && h.ticket.plan.within(brief) }

// Go runs a statement beside the caller, as Begin and Run do.
func (sn *Snapshot) Go(st Statement, options encode.Options, dst []byte, done func(Answer)) *Handle {
	h := sn.Begin(st, options, dst, done)
	go h.Run()
	return h
}

// Begin takes a statement, whose Run appends its rows to dst and calls done once: in the goroutine of Run, or before that has
// returned in another one, when the statement cannot be stopped and is given up. dst is not the caller's any more. The snapshot may be
// released at once.
//
// The same statement with the same parameters on the same generation may be answered from the result cache, or
// together with one that runs at this moment.
func (sn *Snapshot) Begin(st Statement, options encode.Options, dst []byte, done func(Answer)) *Handle {
	t := sn.ticket(st)
	t.plan = t.service.plans.get(planKey{t.generation.Database, st.Dialect, st.SQL})
	once := &outcome{done: done}
	t.abandoned = func(err error) { once.tell(Answer{Err: err}) }
	return &Handle{ticket: t, run: func() { once.tell(t.service.cache.answer(t, dst, options)) }}
}

// answer runs the ticket's statement to its end.
func (t *ticket) answer(dst []byte, options encode.Options) Answer {
	rows, err := t.open()
	if err != nil {
		t.finish(err, 0)
		return Answer{Err: err}
	}
	json, err := rows.appendJSON(dst, options)
	columns := rows.Columns()
	plan := rows.plan
	rows.Close()
	if err != nil {
		plan.took.Store(0)
		return Answer{Err: err}
	}
	plan.took.Store(int64(t.took))
	return Answer{JSON: json, Columns: columns}
}

// appendJSON appends all rows as an array of objects, within the limits for a result.
func (r *Rows) appendJSON(dst []byte, options encode.Options) ([]byte, error) {
	encoder, err := r.encoder(options)
	if err != nil {
		r.err = Explain(err)
		return nil, r.err
	}
	limits, start := r.ticket.service.limits, len(dst)
	dst = append(dst, '[')
	for {
		before := r.count
		chunk, err := r.Next()
		if err != nil {
			return nil, err
		}
		if chunk == nil {
			return append(dst, ']'), nil
		}
		if before > 0 {
			dst = append(dst, ',')
		}
		dst = encoder.AppendRows(dst, chunk)
		if err := limits.check(r.count, len(dst)-start); err != nil {
			r.ticket.service.metrics.rejected(rejectedSize)
			r.err = err
			return nil, err
		}
	}
}

// encoder is one that a statement keeps from run to run.
type encoder struct {
	*encode.JSON
	options encode.Options
}

// encoder makes an encoder, or takes the one of the run before.
func (r *Rows) encoder(options encode.Options) (*encode.JSON, error) {
	if kept, ok := r.stmt.Kept.(*encoder); ok && kept.options == options {
		return kept.JSON, nil
	}
	made, err := encode.NewJSON(r.Columns(), options)
	if err != nil {
		return nil, err
	}
	r.stmt.Kept = &encoder{made, options}
	return made, nil
}

// AppendJSON runs a statement and appends its rows to dst as a JSON array of objects. On an error, of type *Error, dst is
// returned as it was. It stops when ctx ends.
func (sn *Snapshot) AppendJSON(ctx context.Context, dst []byte, st Statement, options encode.Options) ([]byte, error) {
	answered := make(chan Answer, 1)
	// The statement does not get dst itself: when it cannot be stopped it goes on writing after this has returned.
	handle := sn.Go(st, options, nil, func(a Answer) { answered <- a })
	defer context.AfterFunc(ctx, func() { handle.Cancel() })()
	a := <-answered
	if a.Err != nil {
		return dst, a.Err
	}
	return append(dst, a.JSON...), nil
}

// Prepared describes a statement that was prepared and not run.
type Prepared struct {
	Parameters int
	Columns    []duck.Column
}

// Prepare checks a statement and describes it. A column whose type depends on a parameter is described as for null.
func (sn *Snapshot) Prepare(st Statement, done func(Prepared, error)) *Handle {
	t := sn.ticket(st)
	once := &outcome{}
	t.abandoned = func(err error) {
		once.first(func() { done(Prepared{}, err) })
	}
	h := &Handle{ticket: t, run: func() {
		prepared, err := t.prepare()
		t.finish(err, 0)
		once.first(func() { done(prepared, err) })
	}}
	go h.Run()
	return h
}

func (t *ticket) prepare() (Prepared, error) {
	p := t.planned()
	if p.err != nil {
		return Prepared{}, p.err
	}
	if err := t.enter(); err != nil {
		return Prepared{}, err
	}
	prepared, err := t.look(p)
	if duck.GivenUp(err) && t.renew() {
		prepared, err = t.look(p)
	}
	if err != nil {
		return Prepared{}, t.explain(p, err)
	}
	return prepared, nil
}

// look prepares the statement in the ticket's place.
func (t *ticket) look(p *plan) (Prepared, error) {
	conn, err := t.instance().Conn()
	if err != nil {
		return Prepared{}, err
	}
	if err := t.use(conn); err != nil {
		t.drop(conn, false)
		return Prepared{}, err
	}
	stmt, err := conn.Prepare(p.sql)
	if err != nil {
		t.drop(conn, true)
		return Prepared{}, err
	}
	prepared := Prepared{Parameters: stmt.Params(), Columns: stmt.Columns()}
	if len(prepared.Columns) > 0 && prepared.Columns[0].Type.ID == 0 {
		// DuckDB leaves open what depends on the parameters' types.
		prepared.Columns = columns(conn, p.sql, prepared.Parameters)
	}
	t.drop(conn, false)
	return prepared, nil
}

// columns returns those that a statement gives when its parameters are null, or none if it cannot be told.
func columns(conn *reader.Conn, sql string, params int) []duck.Column {
	_, result, err := run(conn, "SELECT * FROM ("+sql+"\n) LIMIT 0", make([]any, params))
	if err != nil {
		return nil
	}
	defer result.Close()
	return result.Columns()
}
