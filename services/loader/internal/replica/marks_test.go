package replica

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Of a stream of which more and more is not needed, exactly that may go which was not needed STREAM_KEEP ago already, whenever it is looked at.
func TestFramesStayForStreamKeep(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9)) //nolint:gosec // repeatable on purpose
	for range 200 {
		keep := time.Duration(r.IntN(5)) * time.Minute
		now := time.Now()
		var m marks
		var history []mark
		var seq uint64
		for range 100 {
			now = now.Add(time.Duration(1+r.IntN(90)) * time.Second)
			seq += r.Uint64N(1000)
			history = append(history, mark{now, seq})
			var want uint64
			for _, h := range history {
				if now.Sub(h.at) >= keep {
					want = h.seq
				}
			}
			if got := m.note(now, seq, keep); got != want {
				t.Fatalf("with %v to keep frames up to %d may go, and %d is said", keep, want, got)
			}
		}
		if most := int(keep/time.Second) + 2; len(m) > most {
			t.Fatalf("%d marks are kept for %v", len(m), keep)
		}
	}
}
