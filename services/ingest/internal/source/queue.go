package source

import (
	"context"
	"slices"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
)

// queue asks for a copy of a table once the stream has got to where the source stands now.
func (c *copies) queue(ctx context.Context, table, reason string) error {
	return c.queueWith(ctx, waitingCopy{table: table, reason: reason})
}

func (c *copies) queueWith(ctx context.Context, w waitingCopy) (err error) {
	if w.after.file, w.after.offset, err = c.r.server.Head(ctx); err != nil {
		return err
	}
	c.add(w)
	return nil
}

// queueNow asks for a copy without waiting for the stream, of a table as it is known, or nil.
func (c *copies) queueNow(table, reason string, known *catalog.Table) {
	c.add(waitingCopy{table: table, reason: reason, known: known})
}

// add queues a copy in place of any other of the table, and a check in place of any other check. Two copies at once would
// each end what both began.
func (c *copies) add(w waitingCopy) {
	c.waiting = slices.DeleteFunc(c.waiting, func(have waitingCopy) bool { return have.table == w.table && (have.check == nil) == (w.check == nil) })
	if w.check == nil {
		c.stopCopy(w.table)
	}
	c.waiting = append(c.waiting, w)
}

// stopCopy gives up the table's copy that is under way, and returns false where none was being read.
func (c *copies) stopCopy(table string) (stopped bool) {
	c.pending = slices.DeleteFunc(c.pending, func(p *copying) bool { return p.table == table && p.check == nil })
	for _, job := range c.active {
		if job.table == table && job.check == nil && !job.stopped {
			job.stopped = true
			c.r.metrics.copyOver(c.r.cfg.ID, table)
			job.cancel()
			stopped = true
		}
	}
	return stopped
}

// stop gives up a table's copy or check, under way or waiting.
func (c *copies) stop(table string) {
	c.stopCheck(table, "the table changed")
	c.waiting = slices.DeleteFunc(c.waiting, func(w waitingCopy) bool { return w.table == table })
	c.stopCopy(table)
}

// cancel gives up the copies of these tables, under way or waiting, where readers have the table without; it returns of which. Once it has returned they
// stay given up, whatever ends.
func (c *copies) cancel(ctx context.Context, names []string) (cancelled []string, err error) {
	for _, name := range names {
		t := c.r.tables[name]
		if !t.spareable() {
			continue
		}
		n := len(c.waiting)
		c.waiting = slices.DeleteFunc(c.waiting, func(w waitingCopy) bool { return w.table == name && w.check == nil })
		begun := t.phase == cdcv1.TableState_PHASE_COPYING
		if !begun && len(c.waiting) == n && !c.stopCopy(name) {
			continue
		}
		if begun {
			c.stopCopy(name)
			if err := c.r.writer.CopyVoid(ctx, name, t.copyID, "cancelled"); err != nil {
				return cancelled, err
			}
			t.phase, t.resume, t.rowsSent, t.reason, t.spare, t.copying = cdcv1.TableState_PHASE_STREAMING, nil, 0, "", false, nil
		}
		delete(c.retries, name)
		cancelled = append(cancelled, name)
	}
	c.r.countTables()
	return cancelled, c.r.writer.Stored(ctx)
}

// advance starts the copies that there are connections for, and completes those that the stream has caught up with.
func (c *copies) advance(ctx context.Context) error {
	if err := c.passed(ctx); err != nil {
		return err
	}
	if err := c.tellVoided(ctx); err != nil {
		return err
	}
	c.giveWay()
	for !*c.paused {
		i := slices.IndexFunc(c.waiting, c.ready)
		if i < 0 || !c.bounds.Take() {
			return nil
		}
		c.start(ctx, i)
	}
	return nil
}

// start hands a waiting copy to a reader.
func (c *copies) start(ctx context.Context, i int) {
	w := c.waiting[i]
	c.waiting = slices.Delete(c.waiting, i, i+1)
	jobCtx, cancel := context.WithCancel(ctx)
	job := &copying{
		table: w.table, reason: w.reason, started: time.Now(), ctx: jobCtx, cancel: cancel,
		begun: make(chan beginning, 1), held: make(chan binlog.Position, 1), check: w.check, slowly: w.slowly, refused: w.refused, known: w.known,
	}
	c.active = append(c.active, job)
	c.jobs <- job
}

// ready says that a waiting copy may begin. No table is read twice at once, and a check is read alone.
func (c *copies) ready(w waitingCopy) bool {
	busy := func(job *copying) bool { return w.check != nil || job.check != nil || job.table == w.table }
	return !slices.ContainsFunc(c.active, busy) && c.due(w)
}

// due says that the time of a waiting copy has come.
func (c *copies) due(w waitingCopy) bool {
	return (w.after == place{} || c.reached(w.after)) && !time.Now().Before(w.notBefore)
}
