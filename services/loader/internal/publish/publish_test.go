package publish_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// A thousand publications: each holds what was committed, few blocks are
// copied, and the live file stays locked against other processes.
func TestThousandPublications(t *testing.T) {
	b := newBed(t)
	other := filetest.NewReader(t)
	if !other.LockedOut(b.File.Path()) {
		t.Fatal("the live file was not locked to begin with")
	}
	b.Publish()
	var most int64
	for range 1000 {
		b.change()
		r := b.Publish()
		if r.Generation > 4 {
			most = max(most, r.Copied)
			if r.Full {
				t.Fatalf("generation %d was copied whole", r.Generation)
			}
		}
		if r.Generation%100 == 0 {
			b.Same()
		}
	}
	b.Same()
	if !other.LockedOut(b.File.Path()) {
		t.Fatal("after the publications a second process could write to the live file")
	}
	if files := b.Files(); len(files) > publish.Keep+1 {
		t.Fatalf("too many files are left: %v", files)
	}
	t.Logf("at most %d blocks were copied at once", most)
}

// A generation that a reader has open is neither changed nor deleted; once it
// is closed its file goes.
func TestHeldGenerationIsLeftAlone(t *testing.T) {
	b := newBed(t)
	b.Publish()
	held := filepath.Join(b.Dir(), "gen-1.duckdb")
	reader := filetest.NewReader(t)
	reader.Open(held)
	before := reader.Sum(held)
	for range 10 {
		b.change()
		b.Publish()
	}
	if got := reader.Sum(held); got != before {
		t.Fatalf("the rows of an open generation changed: sum %s, then %s", before, got)
	}
	if n := len(b.Files()); n != publish.Keep+2 {
		t.Fatalf("files are %v", b.Files())
	}
	late := filetest.NewReader(t)
	late.Open(held)
	if got := late.Sum(held); got != before {
		t.Fatalf("the rows of an old generation changed: sum %s, then %s", before, got)
	}
	late.Close(held)
	reader.Close(held)
	for range 3 {
		b.change()
		b.Publish()
	}
	if files := b.Files(); len(files) != publish.Keep+1 || slices.Contains(files, "gen-1.duckdb") {
		t.Fatalf("after the reader left, files are %v", files)
	}
	b.Same()
}

// What a killed loader leaves behind is removed, and its generations, which may
// not have reached the disk whole, are not built upon.
func TestRestartBuildsAnew(t *testing.T) {
	b := newBed(t)
	for range 3 {
		b.change()
		b.Publish()
	}
	b.Close()
	dir := b.Dir()
	if err := os.WriteFile(filepath.Join(dir, "building.duckdb"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Open()
	b.change()
	r := b.Publish()
	if !r.Full || r.Generation != 4 {
		t.Fatalf("after a restart: %+v", r)
	}
	b.Same()
	if got := b.Files(); !slices.Equal(got, []string{"gen-4.duckdb", "manifest.json"}) {
		t.Fatalf("files are %v", got)
	}
}

// Publishing that fails leaves the last generation, and works again when the reason is gone.
func TestFailedPublicationLeavesTheLastOne(t *testing.T) {
	b := newBed(t)
	b.Publish()
	dir := b.Dir()
	blocked := filepath.Join(dir, "manifest.json.tmp")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	b.change()
	if err := b.Pub.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := b.Pub.Publish(publish.Content{}); err == nil || !strings.Contains(err.Error(), "manifest") {
			t.Fatalf("publishing gave %v", err)
		}
	}
	m, err := generation.Read(dir)
	if err != nil || m.Generation != 1 || m.Check(dir) != nil {
		t.Fatalf("the manifest is %+v, %v", m, err)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		b.Publish()
		b.change()
	}
	b.Publish()
	b.Same()
	if files := b.Files(); len(files) > publish.Keep+1 {
		t.Fatalf("too many files are left: %v", files)
	}
}

// Refresh changes what is said of the newest generation and nothing else.
func TestRefresh(t *testing.T) {
	b := newBed(t)
	b.Publish()
	dir := b.Dir()
	before, err := generation.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	later := before.PublishedAt.Add(1)
	if err := b.Pub.Refresh(generation.Position{GTIDSet: "g:1-5"}, later); err != nil {
		t.Fatal(err)
	}
	m, err := generation.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Position.GTIDSet != "g:1-5" || !m.SourceTime.Equal(later) || m.File != before.File || m.Generation != before.Generation {
		t.Fatalf("the manifest became %+v", m)
	}
	b.Same()
}
