package replica_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

// A copy that is cancelled leaves the table as it was, followed and right, across the end of the loader, and the next copy replaces it as if there had been
// none. A table that cannot do without its copy is named, and its copy goes on.
func TestCancelledCopyLeavesTheTable(t *testing.T) {
	r, data := reconciled(t, 51)
	stop := run(t, data, r.st)
	table := func(name string) replica.Table {
		t.Helper()
		tables := r.st.awaitApplied().Tables
		return tables[slices.IndexFunc(tables, func(x replica.Table) bool { return x.Name == name })]
	}
	r.source.CopyBegin("T1", false)
	r.source.CopyBegin("T2", true)
	for range 20 {
		r.source.CopyStep(0)
		r.source.CopyStep(10)
		small(r.source)
	}
	if one := table("T1"); one.Copy == nil || one.Stale != "" {
		t.Fatalf("T1 is %+v", one)
	}
	got := order[replica.Cancelled](t, r.st, `{"op":"cancel"}`)
	if got.Count != 2 || !slices.Equal(got.Copies, []string{"T1", "T3"}) || len(got.Needed) != 1 || got.Needed["T2"] == "" {
		t.Errorf("cancelled were %+v", got)
	}
	if w := <-r.asked; w.Op != "cancel-copies" || !slices.Equal(w.Tables, []string{"T1", "T3"}) {
		t.Errorf("ingest was asked for %+v", w)
	}
	_, err := r.st.bus.Request(t.Context(), bus.LoaderControl(database), []byte(`{"op":"cancel","table":"T2"}`))
	var refused *bus.ControlError
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "'T2' cannot do without its copy") {
		t.Errorf("a table that needs its copy: %v", err)
	}
	stop() // what ingest agreed to is in the stream, whoever reads it
	if !r.source.CopyVoid("T1") || r.source.CopyVoid("T2") {
		t.Fatal("another copy is spare than was thought")
	}
	for range 20 {
		small(r.source)
	}
	stop = run(t, data, r.st)
	one := table("T1")
	if one.Copy != nil || one.Stale != "" || one.CopyCancelled == nil || one.Rows != int64(len(r.source.Tables["T1"].Rows)) {
		t.Errorf("T1 is %+v, and has %d rows at the source", one, len(r.source.Tables["T1"].Rows))
	}
	if two := table("T2"); two.Copy == nil || two.CopyCancelled != nil {
		t.Errorf("T2 is %+v", two)
	}
	stop()
	defer run(t, data, r.st)()
	r.source.Finish()
	if again := table("T1"); again.CopyCancelled == nil || !again.CopyCancelled.Equal(*one.CopyCancelled) {
		t.Errorf("after another restart T1 is %+v", again)
	}
	await(t, "a generation with all of it", func() bool { return published(r, data) })
	compare(t, data, r.source)
	r.source.CopyBegin("T1", false)
	r.source.Finish()
	small(r.source)
	if again := table("T1"); again.CopyCancelled != nil || again.Copy != nil {
		t.Errorf("copied after all, T1 is %+v", again)
	}
	await(t, "a generation with all of it", func() bool { return published(r, data) })
	compare(t, data, r.source)
}
