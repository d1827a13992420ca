package query

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
)

// plan is what is known of a statement before it runs: its translation, or why it may not run.
type plan struct {
	key         planKey
	sql         string // what DuckDB gets
	translation *dialect.Translation
	err         error
	volatile    bool         // the same data may give another result
	took        atomic.Int64 // how many nanoseconds it took when it ran last; 0 when that is not known, or it failed
}

const (
	// quick is how long a statement takes at most that others on its connection may have to wait for.
	quick = 2 * time.Millisecond
	// brief is how long one takes at most for which another goroutine would be no gain.
	brief = 100 * time.Microsecond
)

// within tells whether the statement took less than a time when it ran last.
func (p *plan) within(most time.Duration) bool {
	took := p.took.Load()
	return took > 0 && took < int64(most)
}

// planned is the plan of the ticket's statement.
func (t *ticket) planned() *plan {
	if t.plan == nil {
		t.plan = t.service.plan(t.generation.Database, t.statement)
	}
	return t.plan
}

type planKey struct {
	database string
	mode     dialect.Mode
	sql      string
}

// plan translates and checks a statement. Both depend on the text alone, so the outcome is kept.
func (s *Service) plan(database string, st Statement) *plan {
	key := planKey{database, st.Dialect, st.SQL}
	if p := s.plans.get(key); p != nil {
		return p
	}
	p := s.newPlan(key)
	s.plans.put(p)
	return p
}

func (s *Service) newPlan(key planKey) *plan {
	p := &plan{key: key}
	if p.translation, p.err = dialect.Translate(key.sql, key.mode); p.err != nil {
		p.err = &Error{Code: CodeSyntax, Message: p.err.Error()}
		return p
	}
	p.sql = p.translation.SQL
	p.volatile = s.volatile.Has(p.sql)
	if err := s.checker.Check(p.sql, key.database); err != nil {
		p.err = p.explain(err)
	}
	return p
}

const (
	maxPlans = 4096
	// maxPlanSQL is the length over which a statement is not worth its place.
	maxPlanSQL = 16 << 10
)

// plans keeps the plans used last.
type plans struct {
	mu    sync.Mutex // guards the fields below
	byKey map[planKey]*list.Element
	order *list.List // of *plan, the one used last in front
}

func newPlans() *plans { return &plans{byKey: make(map[planKey]*list.Element), order: list.New()} }

func (c *plans) get(key planKey) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*plan) //nolint:forcetypeassert // the list holds nothing else
}

func (c *plans) put(p *plan) {
	if len(p.key.sql) > maxPlanSQL {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[p.key] != nil {
		return
	}
	c.byKey[p.key] = c.order.PushFront(p)
	if c.order.Len() > maxPlans {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byKey, last.Value.(*plan).key) //nolint:forcetypeassert // the list holds nothing else
	}
}
