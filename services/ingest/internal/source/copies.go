package source

import (
	"context"
	"slices"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

// copies reads tables beside the stream, as many at once as there are connections for; a table that is large takes those that are
// free. All fields belong to the loop; the goroutines that read send what they have as steps and wait where they need an answer.
type copies struct {
	r       *run
	steps   chan step
	jobs    chan *copying
	bounds  *snapshot.Bounds
	waiting []waitingCopy
	// active are being read, and those that were stopped until their reader has noticed.
	active []*copying
	// copyPace and resyncPace bound how fast rows are read by all together.
	copyPace, resyncPace *pace
	// pending are copies with a place that the stream has not passed yet.
	pending []*copying
	paused  *bool // only the loop of the run under way uses it
	retries map[string]int
	// holding: a copy holds the stream, and holds are those that wait to.
	holding bool
	holds   []*copying
	// voided are checks that ended without a result, to be told.
	voided []*copying
}

type waitingCopy struct {
	table  string
	reason string
	// after is where the stream must have got to: where the source stood when the copy was asked for. Until then the
	// stream may still bring a change of the table's definition that the schema has already.
	after place
	// notBefore spares the source a copy that keeps failing.
	notBefore time.Time
	// slowly keeps to the rate of periodic work.
	slowly bool
	check  *checking // nil for a copy
	// known is the table as it was when the run began, where the stream has told of no change since; nil is to be read.
	known *catalog.Table
	// refused is the mark of the row for whose sake the last copy was refused, to be looked at first.
	refused []byte
}

// place is a point in the server's binlog.
type place struct {
	file   string
	offset uint64
}

// copying is one copy of one table.
type copying struct {
	table  string
	reason string
	id     uint64
	begun  chan beginning       // answers described
	held   chan binlog.Position // answers the wish to hold the stream with where it stands
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // a job handed to another goroutine, which ends with it

	slowly bool
	check  *checking // nil for a copy
	// refused is that of waitingCopy.
	refused []byte

	known    *catalog.Table // nil until it has been read
	started  time.Time
	sent     uint64
	stopped  bool
	cut, end *place
}

// beginning tells the reader where its copy begins.
type beginning struct {
	position   binlog.Position
	definition *cdcv1.TableDefinition
	resume     []byte
}

func (c *copies) init(r *run, paused *bool) {
	n := max(r.cfg.CopyConnections, 1)
	c.r, c.paused, c.steps, c.jobs, c.retries = r, paused, make(chan step), make(chan *copying, n), map[string]int{}
	c.bounds, c.copyPace, c.resyncPace = snapshot.NewBounds(n), newPace(r.cfg.CopyRate), newPace(r.cfg.ResyncRate)
}

func (c *copies) reached(p place) bool { return c.r.position.Reached(p.file, p.offset) }

// passed sends the marks whose place the stream has just got to, before anything later.
func (c *copies) passed(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	for _, p := range slices.Clone(c.pending) {
		if p.cut != nil && c.reached(*p.cut) {
			if err := c.r.writer.CopyCut(ctx, p.table, p.id); err != nil {
				return err
			}
			p.cut = nil
		}
		if p.end == nil || !c.reached(*p.end) {
			continue
		}
		finish := c.finish
		if p.check != nil {
			finish = c.finishCheck
		}
		if err := finish(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (c *copies) finish(ctx context.Context, p *copying) error {
	if err := c.r.writer.CopyEnd(ctx, p.table, p.id, p.sent); err != nil {
		return err
	}
	c.pending = slices.DeleteFunc(c.pending, func(x *copying) bool { return x == p })
	t := c.r.tables[p.table]
	t.phase, t.resume, t.reason, t.spare, t.copying = cdcv1.TableState_PHASE_STREAMING, nil, "", false, nil
	delete(c.retries, p.table)
	c.r.countTables()
	c.r.metrics.copyOver(c.r.cfg.ID, p.table)
	c.r.log.InfoContext(ctx, "table copied", "table", p.table, "rows", p.sent, "took", time.Since(p.started).Round(time.Millisecond).String())
	return nil
}

// takeOne takes a step if one is waiting, so that a busy stream does not keep copies from going on.
func (c *copies) takeOne(ctx context.Context) error {
	select {
	case s := <-c.steps:
		return c.take(ctx, s)
	default:
		return nil
	}
}

// take handles what the reader of a copy sent.
func (c *copies) take(ctx context.Context, s step) error {
	job := s.job
	if s.over {
		same := func(x *copying) bool { return x == job }
		c.active, c.holds = slices.DeleteFunc(c.active, same), slices.DeleteFunc(c.holds, same)
		job.cancel()
	}
	switch {
	case job.stopped:
		return nil
	case s.err != nil:
		return c.failed(ctx, job, s.err)
	case s.described && job.check != nil:
		return c.beginCheck(ctx, job, s.known)
	case s.described:
		return c.begin(ctx, job, s.known)
	case s.hold:
		return c.hold(ctx, job)
	case s.frozen:
		job.cut = s.at
		c.pending = append(c.pending, job)
		return c.passed(ctx)
	case s.chunk != nil:
		return c.chunk(ctx, job, s.chunk)
	case s.piece != nil:
		return c.piece(ctx, job, s)
	case s.over:
		job.end = s.at
		if !slices.Contains(c.pending, job) {
			c.pending = append(c.pending, job)
		}
		return c.advance(ctx)
	}
	return nil
}

// begin sends the copy's beginning, or finds that there is nothing to copy.
func (c *copies) begin(ctx context.Context, job *copying, known *catalog.Table) error {
	r := c.r
	if known == nil { // gone; the stream will say so, if it has not
		job.stopped = true
		job.cancel()
		t := r.tables[job.table]
		if t != nil && t.phase == cdcv1.TableState_PHASE_QUARANTINED { // its drop was held back until now, or is part of another table's change
			event := r.dropped(t)
			r.tables.apply(event)
			return r.writer.Event(ctx, event, "drop", t.name, r.position)
		}
		if t != nil && t.phase == cdcv1.TableState_PHASE_QUEUED {
			delete(r.tables, job.table)
		}
		return nil
	}
	if known.Unsupported != nil {
		job.stopped = true
		job.cancel()
		return c.leaveOut(ctx, known)
	}
	t := r.tables[job.table]
	if t == nil {
		t = &table{name: job.table}
		r.tables[job.table] = t
	}
	def := known.Definition()
	job.known = known
	if t.phase == cdcv1.TableState_PHASE_COPYING && len(known.Key) > 0 && (t.rowsSent == 0 || len(t.resume) > 0) && t.fingerprint == def.GetFingerprint() {
		// Begun by an earlier run; its rows were read after where that began, as these are.
		job.id, job.sent = t.copyID, t.rowsSent
		t.learn(known)
		t.copying = job
		r.metrics.copying(r.cfg.ID, t.name, job.sent, max(known.Rows, job.sent))
		job.begun <- beginning{position: c.visible(), definition: def, resume: t.resume}
		return nil
	}
	job.id = r.nextCopyID
	r.nextCopyID++
	freeze := t.phase == cdcv1.TableState_PHASE_QUARANTINED || t.followed() && t.fingerprint != def.GetFingerprint()
	err := r.writer.CopyBegin(ctx, &cdcv1.CopyBegin{
		Table: t.name, CopyId: job.id, Definition: def, Freeze: freeze, Reason: job.reason,
	})
	if err != nil {
		return err
	}
	t.spare = !freeze && t.spareable()
	t.phase, t.copyID, t.resume, t.rowsSent, t.reason = cdcv1.TableState_PHASE_COPYING, job.id, nil, 0, job.reason
	t.follow(known, def)
	t.copying = job
	r.forgetViews()
	r.countTables()
	job.begun <- beginning{position: c.visible(), definition: def}
	return nil
}

// visible is the place that a copy's reads must include. The set is copied, for the loop's own goes on growing.
func (c *copies) visible() binlog.Position {
	p := c.r.position
	p.GTIDs = p.GTIDs.Clone()
	return p
}

func (c *copies) leaveOut(ctx context.Context, known *catalog.Table) error {
	reason := known.Unsupported.Error()
	event := &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: known.Name, Reason: reason}
	if t := c.r.tables[known.Name]; t != nil && t.phase == cdcv1.TableState_PHASE_QUARANTINED && t.reason == reason {
		return nil
	}
	c.r.log.WarnContext(ctx, "table is left out", "table", known.Name, "reason", reason)
	c.r.tables.apply(event)
	c.r.forgetViews()
	return c.r.writer.Event(ctx, event, "quarantine", known.Name, c.r.position)
}

// hold keeps the stream from moving while a snapshot is taken, so that the stream cannot be past its place. What other copies
// send meanwhile moves nothing; another that wishes to hold the stream does so afterwards.
func (c *copies) hold(ctx context.Context, job *copying) error {
	if c.holding {
		c.holds = append(c.holds, job)
		return nil
	}
	if err := c.r.writer.Flush(ctx); err != nil {
		return err
	}
	c.holding = true
	job.held <- c.visible()
	for c.holding {
		select {
		case s := <-c.steps:
			c.holding = s.job != job || !s.frozen && !s.over
			if err := c.take(ctx, s); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(c.holds) == 0 {
		return nil
	}
	next := c.holds[0]
	c.holds = c.holds[1:]
	return c.hold(ctx, next)
}

func (c *copies) piece(ctx context.Context, job *copying, s step) error {
	n := uint64(s.piece.Rows.Len())
	job.sent += n
	estimated := max(job.known.Rows, job.sent)
	c.r.metrics.copying(c.r.cfg.ID, job.table, job.sent, estimated)
	if err := c.r.writer.CopyRows(ctx, job.id, *s.piece, job.sent, estimated); err != nil {
		return err
	}
	t := c.r.tables[job.table]
	t.resume, t.rowsSent = s.piece.Resume, job.sent
	c.r.metrics.copied(c.r.cfg.ID, job.table, n, s.piece.Rows.Size(), s.piece.Undated)
	return nil
}
