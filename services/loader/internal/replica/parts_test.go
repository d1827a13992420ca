package replica_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/chittihq/duckling/services/loader/internal/replica"
	"github.com/chittihq/duckling/services/loader/internal/resync"
)

func comparing(st *stream, table string) *replica.Comparing {
	status := st.status()
	if status == nil {
		return nil
	}
	for _, one := range status.Tables {
		if one.Name == table {
			return one.Comparing
		}
	}
	return nil
}

// A table that is compared in parts goes on where it got to after the loader was ended, and reports all that its parts found. What is wrong
// at the edges of parts, before the first and behind the last is found and mended once.
func TestComparisonInPartsGoesOnAfterARestart(t *testing.T) {
	r, data := reconciled(t, 51)
	var edges []int64 // the first keys of parts and the last of those before
	keys := make([]int64, 0, len(r.source.Tables["T1"].Rows))
	for _, row := range r.source.Tables["T1"].Rows {
		keys = append(keys, row[0].(int64))
	}
	slices.Sort(keys)
	for at := 120; at < len(keys); at += 120 { // four chunks of 30 rows
		edges = append(edges, keys[at-1], keys[at])
	}
	statements := []string{`INSERT INTO "T1" SELECT * REPLACE (NULL AS "Id") FROM "T1" LIMIT 1`}
	for _, id := range append(edges, keys[0], keys[len(keys)-1]) {
		statements = append(statements, fmt.Sprintf(`UPDATE "T1" SET u64 = 5 WHERE "Id" = %d`, id))
	}
	for _, id := range []int64{keys[0] - 10, keys[len(keys)-1] + 10} {
		statements = append(statements, fmt.Sprintf(`INSERT INTO "T1" SELECT * REPLACE (%d AS "Id") FROM "T1" WHERE "Id" = %d`, id, keys[50]))
	}
	corrupt(t, data, statements...)
	stop := run(t, data, r.st)
	order[map[string]bool](t, r.st, `{"op":"check","table":"T1"}`)
	first := <-r.asked
	if len(first.After) > 0 || first.Rows != 100 {
		t.Fatalf("the first part was asked for as %+v", first)
	}
	r.serve(first)
	r.st.flush()
	r.serve(<-r.asked) // the rows that differ
	r.st.flush()
	await(t, "the first part to be mended", func() bool { c := comparing(r.st, "T1"); return c != nil && c.Parts == 1 })
	stop()
	for len(r.asked) > 0 {
		<-r.asked
	}
	defer run(t, data, r.st)()
	await(t, "the part to be known", func() bool { c := comparing(r.st, "T1"); return c != nil && c.Parts == 1 && c.Differing > 0 })
	second := <-r.asked
	if second.Table != "T1" || string(second.After) != fmt.Sprint(edges[0]) {
		t.Fatalf("the next loader asked for %+v and not for what follows %d", second, edges[0])
	}
	for w := second; ; w = <-r.asked {
		r.serve(w)
		r.st.flush()
		if w.Op == "check" && string(w.After) == fmt.Sprint(edges[len(edges)-2]) {
			r.serve(<-r.asked)
			r.st.flush()
			break
		}
	}
	var report *resync.Report
	await(t, "the report", func() bool {
		v := order[replica.Validation](t, r.st, `{"op":"validate"}`)
		i := slices.IndexFunc(v.Results, func(x replica.Validated) bool { return x.Table == "T1" })
		report = v.Results[i].Report
		return report != nil
	})
	if want := int64(len(edges) + 2); report.Parts != len(edges)/2+1 || report.Changed != want || report.Extra != 3 || report.Lost != 0 || report.Doubled != 0 ||
		report.SourceRows != int64(len(keys)) || !report.Asked || report.Mending != resync.MendedByRows {
		t.Errorf("%d keys differed and 3 were too many: %+v", want, report)
	}
	for name, report := range r.run() {
		parts := map[string]bool{"T1": true, "T2": true}[name]
		if report.Differing != 0 || (report.Parts > 2) != parts {
			t.Errorf("%s after mending: %+v", name, report)
		}
	}
	r.st.awaitApplied()
	await(t, "a generation with all of it", func() bool { return published(r, data) })
	compare(t, data, r.source)
}

// What the parts before found is not lost when a loader that does not know when a table was copied begins to count.
func TestComparisonInPartsOutlivesTheFirstCount(t *testing.T) {
	r, data := reconciled(t, 52)
	corrupt(t, data, `DELETE FROM _duckling.resync`, `UPDATE "T1" SET u64 = 5 WHERE "Id" = (SELECT min("Id") FROM "T1")`)
	defer run(t, data, r.st)()
	order[map[string]bool](t, r.st, `{"op":"check","table":"T1"}`)
	for range 2 { // the first part, and the row that differs
		r.serve(<-r.asked)
		r.st.flush()
	}
	<-r.asked // the next part; it has to wait
	await(t, "the loader to count", func() bool {
		v := order[replica.Validation](t, r.st, `{"op":"validate"}`)
		return !slices.ContainsFunc(v.Results, func(x replica.Validated) bool { return x.RebuiltAt == nil })
	})
	if c := comparing(r.st, "T1"); c == nil || c.Parts != 1 || c.Differing != 1 {
		t.Errorf("of the first part is known: %+v", c)
	}
}
