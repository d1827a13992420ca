package query_test

import (
	"sync"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// Results that are read slowly may keep their generation for as long as nobody needs the room. When the loader does, those that have been there for
// longer than a statement may run are let go, one generation after the other from the oldest on, and the newest is nobody's to let go.
func TestOldGenerationsAreLetGoWhenTheLoaderWaits(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT i FROM range(100000) r(i)")
	limits := gentest.Limits
	limits.Timeout = time.Second
	g := gentest.Serve(t, data, limits)
	var slow []*query.Rows
	var closes []func()
	for range 3 {
		g.Await(t, "default", p.Publish())
		snapshot, err := g.Queries.Snapshot("default")
		if err != nil {
			t.Fatal(err)
		}
		rows, err := snapshot.Query(t.Context(), query.Statement{SQL: "SELECT i FROM t", Kind: query.KindStream, Timeout: limits.Timeout})
		snapshot.Release()
		if err != nil {
			t.Fatal(err)
		}
		rows.Pause()
		slow, closes = append(slow, rows), append(closes, sync.OnceFunc(rows.Close))
		defer closes[len(closes)-1]()
	}
	gentest.Eventually(t, func() bool {
		all := g.Queries.Active()
		return all[len(all)-1].ElapsedMs > 2*limits.Timeout.Milliseconds()
	})
	letGo := func() float64 { return metric(t, g, "duckling_gateway_query_rejections_total", "hold") }
	for i, rows := range slow {
		if err := rows.Resume(); err != nil {
			t.Fatalf("nobody waits for room, and result %d was stopped: %v", i, err)
		}
		rows.Pause()
	}
	p.Wait()
	for i := range 2 {
		<-slow[i].Stopping()
		if n := letGo(); n != float64(i+1) {
			t.Fatalf("%v results were let go in place of the oldest %d", n, i+1)
		}
		if err := slow[i].Resume(); code(err) != query.CodeSlowConsumer {
			t.Fatalf("result %d, which was let go, says %v", i, err)
		}
		closes[i]()
	}
	gentest.Eventually(t, func() bool { return openGenerations(t, g) == 1 })
	if err := slow[2].Resume(); err != nil || letGo() != 2 {
		t.Fatalf("the newest generation was let go: %v", err)
	}
}
