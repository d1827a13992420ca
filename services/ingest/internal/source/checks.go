package source

import (
	"context"
	"fmt"
	"slices"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

// A check is a copy that sends hashes of rows. It is read as a copy is, but alone and on one connection, at a bounded rate, and without a
// lock also where there is no key. It changes nothing about the table, is not in State, and ends with this run: the loader, which asked for it, asks
// again. Afterwards the loader may ask for the rows of some of its chunks.

// checking makes a check of a copying.
type checking struct {
	// id is given at the beginning; of rows asked for it is that of their check.
	id     uint64
	reload bool
	ranges []snapshot.Range
	// after is where a part begins, rows about how many it has, end where it ended; nil at the table's end.
	after []byte
	rows  int
	end   *snapshot.End
	void  string // why it ended without a result
}

// mostRanges bounds what may be asked for at once.
const mostRanges = 1000

// askCheck queues a check, or the reading of rows of one.
func (c *copies) askCheck(ctx context.Context, q ControlRequest) error {
	t := c.r.tables[q.Table]
	switch {
	case t == nil:
		return &bus.ControlError{Code: "unknown_table", Message: fmt.Sprintf("table %q is not followed", q.Table)}
	case t.phase != cdcv1.TableState_PHASE_STREAMING:
		return &bus.ControlError{Code: "unavailable", Message: fmt.Sprintf("table %q is %s and cannot be compared now", q.Table, phaseNames[t.phase])}
	case len(q.Ranges) > mostRanges:
		return &bus.ControlError{Code: "bad_request", Message: fmt.Sprintf("%d ranges were asked for, more than %d", len(q.Ranges), mostRanges)}
	}
	check := &checking{after: q.After, rows: q.Rows}
	if q.Op == "reload" {
		check.id, check.reload, check.ranges = q.Check, true, q.Ranges
	} else {
		c.stopCheck(q.Table, "")
	}
	return c.queueWith(ctx, waitingCopy{table: q.Table, check: check})
}

// stopCheck gives up the checks of a table, under way or waiting. With an empty reason the loader is not told, for it wanted so.
func (c *copies) stopCheck(table, reason string) {
	for _, w := range slices.Clone(c.waiting) {
		if w.table == table && w.check != nil {
			c.waiting = slices.DeleteFunc(c.waiting, func(x waitingCopy) bool { return x.check == w.check })
			c.void(&copying{table: table, check: w.check, cancel: func() {}}, reason)
		}
	}
	for _, p := range slices.Clone(c.pending) {
		if p.table == table && p.check != nil {
			c.void(p, reason)
		}
	}
	for _, job := range c.active {
		if job.table == table && job.check != nil {
			c.void(job, reason)
		}
	}
}

// giveWay ends the check under way when a copy waits, which somebody needs more.
func (c *copies) giveWay() {
	for _, job := range c.active {
		if job.check != nil && slices.ContainsFunc(c.waiting, func(w waitingCopy) bool { return w.check == nil && c.due(w) }) {
			c.void(job, "a copy came first")
		}
	}
}

// void ends a check without a result. The loader is told as soon as nothing is amid a transaction.
func (c *copies) void(job *copying, reason string) {
	if job.stopped {
		return
	}
	job.stopped, job.check.void = true, reason
	job.cancel()
	c.pending = slices.DeleteFunc(c.pending, func(p *copying) bool { return p == job })
	if reason == "" {
		return
	}
	if job.check.id == 0 { // before it began
		job.check.id = c.r.nextCopyID
		c.r.nextCopyID++
	}
	c.voided = append(c.voided, job)
}

func (c *copies) tellVoided(ctx context.Context) error {
	for _, job := range c.voided {
		err := c.r.writer.CheckEnd(ctx, &cdcv1.CheckEnd{Table: job.table, CheckId: job.check.id, Reload: job.check.reload, Void: job.check.void})
		if err != nil {
			return err
		}
	}
	c.voided = nil
	return nil
}

// beginCheck sends the check's beginning, unless its rows are not what the stream's are.
func (c *copies) beginCheck(ctx context.Context, job *copying, known *catalog.Table) error {
	r := c.r
	t := r.tables[job.table]
	if job.check.id == 0 {
		job.check.id = r.nextCopyID
		r.nextCopyID++
	}
	if known == nil || known.Unsupported != nil || t == nil || t.phase != cdcv1.TableState_PHASE_STREAMING || known.Definition().GetFingerprint() != t.fingerprint {
		c.void(job, "the table is being changed or copied")
		return c.tellVoided(ctx)
	}
	job.known = known
	def := known.Definition()
	if !job.check.reload {
		if known.Ordered() == 0 {
			job.check.after = nil // the key is another than it was
		}
		err := r.writer.CheckBegin(ctx, &cdcv1.CheckBegin{Table: job.table, CheckId: job.check.id, Definition: def.GetFingerprint(), After: job.check.after})
		if err != nil {
			return err
		}
	}
	job.begun <- beginning{position: c.visible(), definition: def}
	return nil
}

// readCheck reads the rows of a check, or those that were asked for.
func (c *copies) readCheck(ctx context.Context, job *copying, table *snapshot.Copy, begin beginning) (*place, error) {
	n := uint32(0)
	emit := func(p snapshot.Piece) error {
		if err := c.keepPace(ctx, job, p.Rows.Len()); err != nil {
			return err
		}
		chunk, err := hashed(job, p, begin.definition, n)
		if err != nil {
			return err
		}
		n++
		return c.send(ctx, step{job: job, chunk: chunk})
	}
	var err error
	switch {
	case job.check.reload:
		err = table.Ranges(ctx, begin.position, job.check.ranges, emit)
	case len(table.Table.Key) > 0:
		job.check.end, err = table.Part(ctx, begin.position, job.check.after, job.check.rows, emit)
	default:
		err = table.Whole(ctx, begin.position, emit)
	}
	if err != nil {
		return nil, err
	}
	return c.head(ctx, table.Table, table.Table.Transactional)
}

// hashed makes a chunk of a piece.
func hashed(job *copying, p snapshot.Piece, def *cdcv1.TableDefinition, n uint32) (*publish.Chunk, error) {
	rows := &cdcv1.CheckRows{CheckId: job.check.id, Chunk: n, Mark: p.Resume}
	chunk := &publish.Chunk{Rows: rows, Count: p.Rows.Len()}
	m := p.Rows.Message()
	if job.check.reload {
		rows.Rows = m
		return chunk, nil
	}
	view, err := frame.View(m, def)
	if err != nil {
		return nil, err
	}
	rows.Values = view.Sums(nil).Pack()
	if len(def.GetKey()) > 0 {
		rows.Keys = view.KeySums().Pack()
		rows.LastKey = view.KeyText(view.Rows - 1)
	}
	return chunk, nil
}

func (c *copies) chunk(ctx context.Context, job *copying, chunk *publish.Chunk) error {
	job.sent += uint64(chunk.Count)
	chunk.Rows.RowsSent, chunk.Rows.RowsEstimated = job.sent, max(job.known.Rows, job.sent)
	return c.r.writer.CheckRows(ctx, chunk.Rows)
}

func (c *copies) finishCheck(ctx context.Context, p *copying) error {
	c.pending = slices.DeleteFunc(c.pending, func(x *copying) bool { return x == p })
	m := &cdcv1.CheckEnd{Table: p.table, CheckId: p.check.id, Rows: p.sent, Reload: p.check.reload}
	if end := p.check.end; end != nil {
		m.Mark, m.Bound = end.Mark, end.Bound
	}
	return c.r.writer.CheckEnd(ctx, m)
}
