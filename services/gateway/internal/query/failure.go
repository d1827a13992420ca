package query

import (
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// A fault of DuckDB's own makes it give up the instance in which it happened, the one of all clients: whatever they ask is refused from then on. The
// generation is opened anew at once, in another instance. The statement itself has failed; others have not, and run there.

// instance is the generation in which the statement runs.
func (t *ticket) instance() *reader.Generation {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.anew != nil {
		return t.anew
	}
	return t.generation
}

// renew has the statement run in the generation opened anew, if it was. It is called once at most.
func (t *ticket) renew() bool {
	g := t.generation.Renew()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.anew = g
	return g != nil
}

// failed sees to it that nobody else suffers from what DuckDB says of itself, and returns what the client is told.
func (t *ticket) failed(err error) error {
	if g := t.instance().Renew(); g != nil {
		g.Release()
		t.wear()
	}
	if duck.GivenUp(err) {
		return &Error{Code: CodeNotReady, Message: "DuckDB failed in another statement and was started anew; ask again", RetryAfter: patience}
	}
	t.service.log.Error("DuckDB failed in a statement", "statement", t.id, "database", t.generation.Database, "sql", shortened(t.statement.SQL), "error", err)
	return Explain(err)
}

// wear looks at how often the generation was opened.
func (t *ticket) wear() {
	if t.generation.Instances() > maxInstances {
		t.service.worn.Store(true)
	}
}
