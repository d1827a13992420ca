package replica_test

import (
	"log/slog"
	"testing"

	"github.com/chittihq/duckling/services/loader/internal/backup"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// A file that is restored from a backup goes on where its own progress row says: nothing is copied again while the stream
// reaches back so far, and everything is, for a reason that is named, when it does not.
func TestRestoredFile(t *testing.T) {
	for name, test := range map[string]struct {
		// between happens after the backup.
		between func(s *frametest.Source, st *stream)
		copied  bool
	}{
		"within the stream": {func(s *frametest.Source, st *stream) { steps(s, 40) }, false},
		"older than the stream's start": {func(s *frametest.Source, st *stream) {
			steps(s, 40)
			st.flush()
			if err := st.bus.Purge(t.Context(), database, st.last-5); err != nil {
				t.Fatal(err)
			}
		}, true},
		"of another epoch": {func(s *frametest.Source, st *stream) {
			steps(s, 20)
			s.Epoch = 2
			copyAll(s)
			steps(s, 20)
		}, false}, // the stream itself holds the copies
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			st := newStream(t)
			s := source(st, 12)
			steps(s, 20)
			stop := run(t, data, st)
			st.awaitApplied()
			stop()
			backups, err := (&backup.Config{To: t.TempDir(), Keep: 1}).Open(data, database, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			info, err := backups.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stop = run(t, data, st)
			steps(s, 20)
			st.awaitApplied()
			stop()

			test.between(s, st)
			if _, err := backups.Restore(t.Context(), info.Name); err != nil {
				t.Fatal(err)
			}
			asked := ingest(t, st)
			stop = run(t, data, st)
			if test.copied {
				if table := <-asked; table != "" {
					t.Fatalf("a copy of %q was asked for and not of everything", table)
				}
				await(t, "stale tables", func() bool { return stale(data, 2) })
				copyAll(s)
			}
			st.awaitApplied()
			stop()
			compare(t, data, s)
			if name == "within the stream" && len(asked) > 0 {
				t.Fatalf("a copy of %q was asked for", <-asked)
			}
		})
	}
}
