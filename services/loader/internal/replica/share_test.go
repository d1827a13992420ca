package replica

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// However long publications take, the next one waits so that they have a quarter of the time under a backlog and half of it otherwise, and never comes before the
// least time between two of them.
func TestPublishingKeepsToItsShare(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4)) //nolint:gosec // repeatable on purpose
	for range 500 {
		rep := New(Config{Database: "shop", PublishInterval: time.Duration(r.IntN(1000)) * time.Millisecond}, nil, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		p := newPublisher(rep, new(publish.Publisher), nil)
		took := time.Duration(r.IntN(20_000)) * time.Millisecond
		p.began = time.Now().Add(-took)
		p.finished(result{})
		busy := loop{session: &session{Replica: rep, pub: p}}
		next := busy.publishAt()
		if rest := next.Sub(p.ended); rest < (share-1)*took {
			t.Fatalf("after a publication of %v under a backlog the next comes after %v", took, rest)
		}
		if next.Sub(p.began) < rep.cfg.PublishInterval {
			t.Fatalf("the next publication comes %v after the last, at most every %v there may be one", next.Sub(p.began), rep.cfg.PublishInterval)
		}
		// Had there been no interval, it would be just that: publishing is as eager as its share lets it be.
		if rest := next.Sub(p.ended); rep.cfg.PublishInterval < took && rest > (share-1)*took+time.Second {
			t.Fatalf("after a publication of %v the next comes only after %v", took, rest)
		}
	}
}
