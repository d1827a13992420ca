package replica_test

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// A loader that cannot go on by waiting ends and says why: another one holds the file, or another release of DuckDB wrote it. The file stays as it is, and in
// the second case no generation takes its place, for it is not damaged.
func TestLoaderEndsWithAFileThatIsNotItsOwn(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 71)
	stop := run(t, data, st)
	st.awaitApplied()
	second := func() error { return newReplica(data, st.bus, slog.New(slog.DiscardHandler)).Run(t.Context()) }
	var held *live.HeldError
	if err := second(); !errors.As(err, &held) {
		t.Fatalf("a second loader ended with %v", err)
	}
	steps(s, 5)
	st.awaitApplied()
	stop()
	compare(t, data, s)

	path := generation.LivePath(data, database)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const part = generation.HeaderSize / 3
	binary.LittleEndian.PutUint64(raw[12:], 99) // the version of the storage format
	binary.LittleEndian.PutUint64(raw, live.Checksum(raw[:part]))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var format *live.FormatError
	if err := second(); !errors.As(err, &format) || !strings.Contains(err.Error(), "version number 99") {
		t.Fatalf("a file of another release ended the loader with %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(raw) {
		t.Fatalf("the file of another release was touched: %v", err)
	}
}
