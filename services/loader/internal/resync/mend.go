package resync

import (
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

const (
	// mostMended and mostReloaded bound the keys that are mended one by one and the chunks that are read again for it. Where more
	// differ the table is copied again.
	mostMended   = 20_000
	mostReloaded = 100
)

// Mark is a part of the table between two of ingest's marks.
type Mark struct {
	After []byte `json:"after,omitempty"`
	Upto  []byte `json:"upto,omitempty"`
}

// Mendable is true when the keys that differ can be mended by themselves.
func (c *Check) Mendable(o *Outcome) bool {
	if len(c.def.GetKey()) == 0 || o.Differing > mostMended || len(o.Chunks) > mostReloaded {
		return false
	}
	for _, n := range o.Chunks {
		if len(c.chunks[n].mark) == 0 || n > 0 && len(c.chunks[n-1].mark) == 0 {
			return false
		}
	}
	return true
}

// Marks are the chunks whose rows Mend needs, and prepares to take them.
func (c *Check) Marks(o *Outcome) ([]Mark, error) {
	const name = schema.Reserved + "reload"
	if err := c.collect.Exec(schema.CreateTable("CREATE TABLE", scratch+".main."+name, sum+" UBIGINT, ", c.def)); err != nil {
		return nil, fmt.Errorf("preparing to mend a table: %w", err)
	}
	var err error
	if c.reload, err = c.collect.NewAppender(scratch, "main", name); err != nil {
		return nil, err
	}
	marks := make([]Mark, len(o.Chunks))
	for i, n := range o.Chunks {
		marks[i].After, marks[i].Upto = c.firstMark, c.chunks[n].mark
		if n > 0 {
			marks[i].After = c.chunks[n-1].mark
		}
	}
	return marks, nil
}

// Mend replaces what differs by the rows that came. It is called at the end of the rows asked for, when everything before it is committed.
// A row that was read again is the source's as long as the stream brought no change of its key since the check began; the
// others are left as they are, and counted. note is run in the same transaction, with the report as it will be.
func (c *Check) Mend(a *apply.Applier, source string, end *cdcv1.CheckEnd, o *Outcome, note func() error) error {
	if int64(end.GetRows()) != c.reloaded {
		return fmt.Errorf("%d rows were to come and %d did", end.GetRows(), c.reloaded)
	}
	if err := c.changed.Flush(); err != nil {
		return err
	}
	if err := c.reload.Flush(); err != nil {
		return err
	}
	q := query{ctx: duck.Uncancelled, conn: c.collect}
	o.Left = q.number(fmt.Sprintf("SELECT count(*) FROM %[1]s.keys WHERE k IN (SELECT k FROM %[1]s.changed)", scratch))
	c.nameLost(&q, o)
	if q.err != nil {
		return fmt.Errorf("describing what is mended: %w", q.err)
	}
	unchanged := fmt.Sprintf("%[1]s NOT IN (SELECT k FROM %[2]s.changed)", sum, scratch)
	wrong := fmt.Sprintf("SELECT %s FROM (%s) WHERE %s", schema.Key(c.def, ""), c.wrongKeys(), unchanged)
	right := fmt.Sprintf("SELECT %s FROM %s.%sreload WHERE %s AND %s IN (SELECT k FROM %s.keys)", schema.Columns(c.def, ""), scratch, schema.Reserved, unchanged, sum, scratch)
	o.Mending = MendedByRows
	return a.Mend(source, wrong, right, func(deleted, inserted int64) error {
		o.Deleted, o.Inserted = deleted, inserted
		return note()
	})
}

// nameLost gives findings of rows that DuckDB did not have their keys.
func (c *Check) nameLost(q *query, o *Outcome) {
	for i := range o.Findings {
		if f := &o.Findings[i]; f.Key == "" {
			q.each(fmt.Sprintf("SELECT %s FROM %s.%sreload WHERE %s = %d", text(c.def), scratch, schema.Reserved, sum, f.sum), func(chunk *duck.Chunk, i int) {
				f.Key = string(chunk.Column(0).Bytes(i))
			})
		}
	}
}
