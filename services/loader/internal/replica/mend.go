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
	var after *partial
	var note schema.Resync
	err := r.check.Mend(r.applier, r.now.table, end, r.result, func() error {
		if after = r.joined(); after != nil && !after.last() {
			return r.book.SaveComparison(r.now.table, after.text())
		}
		note = r.finished(after)
		return errors.Join(r.book.AddResync(note), r.book.SaveComparison(r.now.table, ""))
	})
	if err != nil {
		// A failure within the transaction leaves the book as it was on disk.
		if loadErr := r.book.Load(); loadErr != nil {
			return errors.Join(err, loadErr)
		}
		return err
	}
	r.pub.dirty = true
	if after != nil && !after.last() {
		r.goOn(after)
		delete(r.unsaved, r.now.table)
		return nil
	}
	delete(r.partial, r.now.table)
	delete(r.unsaved, r.now.table)
	r.over()
	return nil
}

// over tells of the comparison at hand and ends it. Where keys were left that changed while they were read again, the table is compared once more.
func (r *reconciler) over() {
	left := r.result.Left
	r.announce(r.result.Report)
	r.drop()
	if left > 0 {
		r.want(wish{table: r.now.table, asked: r.now.asked, notBefore: time.Now().Add(time.Second)})
	}
}

// copyAnew has the whole table copied, where it cannot be mended row by row.
func (r *reconciler) copyAnew(reason string) {
	r.result.Mending = resync.MendedByCopy
	r.toCopy[r.now.table] = reason
	r.notes = append(r.notes, r.finished(r.joined()))
	r.forget(r.now.table)
	r.announce(r.result.Report)
	r.drop()
}

// complete reports the comparison at hand, or goes on with the table's next part.
func (r *reconciler) complete() {
	after := r.joined()
	if after != nil && !after.last() {
		r.goOn(after)
		return
	}
	r.notes = append(r.notes, r.finished(after))
	r.forget(r.now.table)
	r.over()
}

// finished is the note of the comparison at hand, with what its earlier parts found.
func (r *reconciler) finished(parts *partial) schema.Resync {
	o, began := &r.result.Report, r.check.Began
	if parts != nil {
		*o, began = parts.Report, parts.Began
	}
	o.At = time.Now().UTC()
	o.TookSeconds = o.At.Sub(began).Seconds()
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
	if len(r.notes) == 0 && len(r.unsaved) == 0 || !r.applier.Idle() {
		return nil
	}
	err := r.applier.Store(func() error {
		for _, n := range r.notes {
			if err := r.book.AddResync(n); err != nil {
				return err
			}
		}
		for table := range r.unsaved {
			if err := r.book.SaveComparison(table, r.partial[table].text()); err != nil {
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
	clear(r.unsaved)
	r.notes = nil
	return nil
}
