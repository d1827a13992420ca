package replica

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/resync"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

const (
	// checkTries is how often a comparison that came to nothing is tried again, checkPause how long after the first time.
	checkTries    = 8
	checkPause    = 250 * time.Millisecond
	checkPauseMax = 30 * time.Second
	// beginWithin is how long ingest may take to begin what it agreed to before it is asked again; it may be copying tables.
	beginWithin = time.Minute
)

// stage is how far the comparison under way is.
type stage string

const (
	resting   stage = ""
	asked     stage = "asked"     // ingest is to begin
	reading   stage = "reading"   // hashes of the source come
	comparing stage = "comparing" // DuckDB's side is read and joined
	mending   stage = "mending"   // rows that differ come again
)

// reconciler compares tables with their source, one after the other, and has what differs mended. It belongs to the session's loop: a
// comparison that fails is tried again and never stops the stream.
type reconciler struct {
	*session
	wishes []wish
	now    wish // the table at hand
	stage  stage
	since  time.Time // when ingest was asked last
	check  *resync.Check
	cancel context.CancelFunc // of comparing
	result *resync.Outcome

	compared chan compared
	replies  chan answer // of ingest, refusals only

	// partial is how far comparisons got that are made in parts, unsaved the tables of which the file does not know it yet.
	partial map[string]*partial
	unsaved map[string]bool
	// last are the newest reports, rebuilt when tables were copied as a whole.
	last        map[string]resync.Report
	rebuilt     map[string]time.Time
	rebuildAsks map[string]time.Time
	// notes, and tables to be copied, wait for a moment at which they can be stored.
	notes  []schema.Resync
	toCopy map[string]string
}

// wish is a table that is to be compared.
type wish struct {
	table string
	// asked is true when somebody wants it now.
	asked     bool
	tries     int
	notBefore time.Time
}

type compared struct {
	outcome *resync.Outcome
	err     error
}

func newReconciler(s *session) (*reconciler, error) {
	r := &reconciler{
		session: s, compared: make(chan compared, 1), replies: make(chan answer, 16),
		last: map[string]resync.Report{}, rebuilt: map[string]time.Time{}, rebuildAsks: map[string]time.Time{}, toCopy: map[string]string{},
		partial: map[string]*partial{}, unsaved: map[string]bool{},
	}
	notes, err := s.book.Resyncs()
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		if n.Rebuilt {
			r.rebuilt[n.Source] = n.At
			continue
		}
		var report resync.Report
		if err := json.Unmarshal([]byte(n.Report), &report); err != nil {
			return nil, fmt.Errorf("reading the report on table %q: %w", n.Source, err)
		}
		r.last[n.Source] = report
	}
	return r, r.loadPartial()
}

// want queues a table, unless it waits already.
func (r *reconciler) want(w wish) {
	if r.stage != resting && r.now.table == w.table {
		r.now.asked = r.now.asked || w.asked
		return
	}
	if i := slices.IndexFunc(r.wishes, func(x wish) bool { return x.table == w.table }); i >= 0 {
		w.asked = w.asked || r.wishes[i].asked
		r.wishes = slices.Delete(r.wishes, i, i+1)
	}
	if !w.asked {
		r.wishes = append(r.wishes, w)
		return
	}
	after := slices.IndexFunc(r.wishes, func(x wish) bool { return !x.asked })
	if after < 0 {
		after = len(r.wishes)
	}
	r.wishes = slices.Insert(r.wishes, after, w)
}

// chores begin what is due.
func (r *reconciler) chores(ctx context.Context) {
	r.schedule(ctx)
	if r.stage == asked && time.Since(r.since) > beginWithin {
		r.ask(ctx)
	}
	r.next(ctx)
}

// next begins with the next table when there is one and none is at hand.
func (r *reconciler) next(ctx context.Context) {
	if r.stage != resting || len(r.wishes) == 0 {
		return
	}
	if !r.wishes[0].asked && r.rebuild(ctx) { // comparisons that are always due must not keep it from coming
		return
	}
	i := slices.IndexFunc(r.wishes, func(w wish) bool { return !time.Now().Before(w.notBefore) && !r.unsaved[w.table] })
	if i < 0 {
		return
	}
	r.now = r.wishes[i]
	r.wishes = slices.Delete(r.wishes, i, i+1)
	t := r.book.Table(r.now.table)
	switch {
	case t == nil:
		r.forget(r.now.table)
		return
	case t.Live == nil, t.Frozen, t.Copy != nil, t.Ask != "", r.toCopy[t.Source] != "":
		r.again("it is being copied")
		return
	}
	r.partFrom(t) // the request tells it
	r.ask(ctx)
}

// ask has ingest begin.
func (r *reconciler) ask(ctx context.Context) {
	r.stage, r.since = asked, time.Now()
	c := command{Op: "check", Table: r.now.table, Rows: r.cfg.CheckRows}
	if p := r.partial[r.now.table]; p != nil {
		c.After = p.End.Mark
	}
	r.request(ctx, r.now.table, c)
}

// request asks ingest for something about a table.
func (r *reconciler) request(ctx context.Context, table string, c any) {
	go func() {
		data, err := json.Marshal(c)
		if err == nil {
			_, err = r.bus.Request(ctx, bus.IngestControl(r.cfg.Database), data)
		}
		if err == nil {
			return
		}
		select {
		case r.replies <- answer{table, err}:
		case <-ctx.Done():
		}
	}()
}

// refused takes ingest's refusal.
func (r *reconciler) refused(a answer) {
	var refusal *bus.ControlError
	err := a.err
	switch {
	case r.stage == resting || a.table != r.now.table:
		r.log.Debug("ingest refused a request", "table", a.table, "error", err)
	case r.stage == asked && (errors.Is(err, bus.ErrNoResponders) || errors.Is(err, bus.ErrDisconnected)):
		r.since = time.Now().Add(2*time.Second - beginWithin) // it is asked again soon after it can be back
	case errors.As(err, &refusal) && refusal.Code == "bad_request":
		r.now.tries = checkTries // an ingest of an older release
		r.again(refusal.Error())
	default:
		r.again(err.Error())
	}
}

// again drops the comparison at hand and tries it later, or reports that it cannot be had.
func (r *reconciler) again(reason string) {
	r.drop()
	w := r.now
	if w.tries++; w.tries > checkTries {
		r.log.Warn("table cannot be compared with its source", "table", w.table, "reason", reason)
		r.forget(w.table)
		r.report(resync.Report{Table: w.table, At: time.Now().UTC(), Asked: w.asked, Error: reason})
		return
	}
	r.log.Debug("comparison is tried again", "table", w.table, "reason", reason)
	w.notBefore = time.Now().Add(min(checkPause<<w.tries, checkPauseMax))
	r.wishes = slices.Insert(r.wishes, 0, w)
}

// drop ends the comparison at hand without a result.
func (r *reconciler) drop() {
	if r.stage == comparing {
		r.cancel()
		<-r.compared
	}
	if r.check != nil {
		r.check.Close()
	}
	r.check, r.result, r.stage = nil, nil, resting
}

// frame takes what the stream brings, after the applier did.
func (r *reconciler) frame(ctx context.Context, f *cdcv1.Frame) {
	var err error
	switch body := f.GetBody().(type) {
	case *cdcv1.Frame_Changes:
		err = r.changes(body.Changes)
	case *cdcv1.Frame_CheckBegin:
		err = r.begin(body.CheckBegin)
	case *cdcv1.Frame_CheckRows:
		if r.check != nil && r.check.ID == body.CheckRows.GetCheckId() {
			err = r.check.Rows(body.CheckRows)
		}
	case *cdcv1.Frame_CheckEnd:
		if r.check != nil && r.check.ID == body.CheckEnd.GetCheckId() || r.stage == asked && body.CheckEnd.GetTable() == r.now.table {
			err = r.end(ctx, body.CheckEnd, f.GetPosition())
		}
	case *cdcv1.Frame_CopyEnd:
		if body.CopyEnd.GetVoid() != "" {
			break
		}
		r.forget(body.CopyEnd.GetTable())
		r.counted(body.CopyEnd.GetTable())
	case *cdcv1.Frame_CopyBegin:
		r.changed(body.CopyBegin.GetTable(), "it is being copied")
	case *cdcv1.Frame_TableEvent:
		r.changed(body.TableEvent.GetTable(), "it changed as a whole")
		r.changed(body.TableEvent.GetNewName(), "it changed as a whole")
	case *cdcv1.Frame_State:
		if body.State.GetRestart() && r.stage != resting {
			r.again("ingest was restarted")
		}
	}
	if err != nil {
		r.again(err.Error())
	}
}

func (r *reconciler) changed(table, reason string) {
	if r.stage != resting && table == r.now.table {
		r.again(reason)
	}
}

func (r *reconciler) changes(m *cdcv1.Changes) error {
	if r.check == nil {
		return nil
	}
	for _, rows := range m.GetTables() {
		if rows.GetTable() == r.now.table {
			if err := r.check.Changes(rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reconciler) begin(m *cdcv1.CheckBegin) (err error) {
	if r.stage != asked || m.GetTable() != r.now.table {
		return nil // of an earlier run
	}
	t := r.book.Table(m.GetTable())
	if t == nil || t.Live.GetFingerprint() != m.GetDefinition() || t.Frozen || t.Copy != nil {
		return errors.New("its rows are not those of the source")
	}
	after := r.partFrom(t)
	if !bytes.Equal(after.Mark, m.GetAfter()) { // what the parts before found is kept all the same
		return errors.New("a part of it began that does not follow what was compared")
	}
	live := duck.Identifier(r.file.Catalog()) + ".main." + duck.Identifier(t.Name)
	if r.check, err = resync.Begin(r.file.DB, m.GetCheckId(), live, t.Live, after); err == nil {
		r.stage = reading
	}
	return err
}

func (r *reconciler) end(ctx context.Context, m *cdcv1.CheckEnd, at *cdcv1.Position) error {
	switch {
	case m.GetVoid() != "":
		return errors.New(m.GetVoid())
	case r.stage == reading && !m.GetReload():
		if err := r.check.Freeze(m); err != nil {
			return err
		}
		r.result = &resync.Outcome{Report: resync.Report{Table: r.now.table, Asked: r.now.asked, GTIDSet: at.GetGtidSet(), File: at.GetFile(), Offset: at.GetOffset()}}
		ctx, r.cancel = context.WithCancel(ctx)
		r.stage = comparing
		check := r.check
		go func() {
			o, err := check.Compare(ctx)
			r.compared <- compared{o, err}
		}()
	case r.stage == mending && m.GetReload():
		return r.mend(m)
	}
	return nil
}

// judge takes what comparing found.
func (r *reconciler) judge(ctx context.Context, c compared) {
	r.cancel()
	r.stage = reading // nothing runs beside the loop any more
	if c.err != nil {
		r.again(c.err.Error())
		return
	}
	head := r.result.Report
	r.result = c.outcome
	o := &r.result.Report
	o.Table, o.Asked, o.GTIDSet, o.File, o.Offset = head.Table, head.Asked, head.GTIDSet, head.File, head.Offset
	r.metrics.compared(r.cfg.Database, o.SourceRows, o.Differing)
	switch {
	case o.Differing == 0:
		r.complete()
	case r.check.Mendable(r.result):
		marks, err := r.check.Marks(r.result)
		if err != nil {
			r.again(err.Error())
			return
		}
		r.stage = mending
		r.request(ctx, r.now.table, reloadCommand{command{Op: "reload", Table: r.now.table}, r.check.ID, marks})
	default:
		r.copyAnew(fmt.Sprintf("%d of its keys differed from the source", o.Differing))
	}
}

// reloadCommand asks ingest for the rows of some chunks of a check.
type reloadCommand struct {
	command
	Check  uint64        `json:"check"`
	Ranges []resync.Mark `json:"ranges"`
}

// void forgets the comparison at hand, for the stream is read again from an earlier place.
func (r *reconciler) void() {
	if r.stage != resting {
		r.again("the stream was read again")
	}
}

func (r *reconciler) close() { r.drop() }
