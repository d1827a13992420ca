package replica

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chittihq/duckling/services/loader/internal/resync"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// A table whose key sorts alike on both sides is compared in parts, one after the other: each is a check of its own, with a beginning and an end
// in the stream, and is mended before the next begins. What is collected at once is bounded by a part, other tables get their turn
// between two, and what is done is not done again after a restart.

// partial is how far the comparison of a table got.
type partial struct {
	// Definition is the fingerprint of what its parts were compared by.
	Definition uint64     `json:"definition"`
	End        resync.End `json:"end"`
	Began      time.Time  `json:"began"`
	Asked      bool       `json:"asked,omitempty"`
	// Chunks is how many the source sent, Report what the parts found together.
	Chunks int           `json:"chunks"`
	Report resync.Report `json:"report"`
}

// last is true once the table's end was reached.
func (p *partial) last() bool { return len(p.End.Mark) == 0 }

// text is what the book keeps; nil is forgotten.
func (p *partial) text() string {
	if p == nil {
		return ""
	}
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return string(data)
}

// loadPartial goes on with comparisons of an earlier session.
func (r *reconciler) loadPartial() error {
	states, err := r.book.Comparisons()
	if err != nil {
		return err
	}
	for table, state := range states {
		p := new(partial)
		if err := json.Unmarshal([]byte(state), p); err != nil {
			return fmt.Errorf("reading how far the comparison of table %q got: %w", table, err)
		}
		r.partial[table] = p
		r.want(wish{table: table, asked: p.Asked})
	}
	return nil
}

// forget has the next comparison of a table begin at its beginning.
func (r *reconciler) forget(table string) {
	if r.partial[table] != nil {
		delete(r.partial, table)
		r.unsaved[table] = true
	}
}

// partFrom is where the next part of a table goes on from. Parts that were compared by other columns are forgotten.
func (r *reconciler) partFrom(t *schema.Table) resync.End {
	p := r.partial[t.Source]
	switch {
	case p == nil:
		return resync.End{}
	case p.Definition != t.Live.GetFingerprint():
		r.log.Debug("comparison begins anew, the table's columns have changed", "table", t.Source)
		r.forget(t.Source)
		return resync.End{}
	}
	return p.End
}

// joined is the comparison at hand together with its earlier parts; nil for a table that is compared as a whole.
func (r *reconciler) joined() *partial {
	before, end := r.partial[r.now.table], r.check.End()
	if before == nil && len(end.Mark) == 0 {
		return nil
	}
	after := &partial{Definition: r.check.Definition(), Began: r.check.Began, Report: resync.Report{Table: r.now.table}}
	if before != nil {
		*after = *before
	}
	after.Report.Add(&r.result.Report, after.Chunks)
	after.Report.Asked = after.Asked || r.now.asked
	after.End, after.Asked, after.Chunks = end, after.Report.Asked, after.Chunks+r.check.Chunks()
	return after
}

// goOn has the table's next part compared when its turn has come.
func (r *reconciler) goOn(after *partial) {
	table := r.now.table
	r.partial[table], r.unsaved[table] = after, true
	r.log.Debug("part of a table compared", "table", table, "parts", after.Report.Parts, "rows", after.Report.SourceRows, "differing", after.Report.Differing)
	r.drop()
	r.want(wish{table: table, asked: after.Asked})
}
