package query_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

const (
	// endless runs until it is stopped; deaf does not notice for seconds that it is to stop, as DuckDB is in one call for one vector.
	endless = "SELECT count(*) FROM range(1000000000) a, range(1000) b"
	deaf    = "SELECT list_reduce(range(%d), lambda x, y: (x + y) %% 1000003) AS r"
)

// serve serves an empty database with limits.
func serve(t testing.TB, change func(*query.Limits)) *gentest.Gateway {
	t.Helper()
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT i FROM range(1000) r(i)")
	p.Publish()
	limits := gentest.Limits
	change(&limits)
	g := gentest.Serve(t, data, limits)
	g.Await(t, "default", 1)
	return g
}

// metric is a counter's or gauge's value, summed over its labels.
func metric(t testing.TB, g *gentest.Gateway, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if text := m.String(); len(labels) > 0 && !strings.Contains(text, `"`+labels[0]+`"`) {
				continue
			}
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if !found && len(labels) == 0 {
		t.Fatalf("there is no metric %s", name)
	}
	return sum
}

// launch starts a statement of a key and returns where its answer comes.
func launch(t testing.TB, g *gentest.Gateway, key, sql string, params ...any) (<-chan query.Answer, *query.Handle) {
	t.Helper()
	snapshot, err := g.Queries.Snapshot("default")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	answered := make(chan query.Answer, 2)
	st := query.Statement{SQL: sql, Params: params, Dialect: dialect.Auto, Key: key, Kind: query.KindQuery}
	return answered, snapshot.Go(st, encode.Options{}, nil, func(a query.Answer) { answered <- a })
}

func code(err error) query.Code {
	var e *query.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func running(t testing.TB, g *gentest.Gateway, n int) {
	t.Helper()
	gentest.Eventually(t, func() bool { return metric(t, g, "duckling_gateway_running_queries") == float64(n) })
}

func TestTimeoutCountsTheQueue(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Concurrent, l.Timeout = 1, 200*time.Millisecond })
	first, _ := launch(t, g, "a", endless)
	running(t, g, 1)
	second, _ := launch(t, g, "b", endless)
	for _, answered := range []<-chan query.Answer{first, second} {
		if a := <-answered; code(a.Err) != query.CodeTimeout {
			t.Errorf("got %v", a.Err)
		}
	}
	running(t, g, 0)
	if n := metric(t, g, "duckling_gateway_query_rejections_total", "timeout"); n != 2 {
		t.Errorf("the metric says %v timeouts", n)
	}
	if n := metric(t, g, "duckling_gateway_query_seconds"); n != 2 {
		t.Errorf("the histogram has %v statements", n)
	}
}

func TestCancelWhileQueuedAndWhileRunning(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Concurrent = 1 })
	first, one := launch(t, g, "", endless)
	running(t, g, 1)
	second, two := launch(t, g, "", endless)
	gentest.Eventually(t, func() bool { return metric(t, g, "duckling_gateway_waiting_queries") == 1 })
	if !two.Cancel() || code((<-second).Err) != query.CodeCancelled {
		t.Error("the one that waits was not cancelled")
	}
	if !one.Cancel() || code((<-first).Err) != query.CodeCancelled {
		t.Error("the one that runs was not cancelled")
	}
	if one.Cancel() {
		t.Error("it was cancelled twice")
	}
	running(t, g, 0)
}

func TestFullQueueTurnsAway(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Concurrent, l.Queue = 1, 2 })
	_, one := launch(t, g, "", endless)
	running(t, g, 1)
	waiting := []*query.Handle{one}
	for range 2 {
		_, h := launch(t, g, "", endless)
		waiting = append(waiting, h)
	}
	gentest.Eventually(t, func() bool { return metric(t, g, "duckling_gateway_waiting_queries") == 2 })
	refused, _ := launch(t, g, "", "SELECT 1")
	var e *query.Error
	if err := (<-refused).Err; !errors.As(err, &e) || e.Code != query.CodeBusy || e.RetryAfter <= 0 || !e.Code.Retryable() {
		t.Errorf("got %#v", err)
	}
	if n := metric(t, g, "duckling_gateway_query_rejections_total", "queue"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	for _, h := range waiting {
		h.Cancel()
	}
}

// A key that sends ever more endless statements does not keep another key's from running.
func TestHeavyKeyDoesNotStarveOthers(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Concurrent, l.Queue = 4, 50 })
	var heavy []*query.Handle
	for range 60 {
		_, h := launch(t, g, "heavy", endless)
		heavy = append(heavy, h)
	}
	running(t, g, 3)
	for i := range 20 {
		answered, _ := launch(t, g, "light", fmt.Sprintf("SELECT %d AS a", i))
		if a := <-answered; a.Err != nil {
			t.Fatalf("statement %d of the light key: %v", i, a.Err)
		}
	}
	for _, h := range heavy {
		h.Cancel()
	}
}

func TestMemoryLimit(t *testing.T) {
	g := serve(t, func(*query.Limits) {})
	_, err := ask(t, g, "SELECT length(list(i)::VARCHAR) AS n FROM range(400000000) t(i)")
	if code(err) != query.CodeOutOfMemory {
		t.Errorf("got %v", err)
	}
	if n := metric(t, g, "duckling_gateway_query_errors_total", "OUT_OF_MEMORY"); n != 1 {
		t.Errorf("the metric says %v", n)
	}
	if got, err := ask(t, g, "SELECT 1 AS a"); err != nil || got != `[{"a":1}]` {
		t.Errorf("afterwards: %s, %v", got, err)
	}
}

func TestResultSizeIsCounted(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Rows, l.Bytes = 100, 1000 })
	for _, sql := range []string{"SELECT i FROM t", "SELECT repeat('x', 2000) AS x"} {
		if _, err := ask(t, g, sql); code(err) != query.CodeTooLarge {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := metric(t, g, "duckling_gateway_query_rejections_total", "size"); n != 2 {
		t.Errorf("the metric says %v", n)
	}
}

// A statement that DuckDB cannot interrupt is answered all the same, its place is free, and new statements run in another
// instance of the same generation.
func TestStuckStatementIsGivenUp(t *testing.T) {
	g := serve(t, func(l *query.Limits) {
		l.Concurrent, l.Timeout, l.Grace = 1, 100*time.Millisecond, 50*time.Millisecond
	})
	answered, _ := launch(t, g, "", fmt.Sprintf(deaf, 1500000))
	if a := <-answered; code(a.Err) != query.CodeTimeout {
		t.Fatalf("got %v", a.Err)
	}
	if n := metric(t, g, "duckling_gateway_stuck_queries_total"); n != 1 {
		t.Fatalf("the statement ended by itself, or was not counted: %v", n)
	}
	gentest.Eventually(t, func() bool { return metric(t, g, "duckling_gateway_retired_instances_total") == 1 })
	gentest.Eventually(t, func() bool { // the queue is short of time on a busy machine, not of places
		got, err := ask(t, g, "SELECT count(*) AS n FROM t")
		return err == nil && got == `[{"n":1000}]`
	})
	if list := g.Queries.Active(); len(list) != 1 || list[0].State != "stuck" {
		t.Errorf("active: %+v", list)
	}
	gentest.Eventually(t, func() bool {
		return metric(t, g, "duckling_gateway_stuck_queries") == 0 && len(g.Queries.Active()) == 0
	})
	if _, err := ask(t, g, "SELECT 1 AS a"); err != nil {
		t.Error(err)
	}
}

// When the process cannot be rid of what is stuck, Run says so and the process ends.
func TestTooManyStuckStatementsEndTheService(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Publish()
	limits := gentest.Limits
	limits.Timeout, limits.Grace, limits.Stuck = 100*time.Millisecond, 20*time.Millisecond, 1
	g := gentest.Serve(t, data, limits)
	g.MayEnd = func(err error) bool { return errors.Is(err, query.ErrStuck) }
	g.Await(t, "default", 1)
	for range 2 {
		launch(t, g, "", fmt.Sprintf(deaf, 1500000))
	}
	if err := <-g.Ended; !errors.Is(err, query.ErrStuck) {
		t.Errorf("got %v", err)
	}
}

func TestActiveQueriesCanBeListedAndCancelled(t *testing.T) {
	g := serve(t, func(*query.Limits) {})
	answered, _ := launch(t, g, "someone", endless)
	running(t, g, 1)
	list := g.Queries.Active()
	if len(list) != 1 || list[0].SQL != endless || list[0].State != "running" || list[0].Key != "someone" || list[0].Database != "default" || list[0].Generation != 1 || list[0].Kind != query.KindQuery {
		t.Fatalf("got %+v", list)
	}
	if g.Queries.Cancel("nonsense") || g.Queries.Cancel("0") || !g.Queries.Cancel(list[0].ID) {
		t.Error("cancel is wrong about what there is")
	}
	if a := <-answered; code(a.Err) != query.CodeCancelled {
		t.Errorf("got %v", a.Err)
	}
}

// A paused result holds no place, and goes on where it was.
func TestPausedRowsHoldNoPlace(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Concurrent = 1 })
	snapshot, err := g.Queries.Snapshot("default")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	rows, err := snapshot.Query(context.Background(), query.Statement{SQL: "SELECT i FROM range(100000) r(i)"})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for {
		chunk, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			break
		}
		n += chunk.Rows()
		rows.Pause()
		if _, err := ask(t, g, "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if err := rows.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	if n != 100000 {
		t.Errorf("got %d rows", n)
	}
}

func TestCacheAnswersWithoutRunning(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT 1 AS g")
	p.Publish()
	limits := gentest.Limits
	limits.Cache = 1 << 20
	g := gentest.Serve(t, data, limits)
	g.Await(t, "default", 1)
	counts := func() [3]float64 {
		return [3]float64{metric(t, g, "duckling_gateway_cache_hits_total"), metric(t, g, "duckling_gateway_cache_misses_total"), metric(t, g, "duckling_gateway_cache_evictions_total")}
	}
	for i, c := range []struct {
		sql    string
		params []any
		want   string
		counts [3]float64
	}{
		{"SELECT g FROM t", nil, `[{"g":1}]`, [3]float64{0, 1, 0}},
		{"SELECT g FROM t", nil, `[{"g":1}]`, [3]float64{1, 1, 0}},
		{"SELECT ? AS a", []any{int64(1)}, `[{"a":1}]`, [3]float64{1, 2, 0}},
		{"SELECT ? AS a", []any{"1"}, `[{"a":"1"}]`, [3]float64{1, 3, 0}},
		{"SELECT ? AS a", []any{int64(1)}, `[{"a":1}]`, [3]float64{2, 3, 0}},
		{"SELECT now() IS NULL AS a", nil, `[{"a":false}]`, [3]float64{2, 3, 0}},
		{"SELECT random() > 2 AS a", nil, `[{"a":false}]`, [3]float64{2, 3, 0}},
		{"SELECT CURDATE() IS NULL AS a", nil, `[{"a":false}]`, [3]float64{2, 3, 0}},
		{"SELECT nope FROM t", nil, "", [3]float64{2, 4, 0}},
		{"SELECT nope FROM t", nil, "", [3]float64{2, 5, 0}},
		{"SELECT repeat('x', 300000) AS x", nil, "", [3]float64{2, 6, 0}},
		{"SELECT repeat('x', 300000) AS x", nil, "", [3]float64{2, 7, 0}}, // too large to be kept
	} {
		got, _ := ask(t, g, c.sql, c.params...)
		if c.want != "" && got != c.want || counts() != c.counts {
			t.Errorf("%d: %s: got %.40s, hits, misses and evictions %v", i, c.sql, got, counts())
		}
	}
	before := metric(t, g, "duckling_gateway_cache_bytes")
	p.Exec("UPDATE t SET g = 2")
	g.Await(t, "default", p.Publish())
	if got, err := ask(t, g, "SELECT g FROM t"); err != nil || got != `[{"g":2}]` {
		t.Errorf("a new generation was answered with the old result: %s, %v", got, err)
	}
	if used := metric(t, g, "duckling_gateway_cache_bytes"); used == 0 || used >= before || counts()[2] != 0 {
		t.Errorf("the cache held %v bytes of one generation and holds %v of it and the next", before, used)
	}
	for i := range 20 {
		if _, err := ask(t, g, "SELECT repeat('x', 200000) AS x, ? AS i", int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if used := metric(t, g, "duckling_gateway_cache_bytes"); used > 1<<20 || used < 400000 || counts()[2] == 0 {
		t.Errorf("the cache holds %v bytes after %v evictions", used, counts()[2])
	}
}

// Equal statements at the same time run once, and go on when the first of them is cancelled.
func TestEqualStatementsRunOnce(t *testing.T) {
	g := serve(t, func(l *query.Limits) { l.Cache = 1 << 20 })
	const slow = "SELECT count(*) AS n FROM range(15000) a, range(10000) b WHERE (a.range * b.range) % 7 = 3"
	first, leader := launch(t, g, "", slow)
	running(t, g, 1)
	var followers []<-chan query.Answer
	for range 5 {
		f, _ := launch(t, g, "", slow)
		followers = append(followers, f)
	}
	gentest.Eventually(t, func() bool { return metric(t, g, "duckling_gateway_cache_shared_total") == 5 })
	if n := metric(t, g, "duckling_gateway_running_queries"); n != 1 {
		t.Errorf("%v statements run", n)
	}
	leader.Cancel()
	if a := <-first; code(a.Err) != query.CodeCancelled {
		t.Errorf("the first: %v", a.Err)
	}
	var results sync.Map
	for _, f := range followers {
		a := <-f
		if a.Err != nil {
			t.Errorf("a follower: %v", a.Err)
		}
		results.Store(string(a.JSON), true)
	}
	n := 0
	results.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d different results", n)
	}
	if misses := metric(t, g, "duckling_gateway_cache_misses_total"); misses != 2 {
		t.Errorf("the statement ran %v times; the first one's and one more were expected", misses)
	}
}
