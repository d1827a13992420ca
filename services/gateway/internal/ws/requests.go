package ws

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

// open registers a request. It holds until close, which must come before the request's last frame is sent, so
// that the client may use the id again.
func (s *session) open(f *frame, began time.Time) (*call, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ending:
		return nil, problem(query.CodeNotReady, "the connection ends")
	case s.calls[f.ID.text] != nil:
		return nil, problem(query.CodeInvalidRequest, "the id is that of a request in flight")
	case len(s.calls) >= s.server.limits.Requests:
		return nil, s.exceeded("requests", s.server.limits.Requests)
	}
	c := &call{id: f.ID, began: began}
	s.calls[f.ID.text] = c
	s.working.Add(1)
	return c, nil
}

func (s *session) exceeded(what string, limit int) error {
	s.server.metrics.exceeded.WithLabelValues(what).Inc()
	return problem(query.CodeLimit, fmt.Sprintf("a connection may have %d %s open; end some", limit, what))
}

func (s *session) close(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id.text)
}

// reply sends a request's last frame.
func (s *session) reply(c *call, b *buffer) {
	s.close(c)
	s.out.send(b)
	s.working.Done()
}

// replyTogether is reply for a statement that the reader runs while it has read more: the frame is sent with theirs.
func (s *session) replyTogether(c *call, b *buffer) {
	s.close(c)
	s.out.hold(b)
	s.working.Done()
}

func (s *session) replyFailure(c *call, err error) {
	s.reply(c, failure(c.id, err, time.Since(c.began)))
}

// statement reads what is to be run.
func (s *session) statement(f *frame, kind query.Kind) (query.Statement, encode.Options, error) {
	if f.SQL == "" {
		return query.Statement{}, encode.Options{}, problem(query.CodeInvalidRequest, "SQL query is required")
	}
	mode, options, err := f.options()
	return query.Statement{SQL: f.SQL, Params: f.Params, Dialect: mode, Key: s.keyName, Kind: kind, Parent: tracing.Parent{TraceParent: f.TraceParent}}, options, err
}

func (s *session) query(f *frame, began time.Time) error {
	st, options, err := s.statement(f, query.KindQuery)
	if err != nil {
		return err
	}
	return s.answer(f, st, options, began)
}

// answer runs a statement and sends all its rows.
func (s *session) answer(f *frame, st query.Statement, options encode.Options, began time.Time) error {
	snapshot, err := s.server.queries.Snapshot(s.database)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	c, err := s.open(f, began)
	if err != nil {
		return err
	}
	b, meta, manifest, more := newBuffer(), f.Meta, snapshot.Manifest(), false
	b.bytes = append(begin(b.bytes, c.id, true), `,"result":`...)
	handle := snapshot.Begin(st, options, b.bytes, func(a query.Answer) {
		if a.Err != nil {
			s.replyFailure(c, a.Err)
			return
		}
		b.bytes = appendDuration(a.JSON, time.Since(c.began))
		if meta {
			b.bytes = appendMeta(b.bytes, a.Columns, manifest, time.Now())
		}
		b.bytes = append(b.bytes, '}')
		if more {
			s.replyTogether(c, b)
		} else {
			s.reply(c, b)
		}
	})
	alone := s.cancelBy(c, handle.Cancel)
	if s.received != nil && handle.Brief() || alone && s.lone && handle.Quick() {
		more = s.more > 0
		return s.inTurn(handle.Run)
	}
	go handle.Run()
	return nil
}

// cancelBy says how a request is stopped, and tells whether it is the only one.
func (s *session) cancelBy(c *call, cancel func() bool) (alone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.cancel = cancel
	return len(s.calls) == 1
}

// stop answers cancel.
func (s *session) stop(f *frame) {
	s.mu.Lock()
	c := s.calls[f.Target]
	s.mu.Unlock()
	done := c != nil && c.cancel()
	s.out.send(rowReply(f.ID, `{"cancelled":`+strconv.FormatBool(done)+`}`))
}

func (s *session) prepare(f *frame, began time.Time) error {
	st, _, err := s.statement(f, query.KindPrepare)
	if err != nil {
		return err
	}
	if s.statements.count() >= s.server.limits.Statements {
		return s.exceeded("statements", s.server.limits.Statements)
	}
	snapshot, err := s.server.queries.Snapshot(s.database)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	c, err := s.open(f, began)
	if err != nil {
		return err
	}
	s.prepared++
	name := "s" + strconv.Itoa(s.prepared)
	s.statements.put(name, f)
	handle := snapshot.Prepare(st, func(p query.Prepared, err error) {
		if err != nil {
			s.statements.remove(name)
			s.replyFailure(c, err)
			return
		}
		b := newBuffer()
		b.bytes = begin(b.bytes, c.id, true)
		b.bytes = append(b.bytes, `,"result":[{"statement":"`+name+`","parameters":`...)
		b.bytes = strconv.AppendInt(b.bytes, int64(p.Parameters), 10)
		b.bytes = append(b.bytes, `,"columns":`...)
		b.bytes = appendColumns(b.bytes, p.Columns)
		b.bytes = append(b.bytes, "}]}"...)
		s.reply(c, b)
	})
	s.cancelBy(c, handle.Cancel)
	return nil
}

func (s *session) execute(f *frame, began time.Time) error {
	kept, ok := s.statements.get(f.Statement)
	if !ok {
		return problem(query.CodeStatementNotFound, "no prepared statement '"+f.Statement+"' on this connection")
	}
	f.SQL, f.Dialect = kept.sql, kept.dialect
	st, options, err := s.statement(f, query.KindExecute)
	if err != nil {
		return err
	}
	return s.answer(f, st, options, began)
}

func (s *session) deallocate(f *frame) error {
	if !s.statements.remove(f.Statement) {
		return problem(query.CodeStatementNotFound, "no prepared statement '"+f.Statement+"' on this connection")
	}
	s.out.send(rowReply(f.ID, `{"deallocated":true}`))
	return nil
}

// statements are a connection's prepared ones.
type statements struct {
	mu     sync.Mutex // guards byName
	byName map[string]prepared
}

type prepared struct{ sql, dialect string }

func (p *statements) put(name string, f *frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byName == nil {
		p.byName = make(map[string]prepared)
	}
	p.byName[name] = prepared{f.SQL, f.Dialect}
}

func (p *statements) get(name string) (prepared, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept, ok := p.byName[name]
	return kept, ok
}

func (p *statements) remove(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.byName[name]
	delete(p.byName, name)
	return ok
}

func (p *statements) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byName)
}
