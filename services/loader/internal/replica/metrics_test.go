package replica_test

import (
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

// What the loader is asked of by its metrics moves with what it does: how far it is and how old that is, batches, checkpoints and publications, the file and the memory.
func TestMetricsMove(t *testing.T) {
	st := newStream(t)
	s := source(st, 61)
	o := observe(t, t.TempDir(), st)
	st.awaitApplied()
	await(t, "a generation", o.shown)
	names := []string{
		"stream_applied_sequence", "frames_read_bytes_total", "rows_committed_total", "batches_committed_total", "batch_rows", "batch_commit_seconds", "checkpoint_seconds",
		"publish_seconds", "blocks_published_total", "generation_newest_number", "generations_count", "publications_total",
	}
	before := map[string]float64{}
	for _, name := range names {
		before[name] = o.metric(name)
	}
	for range 3 {
		steps(s, 5)
		st.awaitApplied()
		await(t, "the next generation", o.shown)
	}
	for _, name := range names {
		await(t, name+" to grow", func() bool { return o.metric(name) > before[name] })
	}
	if applied := o.metric("stream_applied_sequence"); applied != float64(st.last) {
		t.Errorf("frame %v is said to be applied, and it is %d", applied, st.last)
	}
	status := st.status()
	if n := o.metric("generation_newest_number"); n != float64(o.newest().Generation) || o.metric("rows_committed_total") < float64(status.Rows) {
		t.Errorf("the newest generation is said to be %v, rows %v; status is %+v", n, o.metric("rows_committed_total"), status)
	}
	await(t, "the file's size and the memory", func() bool { return o.metric("file_bytes") > 0 && o.metric("duckdb_memory_bytes") > 0 })
	// The age grows while nothing is published, and the lag falls when the source says how late it is there.
	age := o.metric("generation_age_seconds")
	await(t, "the generation to age", func() bool { return o.metric("generation_age_seconds") > age })
	old := o.metric("lag_seconds")
	st.put(&cdcv1.Frame{Source: database, Epoch: 1, Body: &cdcv1.Frame_State{State: &cdcv1.State{SourceTimeUs: time.Now().UnixMicro()}}})
	st.flush()
	await(t, "the lag to fall", func() bool { return o.metric("lag_seconds") < 3600 && old > 3600 })
	o.stop()
}

// A comparison that finds something counts what it looked at, what differed and what was mended.
func TestMetricsOfComparisons(t *testing.T) {
	r, data := reconciled(t, 62)
	corrupt(t, data, "DELETE FROM T1 WHERE rowid < 3")
	o := observe(t, data, r.st)
	r.run()
	await(t, "the findings", func() bool {
		return o.metric("resync_rows_checked_total") > 0 && o.metric("resync_keys_differing_total") == 3 && o.metric("resync_rows_mended_total") >= 3
	})
	if at := o.metric("resync_last_success_timestamp_seconds"); time.Since(time.UnixMilli(int64(at*1000))) > time.Hour {
		t.Errorf("the last comparison is said to have ended at %v", at)
	}
	await(t, "the comparisons' end", func() bool { return o.metric("resync_running") == 0 })
	o.stop()
	compare(t, data, r.source)
}

// How a generation was made is told.
func TestMetricsTellOfSharedBlocks(t *testing.T) {
	st := newStream(t)
	s := source(st, 63)
	o := observe(t, filetest.XFS(t, true), st)
	st.awaitApplied()
	steps(s, 5)
	st.awaitApplied()
	await(t, "cloned generations", func() bool { return o.shown() && o.metric("publications_total", "clone") > 1 })
	if copied := o.metric("blocks_published_total"); copied > 0 || o.metric("publications_total") != o.metric("publications_total", "clone") {
		t.Errorf("%v blocks were copied where they can be shared", copied)
	}
	o.stop()
	compare(t, o.data, s)
}

// STREAM_KEEP keeps frames that were committed and published; without it they go, but for some and for what ingest resumes from.
func TestStreamIsPurgedOfWhatWasPublished(t *testing.T) {
	st := newStream(t)
	s := source(st, 64)
	for range 1500 {
		steps(s, 1)
	}
	first := func() uint64 {
		tail, err := st.bus.Tail(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		return tail.FirstSeq
	}
	state := func() {
		st.put(&cdcv1.Frame{Source: database, Epoch: 1, Body: &cdcv1.Frame_State{State: &cdcv1.State{SourceTimeUs: time.Now().UnixMicro()}}})
		st.flush()
	}
	data := t.TempDir()
	o := observe(t, data, st, func(c *replica.Config) { c.StreamKeep = time.Hour })
	st.awaitApplied()
	await(t, "a generation", o.shown)
	for range 2 { // each is told of a second after the other, and frames are let go of between them
		state()
		at := o.newest().SourceTime
		await(t, "the source's time", func() bool { state(); return o.newest().SourceTime.After(at) })
	}
	if n := first(); n != 1 {
		t.Fatalf("the stream begins at %d although its frames are to be kept", n)
	}
	o.stop()
	last := o.newest().Generation
	o = observe(t, data, st)
	await(t, "a generation of the new loader", func() bool {
		return o.newest().Generation > last && o.metric("generation_newest_number") > float64(last)
	})
	state()
	await(t, "the stream to be purged", func() bool { return first() > 1 })
	tail, err := st.bus.Tail(t.Context(), database)
	if err != nil || tail.LastSeq-tail.FirstSeq < 500 {
		t.Fatalf("the stream has %d to %d, %v", tail.FirstSeq, tail.LastSeq, err)
	}
	o.stop()
	compare(t, data, s)
}
