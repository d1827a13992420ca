package replica

import (
	"encoding/json"
	"errors"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/loader/internal/resync"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// mend replaces the rows that differ, at a place where everything is committed.
func (r *reconciler) mend(end *cdcv1.CheckEnd) error {
	var note schema.Resync
	err := r.check.Mend(r.applier, r.now.table, end, r.result, func() error {
		note = r.finished()
		return r.book.AddResync(note)
	})
	if err != nil {
		// A failure within the transaction leaves the book as it was on disk.
		if loadErr := r.book.Load(); loadErr != nil {
			return errors.Join(err, loadErr)
		}
		return err
	}
	r.pub.dirty = true
	left := r.result.Left
	r.announce(r.result.Report)
	r.drop()
	if left > 0 { // they changed while they were read again
		r.want(wish{table: r.now.table, asked: r.now.asked, notBefore: time.Now().Add(time.Second)})
	}
	return nil
}

// copyAnew has the whole table copied, where it cannot be mended row by row.
func (r *reconciler) copyAnew(reason string) {
	r.result.Mending = resync.MendedByCopy
	r.toCopy[r.now.table] = reason
	r.complete()
}

// complete reports the comparison at hand.
func (r *reconciler) complete() {
	note := r.finished()
	r.notes = append(r.notes, note)
	r.announce(r.result.Report)
	r.drop()
}

// finished is the note of the comparison at hand.
func (r *reconciler) finished() schema.Resync {
	o := &r.result.Report
	o.At = time.Now().UTC()
	o.TookSeconds = o.At.Sub(r.check.Began).Seconds()
	return note(*o)
}

func note(report resync.Report) schema.Resync {
	data, err := json.Marshal(report)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return schema.Resync{Source: report.Table, At: report.At, Differing: report.Differing, Report: string(data)}
}

func (r *reconciler) report(report resync.Report) {
	r.notes = append(r.notes, note(report))
	r.announce(report)
}

// announce tells of a report.
func (r *reconciler) announce(report resync.Report) {
	r.last[report.Table] = report
	if report.Error == "" {
		r.metrics.reconciled(r.cfg.Database, report)
	}
	if report.Differing > 0 {
		r.log.Warn("table differed from its source", "table", report.Table, "changed", report.Changed, "lost", report.Lost, "extra", report.Extra,
			"doubled", report.Doubled, "mending", string(report.Mending), "deleted", report.Deleted, "inserted", report.Inserted, "left", report.Left)
	}
}

// store writes notes when no transaction is under way.
func (r *reconciler) store() error {
	if len(r.notes) == 0 || !r.applier.Idle() {
		return nil
	}
	err := r.applier.Store(func() error {
		for _, n := range r.notes {
			if err := r.book.AddResync(n); err != nil {
				return err
			}
		}
		for table, reason := range r.toCopy {
			if t := r.book.Table(table); t != nil && t.Copy == nil {
				t.Ask, t.Stale = reason, reason
				if err := r.book.SaveTable(t); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.pub.dirty = r.pub.dirty || len(r.toCopy) > 0
	clear(r.toCopy)
	r.notes = nil
	return nil
}
