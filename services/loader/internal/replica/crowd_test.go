package replica_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// Readers in another process hold every generation. Then publishing waits, which the status, a metric, the log and the manifest say; the stream goes on being applied, the
// newest generation stays, and as soon as a reader lets go of an old one the loader publishes all of it, without being told.
func TestPublishingWaitsForReaders(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 51)
	o := observe(t, data, st)
	dir := generation.Dir(data, database)
	reader := filetest.NewReader(t)
	var held []string
	waiting := func() bool { return o.metric("publish_waiting") == 1 }
	for {
		steps(s, 1)
		st.awaitApplied()
		await(t, "a generation, or the wait for readers", func() bool { return waiting() || o.shown() })
		if waiting() {
			break
		}
		path := filepath.Join(dir, o.newest().File)
		reader.Open(path)
		held = append(held, path)
	}
	files, err := filepath.Glob(filepath.Join(dir, "gen-*"))
	if err != nil || len(files) != publish.Most || o.metric("generations_count") != publish.Most {
		t.Fatalf("publishing waits with %v, %v", files, err)
	}
	last := o.newest()
	await(t, "the condition", func() bool { return strings.HasPrefix(st.status().Condition, "publishing waits: readers hold") })
	await(t, "the manifest to say it", func() bool { return o.newest().Waiting })
	for range 5 {
		steps(s, 20)
		st.awaitApplied()
	}
	m := o.newest()
	if m.Generation != last.Generation || m.Position.GTIDSet != last.Position.GTIDSet || m.Check(dir) != nil || !waiting() {
		t.Fatalf("while publishing waits the newest generation is %+v", m)
	}
	if _, err := os.Stat(filepath.Join(dir, "building.duckdb")); err == nil {
		t.Fatal("an unfinished generation is left")
	}
	reader.Close(held[0])
	await(t, "what was applied to be shown", func() bool { return o.shown() && !waiting() && st.status().Condition == "" })
	if m := o.newest(); m.Waiting {
		t.Fatalf("after the wait the manifest is %+v", m)
	}
	if began, ended := o.said("publishing waits for readers"), o.said("publishing goes on"); began != 1 || ended != 1 {
		t.Fatalf("the log tells of %d waits and %d ends", began, ended)
	}
	reader.End()
	steps(s, 5)
	st.awaitApplied()
	o.stop()
	compare(t, data, s)
}
