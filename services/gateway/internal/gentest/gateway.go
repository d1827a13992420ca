package gentest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/companion"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
)

// Limits are generous ones, for tests that are not about them.
var Limits = query.Limits{Timeout: time.Minute, Grace: 10 * time.Second, Stuck: 4, Concurrent: 8, Queue: 1000, Rows: 1e6, Bytes: 256 << 20}

// Gateway is what serves queries, without a network.
type Gateway struct {
	Databases *reader.Set
	Queries   *query.Service
	Registry  *prometheus.Registry
	// Ended has the reason when serving ended before the test did. It fails the test, unless MayEnd says otherwise.
	Ended  chan error
	MayEnd func(error) bool
}

// Serve runs the query side of the gateway on a data directory until the test ends.
func Serve(t testing.TB, data string, limits query.Limits) *Gateway {
	t.Helper()
	temp := t.TempDir()
	path, err := companion.Write(temp)
	if err != nil {
		t.Fatal(err)
	}
	checker, err := sandbox.Open(companion.Macros())
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	engine := &reader.Engine{Companion: path, TempDir: temp, MaxTemp: "1GB", MemoryLimit: "1GB", Threads: 2, Ahead: 4}
	databases := reader.NewSet(data, engine, daemon.NewHealth(), reader.NewMetrics(registry), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	volatile, err := query.ReadVolatile(path)
	if err != nil {
		t.Fatal(err)
	}
	queries := query.New(databases, checker, volatile, limits, query.NewMetrics(registry), nil, slog.New(slog.DiscardHandler))
	g := &Gateway{Databases: databases, Registry: registry, Queries: queries, Ended: make(chan error, 1)}
	group := new(errgroup.Group)
	group.Go(func() error { return databases.Run(ctx) })
	group.Go(func() error {
		err := queries.Run(ctx)
		if err != nil {
			g.Ended <- err
		}
		return err
	})
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil && (g.MayEnd == nil || !g.MayEnd(err)) {
			t.Error(err)
		}
		checker.Close()
	})
	return g
}

// Await waits until the database serves generation n or a newer one.
func (g *Gateway) Await(t testing.TB, database string, n uint64) {
	t.Helper()
	Eventually(t, func() bool {
		snapshot, err := g.Queries.Snapshot(database)
		if err != nil {
			return false
		}
		defer snapshot.Release()
		return snapshot.Manifest().Generation >= n
	})
}

// Eventually waits until done, and fails the test when that takes unreasonably long.
func Eventually(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still waiting after 3 minutes")
		}
	}
}
