package source

import (
	"context"
	"maps"
	"slices"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// maxPrepared bounds the bytes of rows kept for XA transactions that have not ended.
const maxPrepared = 64 << 20

// prepared is an XA transaction whose first phase was logged: its rows, kept until they stand or fall.
//
// Where the source has MySQL's GTIDs the position leaves that of the first phase out until the end is read, so that a run
// that resumes in between is sent the rows again. Elsewhere it is not, and finds an end without rows.
type prepared struct {
	events []*binlog.Event
	bytes  int
	gtid   binlog.GTID
	// touched are the tables of rows that were too many to keep, or may not stand: at the commit they are to be
	// copied anew.
	touched map[string]bool
}

// forgetRows drops the gathered rows of an XA transaction that is too large to be kept, but not their tables.
func (r *run) forgetRows() {
	maps.Copy(r.touched, r.allTouched())
	r.dropGathered()
}

func (r *run) dropGathered() {
	for _, e := range r.transaction {
		r.reader.Done(e)
	}
	clear(r.transaction)
	r.transaction = r.transaction[:0]
}

// prepare keeps the gathered rows until the XA transaction ends.
func (r *run) prepare(ctx context.Context, e *binlog.Event) error {
	kept := 0
	for _, p := range r.prepared {
		kept += p.bytes
	}
	if e.Undone || len(r.touched) > 0 || kept+r.gathered > maxPrepared {
		r.forgetRows()
	}
	p := &prepared{events: slices.Clone(r.transaction), bytes: r.gathered, gtid: e.GTID, touched: maps.Clone(r.touched)}
	r.prepared[e.Prepared] = p
	r.dropGathered()
	r.gathered = 0
	clear(r.touched)
	if r.resends() {
		r.position.File, r.position.Offset, r.position.CommitTime = e.File, e.Offset, e.CommitTime
		r.status.reached(r.position)
	} else {
		r.reach(e)
	}
	r.writer.Moved(r.position)
	return r.copies.passed(ctx)
}

// resends says that the source can be asked for a transaction again though later ones were read.
func (r *run) resends() bool { return r.server.Flavor == binlog.MySQL && r.position.GTIDs != nil }

// complete takes the rows of the XA transaction that ends with e, if one does, as those of the transaction under way.
func (r *run) complete(e *binlog.Event) error {
	xid := e.Commits + e.Undoes
	if xid == "" {
		return nil
	}
	p := r.prepared[xid]
	if p == nil {
		if e.Undoes != "" {
			return nil
		}
		var followed []string
		for _, name := range r.tables.names() {
			if r.tables[name].followed() {
				followed = append(followed, name)
			}
		}
		if followed == nil {
			return nil
		}
		return &condemnedError{tables: followed, reason: "an XA transaction was committed whose rows were logged before this run began"}
	}
	if e.Commits != "" {
		r.touched = p.touched
		if err := r.condemnTouched("an XA transaction was too large to keep until its commit, or part of it was taken back"); err != nil {
			return err
		}
		r.transaction = append(r.transaction, p.events...)
	}
	delete(r.prepared, xid)
	if r.resends() && p.gtid.Valid() {
		r.position.GTIDs.Add(p.gtid)
	}
	return nil
}
