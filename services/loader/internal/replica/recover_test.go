package replica_test

import (
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// damage changes a byte of every block of the live file.
func damage(t *testing.T, data string) {
	t.Helper()
	path := generation.LivePath(data, database)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := generation.HeaderSize + 100; at < len(raw); at += 256 << 10 {
		raw[at] ^= 0xff
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file with damaged blocks, as a process leaves that is killed while it writes one, is replaced by the newest generation, and
// what that does not hold comes from the stream again.
func TestDamagedFileIsReplacedByItsGeneration(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 31)
	steps(s, 20)
	stop := run(t, data, st)
	st.awaitApplied()
	stop()
	older := t.TempDir()
	copyDir(t, generation.Dir(data, database), older)

	steps(s, 20)
	stop = run(t, data, st)
	applied := st.awaitApplied().Seq
	stop()
	// The loader was killed before it published the last batches.
	if err := os.RemoveAll(generation.Dir(data, database)); err != nil {
		t.Fatal(err)
	}
	copyDir(t, older, generation.Dir(data, database))
	damage(t, data)

	asked := ingest(t, st)
	stop = run(t, data, st)
	await(t, "what was applied before", func() bool { status := st.status(); return status != nil && status.Seq >= applied })
	steps(s, 20)
	status := st.awaitApplied()
	stop()
	compare(t, data, s)
	if status.Mismatches != 0 || len(asked) > 0 {
		t.Fatalf("%d mismatches, %d copies asked for", status.Mismatches, len(asked))
	}
}

// Without a generation that is whole there is nothing to go on from, and nothing is thrown away.
func TestDamagedFileWithoutGeneration(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 32)
	steps(s, 20)
	stop := run(t, data, st)
	st.awaitApplied()
	stop()
	damage(t, data)
	m, err := generation.Read(generation.Dir(data, database))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(generation.Dir(data, database)+"/"+m.File, m.Size-1); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(generation.LivePath(data, database))
	if err != nil {
		t.Fatal(err)
	}
	err = newReplica(data, st.bus, slog.New(slog.DiscardHandler)).Run(t.Context())
	var damaged *live.DamagedError
	var refused *generation.DamagedError
	if !errors.As(err, &damaged) || !errors.As(err, &refused) {
		t.Fatalf("the loader ended with %v", err)
	}
	if after, err := os.ReadFile(generation.LivePath(data, database)); err != nil || string(after) != string(before) {
		t.Fatalf("the damaged file was touched: %v", err)
	}
}
