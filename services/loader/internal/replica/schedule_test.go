package replica_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

// Nobody asks: each table is compared, and copied anew, when its time has come; neither keeps the other from coming. A copy that is cancelled keeps no other
// table from its turn.
func TestComparisonsAndRebuildsAreScheduled(t *testing.T) {
	r, data := reconciled(t, 41)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	scheduled := replica.New(replica.Config{
		Database: database, DataDir: data, DuckDB: live.Options{Threads: 2}, BatchRows: 2000, BatchDelay: 5 * time.Millisecond,
		CheckEvery: 500 * time.Millisecond, RebuildEvery: 2 * time.Second,
	}, r.st.bus, replica.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	go func() { ended <- scheduled.Run(ctx) }()
	compared, rebuilt, cancelled := map[string]int{}, map[string]int{}, ""
	await(t, "every table to be compared twice and rebuilt", func() bool {
		select {
		case w := <-r.asked:
			if w.Op == "copy" && len(rebuilt) == 0 {
				r.source.CopyBegin(w.Table, false)
				if cancelled = w.Table; !r.source.CopyVoid(cancelled) {
					t.Fatal("a periodic copy is not spare")
				}
			} else {
				r.serve(w)
			}
			r.st.flush()
			switch {
			case w.Op == "check":
				compared[w.Table]++
			case w.Op == "copy" && w.Slowly:
				rebuilt[w.Table]++
			default:
				t.Fatalf("ingest was asked for %+v", w)
			}
		default:
		}
		for _, name := range []string{"T1", "T2", "T3"} {
			if compared[name] < 2 || rebuilt[name] < 1 {
				return false
			}
		}
		return true
	})
	for _, one := range order[replica.Validation](t, r.st, `{"op":"validate"}`).Results {
		if one.Table == cancelled && rebuilt[cancelled] != 1 {
			t.Errorf("%s was asked for %d times", cancelled, rebuilt[cancelled])
		}
		if one.Report == nil || one.Report.Asked || one.Report.Differing != 0 || one.RebuiltAt == nil {
			t.Errorf("%s: %+v", one.Table, one)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	compare(t, data, r.source)
}
