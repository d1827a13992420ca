package replica_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// publication is a loader in a process of its own that is killed at the steps of a publication.
type publication struct {
	*stream
	data, dir string
	source    *frametest.Source
	before    *generation.Manifest
}

func (p *publication) path(name string) string { return filepath.Join(p.dir, name) }

// next is the generation that the loader is to publish.
func (p *publication) next() string { return p.path(generation.FileName(p.before.Generation + 1)) }

func (p *publication) newer() bool {
	m, err := generation.Read(p.dir)
	return err == nil && m.Generation > p.before.Generation
}

// settle has everything applied and published, and stops the loader.
func (p *publication) settle() {
	p.t.Helper()
	loader, _ := process(p.t, "loader", p.data, p.server.ClientURL())
	if s := p.awaitApplied(); s.Mismatches != 0 {
		p.t.Fatalf("%d rows to be changed were not there", s.Mismatches)
	}
	_ = loader.Process.Signal(syscall.SIGTERM)
	if err := loader.Wait(); err != nil {
		p.t.Fatalf("stopping the loader: %v", err)
	}
	compare(p.t, p.data, p.source)
	var err error
	if p.before, err = generation.Read(p.dir); err != nil {
		p.t.Fatal(err)
	}
}

// kill changes rows, starts a loader and kills it as soon as reached says so.
func (p *publication) kill(reached func() bool) {
	p.t.Helper()
	loader := p.start(reached)
	_ = loader.Process.Kill()
	_ = loader.Wait()
}

// start changes rows and starts a loader, and returns when reached says so.
func (p *publication) start(reached func() bool) *exec.Cmd {
	p.t.Helper()
	p.source.Transaction(20)
	p.flush()
	loader, _ := process(p.t, "loader", p.data, p.server.ClientURL())
	// The step may be over within a millisecond, so the waiting does not rest.
	for deadline := time.Now().Add(2 * time.Minute); !reached(); {
		if time.Now().After(deadline) {
			p.t.Fatal("the loader did not reach the step to be killed at")
		}
	}
	return loader
}

// readable checks that what the manifest names is whole, and tells whether it is still the generation from before.
func (p *publication) readable() (same bool) {
	p.t.Helper()
	m, err := generation.Read(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := m.Check(p.dir); err != nil {
		p.t.Fatal(err)
	}
	if err := readWhole(p.path(m.File), m.Tables); err != nil {
		p.t.Fatalf("generation %d cannot be read after the kill: %v", m.Generation, err)
	}
	return m.Generation == p.before.Generation
}

// readWhole reads every row of a generation.
func readWhole(path string, tables []generation.Table) error {
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, table := range tables {
		err = errors.Join(err, conn.Exec("CREATE OR REPLACE TEMP TABLE seen AS SELECT * FROM "+duck.Identifier(table.Name)))
	}
	return err
}

// A loader is killed after the checkpoint, amid the copy, before, amid and after the writing of the manifest, and after its
// renaming. Each time the last good generation can be read, and the next loader goes on from there.
func TestLoaderKilledAtEachStepOfAPublication(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	p := &publication{stream: st, data: data, dir: generation.Dir(data, database), source: frametest.New(31, database, st.put)}
	p.source.Add(1, 20_000)
	p.source.Add(0, 100)
	p.source.CopyBegin("T1", false)
	p.source.CopyBegin("T2", false)
	p.source.Finish()
	p.settle()
	exists := func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	}
	unchanged := func(step string, holds bool) {
		t.Helper()
		if !p.readable() || !holds {
			t.Fatalf("%s: the manifest names another generation, or the loader was not where it was to be", step)
		}
	}

	// A folder in the place of the new file keeps the copy from beginning.
	building := p.path("building.duckdb")
	if err := os.MkdirAll(filepath.Join(building, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	checkpointed := func() bool {
		info, err := os.Stat(generation.LivePath(data, database) + ".wal")
		s := p.status()
		return s != nil && s.Seq == p.last && strings.HasPrefix(s.Condition, "publishing fails") && (err != nil || info.Size() == 0)
	}
	p.kill(checkpointed)
	unchanged("after the checkpoint", !exists(p.next()))
	if err := os.RemoveAll(building); err != nil {
		t.Fatal(err)
	}
	p.settle()

	// The loader waits for the folder to go, with nothing left to write but the copy. Half-way it comes to where its process may not write, which ends it on the spot.
	if err := os.MkdirAll(filepath.Join(building, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	loader := p.start(checkpointed)
	half := uint64(p.before.Size / 2)
	if err := unix.Prlimit(loader.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: half, Max: half}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(building, "in the way")); err != nil { // the loader itself removes an empty folder
		t.Fatal(err)
	}
	if err := loader.Wait(); !filetest.DiedAtLimit(loader) {
		t.Fatalf("amid the copy: the loader ended with %v", err)
	}
	info, err := os.Stat(building)
	unchanged("amid the copy", err == nil && info.Size() > generation.HeaderSize && info.Size() <= int64(half))
	p.settle()
	if exists(building) {
		t.Fatal("the unfinished generation is left")
	}

	// A manifest cannot be written to a pipe that nobody reads, so the loader stops right there.
	temp := p.path("manifest.json.tmp")
	manifest, err := os.ReadFile(p.path("manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	for step, left := range map[string][]byte{
		"before the manifest": nil, "amid the manifest": manifest[:len(manifest)/2],
		"before the manifest's renaming": bytes.Replace(manifest, []byte("gen-"), []byte("gen-9"), 1),
	} {
		if err := syscall.Mkfifo(temp, 0o600); err != nil {
			t.Fatal(err)
		}
		p.kill(func() bool { return exists(p.next()) })
		if err := os.Remove(temp); err != nil {
			t.Fatal(err)
		}
		if left != nil {
			if err := os.WriteFile(temp, left, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		unchanged(step, exists(p.next()))
		p.settle()
		if exists(temp) {
			t.Fatalf("%s: %s is left", step, temp)
		}
	}
	p.kill(p.newer)
	if p.readable() {
		t.Fatal("after the manifest's renaming: it names the generation from before")
	}
	p.settle()
}
