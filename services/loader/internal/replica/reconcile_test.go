package replica_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/replica"
	"github.com/chittihq/duckling/services/loader/internal/resync"
)

// wanted is what a loader asks ingest for.
type wanted struct {
	Op, Table string
	Tables    []string
	Slowly    bool
	After     []byte
	Rows      int
	Check     uint64
	Ranges    []struct{ After, Upto []byte }
}

// wishes takes a loader's requests to ingest.
func wishes(t *testing.T, st *stream) <-chan wanted {
	t.Helper()
	asked := make(chan wanted, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- st.bus.Serve(ctx, bus.IngestControl(database), func(_ context.Context, request []byte) ([]byte, error) {
			var w wanted
			if err := json.Unmarshal(request, &w); err != nil {
				return nil, err
			}
			asked <- w
			if w.Op == "cancel-copies" { // all of them wait at ingest, as far as the loader can know
				return json.Marshal(map[string][]string{"cancelled": w.Tables})
			}
			return []byte("{}"), nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return asked
}

// reconciliation plays ingest while a loader compares tables.
type reconciliation struct {
	t      *testing.T
	st     *stream
	source *frametest.Source
	asked  <-chan wanted
	checks map[uint64]*frametest.Check
	// write is called between all that is read of the source.
	write  func()
	copied map[string]bool
	// differed is true once a comparison found something.
	differed bool
}

// order sends the loader a request and decodes its answer.
func order[T any](t *testing.T, st *stream, request string) T {
	t.Helper()
	await(t, "the loader", func() bool { return st.status() != nil })
	var out T
	data, err := st.bus.Request(t.Context(), bus.LoaderControl(database), []byte(request))
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// run has every table compared, and returns the reports once nothing is under way any more.
func (r *reconciliation) run() map[string]*resync.Report {
	r.t.Helper()
	began := time.Now()
	order[map[string]bool](r.t, r.st, `{"op":"check"}`)
	var v replica.Validation
	await(r.t, "comparisons of all tables", func() bool {
		// Where rows were left a comparison follows, whose report replaces this one's; it is not served before this one is seen.
		for _, one := range order[replica.Validation](r.t, r.st, `{"op":"validate"}`).Results {
			r.differed = r.differed || one.Report != nil && one.Report.Differing > 0
		}
		select {
		case w := <-r.asked:
			r.serve(w)
		default:
		}
		r.write()
		r.st.flush()
		status := r.st.status()
		if status.Resync.Table != "" || len(status.Resync.Waiting) > 0 || slices.ContainsFunc(status.Tables, func(x replica.Table) bool { return x.Stale != "" }) {
			return false
		}
		v = order[replica.Validation](r.t, r.st, `{"op":"validate"}`)
		for _, one := range v.Results {
			if one.LastSync == nil || one.LastSync.Before(began) {
				return false
			}
		}
		return true
	})
	out := map[string]*resync.Report{}
	for _, one := range v.Results {
		if one.Error != "" {
			r.t.Fatalf("table %s cannot be compared: %s", one.Table, one.Error)
		}
		out[one.Table] = one.Report
	}
	return out
}

func (r *reconciliation) serve(w wanted) {
	r.t.Helper()
	switch w.Op {
	case "check":
		c := r.source.CheckBegin(w.Table, w.After, w.Rows)
		r.checks[c.ID] = c
		r.write()
		for r.source.CheckStep(c, 30) {
			r.write()
		}
		r.source.CheckEnd(c, "")
	case "reload":
		c := r.checks[w.Check]
		for _, part := range w.Ranges {
			r.write()
			r.source.Reload(c, part.After, part.Upto)
		}
		if len(w.Ranges) == 0 {
			r.source.Reload(c, []byte("1"), []byte("0"))
		}
		r.write()
		r.source.CheckEnd(c, "")
	case "copy":
		r.copied[w.Table] = true
		r.source.CopyBegin(w.Table, false)
		r.source.Finish()
	default:
		r.t.Fatalf("ingest was asked for %q", w.Op)
	}
}

// reconciled is a loader that has applied tables with a key of one and of two columns and one without.
func reconciled(t *testing.T, seed uint64) (r *reconciliation, data string) {
	t.Helper()
	data = t.TempDir()
	st := newStream(t)
	s := frametest.New(seed, database, st.put)
	s.Add(1, 300)
	s.Add(2, 300)
	s.Add(0, 100)
	copyAll(s)
	steps(s, 20)
	stop := run(t, data, st)
	st.awaitApplied()
	stop()
	return &reconciliation{
		t: t, st: st, source: s, asked: wishes(t, st), checks: map[uint64]*frametest.Check{}, write: func() {}, copied: map[string]bool{},
	}, data
}

// small writes a transaction that is too small to be sent again as after a restart of ingest, which ends a check.
func small(s *frametest.Source) { s.Transaction(1 + s.Rand.IntN(3)) }

// corrupt changes the live file behind the loader's back.
func corrupt(t *testing.T, data string, statements ...string) {
	t.Helper()
	db, err := duck.Open(generation.LivePath(data, database), duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, sql := range statements {
		n, err := conn.ExecCount(sql)
		if err != nil || n == 0 {
			t.Fatalf("%s: %d rows, %v", sql, n, err)
		}
	}
}

// What is wrong in DuckDB is found, and nothing else is; it is mended, and the next comparison finds nothing.
func TestComparisonFindsAndMendsExactlyWhatDiffers(t *testing.T) {
	r, data := reconciled(t, 11)
	corrupt(t, data,
		`UPDATE "T1" SET u64 = 5 WHERE "Id" = 17`, `DELETE FROM "T1" WHERE "Id" IN (3, 250)`,
		`INSERT INTO "T1" SELECT * FROM "T1" WHERE "Id" = 40`, `INSERT INTO "T1" SELECT * REPLACE (100000 AS "Id") FROM "T1" WHERE "Id" = 41`,
		`UPDATE "T2" SET "time" = INTERVAL 1 MONTH WHERE "Id" = 330`, `UPDATE "T2" SET part = 'other' WHERE "Id" = 331`,
		`DELETE FROM "T3" WHERE rowid = (SELECT min(rowid) FROM "T3")`,
	)
	defer run(t, data, r.st)()
	got := r.run()
	t1, t2, t3 := got["T1"], got["T2"], got["T3"]
	if t1.Changed != 1 || t1.Lost != 2 || t1.Doubled != 1 || t1.Extra != 1 || t1.Differing != 5 || t1.Mending != resync.MendedByRows {
		t.Errorf("T1: %+v", t1)
	}
	var found []string
	for _, f := range t1.Findings {
		found = append(found, fmt.Sprint(f.Kind, " ", f.Key))
	}
	slices.Sort(found)
	if want := []string{"changed 17", "doubled 40", "extra 100000", "lost 250", "lost 3"}; !slices.Equal(found, want) {
		t.Errorf("findings are %q, want %q", found, want)
	}
	if t1.Deleted != 4 || t1.Inserted != 4 || t1.Left != 0 {
		t.Errorf("T1: %d rows went, %d came, %d keys were left", t1.Deleted, t1.Inserted, t1.Left)
	}
	// A key that became another is lost and extra.
	if t2.Changed != 1 || t2.Lost != 1 || t2.Extra != 1 || t2.Differing != 3 || t2.Mending != resync.MendedByRows {
		t.Errorf("T2: %+v", t2)
	}
	if t3.Lost != 1 || t3.Differing != 1 || t3.Mending != resync.MendedByCopy || !r.copied["T3"] {
		t.Errorf("T3: %+v", t3)
	}
	if r.copied["T1"] || r.copied["T2"] {
		t.Error("whole tables were copied for a few rows")
	}
	for name, report := range r.run() {
		if report.Differing != 0 || report.Skipped != 0 || report.SourceRows != report.Rows {
			t.Errorf("%s after mending: %+v", name, report)
		}
	}
	r.st.awaitApplied()
	await(t, "a generation with all of it", func() bool { return published(r, data) })
	compare(t, data, r.source)
}

// published tells whether the newest generation holds what was applied, and nothing is stale.
func published(r *reconciliation, data string) bool {
	m, err := generation.Read(generation.Dir(data, database))
	if err != nil {
		return false
	}
	for _, table := range m.Tables {
		if table.Stale != "" || table.Rows != int64(len(r.source.Tables[table.Name].Rows)) {
			return false
		}
	}
	return true
}

// While the source is written to, a table that is right is never found wrong, however often it is compared.
func TestComparisonUnderWritesFindsNothingWrong(t *testing.T) {
	for seed := range uint64(3) {
		r, data := reconciled(t, 100+seed)
		r.write = func() { small(r.source) }
		stop := run(t, data, r.st)
		skipped := int64(0)
		for range 3 {
			for name, report := range r.run() {
				if report.Differing != 0 {
					t.Errorf("seed %d: table %s is right and was reported: %+v", seed, name, report)
				}
				skipped += report.Skipped
			}
		}
		if skipped == 0 {
			t.Error("nothing was written while tables were compared")
		}
		stop()
	}
}

// Under writes that hit the wrong rows too, comparisons and the stream between them make everything right.
func TestComparisonUnderWritesMends(t *testing.T) {
	r, data := reconciled(t, 21)
	corrupt(t, data,
		`UPDATE "T1" SET i32 = 12345 WHERE "Id" % 10 = 1`, `DELETE FROM "T1" WHERE "Id" % 10 = 2`, `INSERT INTO "T2" SELECT * FROM "T2" WHERE "Id" % 7 = 0`,
		`INSERT INTO "T2" SELECT * REPLACE ("Id" + 1000000 AS "Id") FROM "T2" WHERE "Id" % 9 = 0`,
		`INSERT INTO "T3" SELECT * FROM "T3" LIMIT 1`,
	)
	defer run(t, data, r.st)()
	r.write = func() { small(r.source) }
	r.run()
	if !r.differed {
		t.Error("nothing was found")
	}
	r.write = func() {}
	await(t, "comparisons that find nothing", func() bool {
		for _, report := range r.run() {
			if report.Differing > 0 {
				return false
			}
		}
		return true
	})
	r.st.awaitApplied()
	await(t, "a generation with all of it", func() bool { return published(r, data) })
	compare(t, data, r.source)
}

// What was found is known to the next loader, and a check that it missed the end of does not keep it from comparing.
func TestComparisonOutlivesTheLoader(t *testing.T) {
	r, data := reconciled(t, 31)
	corrupt(t, data, `UPDATE "T1" SET u64 = 5 WHERE "Id" = 17`)
	stop := run(t, data, r.st)
	r.run()
	// One that never gets anywhere, then one that is cut short by the end of the loader.
	order[map[string]bool](t, r.st, `{"op":"check","table":"T2"}`)
	w := <-r.asked
	c := r.source.CheckBegin(w.Table, w.After, w.Rows)
	r.source.CheckStep(c, 30)
	await(t, "the check to be read", func() bool { r.st.flush(); return r.st.status().Resync.Rows == 30 })
	if got := order[replica.Cancelled](t, r.st, `{"op":"cancel","table":"T2"}`); got.Count != 2 || !slices.Equal(got.Copies, []string{"T2"}) || len(got.Needed) > 0 {
		t.Errorf("cancelled were %+v", got)
	}
	ops := []string{(<-r.asked).Op, (<-r.asked).Op}
	if slices.Sort(ops); !slices.Equal(ops, []string{"cancel", "cancel-copies"}) {
		t.Errorf("ingest was asked for %v", ops)
	}
	order[map[string]bool](t, r.st, `{"op":"check","table":"T2"}`)
	<-r.asked
	c = r.source.CheckBegin("T2", nil, 0)
	r.source.CheckStep(c, 30)
	r.st.awaitApplied()
	stop()
	for r.source.CheckStep(c, 30) {
		small(r.source)
	}
	r.source.CheckEnd(c, "")
	defer run(t, data, r.st)()
	r.st.awaitApplied()
	v := order[replica.Validation](t, r.st, `{"op":"validate"}`)
	if i := slices.IndexFunc(v.Results, func(x replica.Validated) bool { return x.Table == "T1" }); v.Results[i].Report == nil || v.Results[i].Report.Changed != 1 {
		t.Errorf("the report is gone: %+v", v.Results[i])
	}
	for name, report := range r.run() {
		if report.Differing != 0 {
			t.Errorf("%s: %+v", name, report)
		}
	}
}
