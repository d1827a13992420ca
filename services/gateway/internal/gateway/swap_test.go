package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// While a thousand generations come and go, 64 clients query over WebSocket. Every row of a generation says its number: an answer
// that holds two numbers, or one older than the answer before, or fails, is a fault. A stream that was opened on an early generation
// is read to its end on it, and memory does not grow.
func TestThousandGenerationsUnderLoad(t *testing.T) {
	const generations, clients, rows = 1000, 64, 2500
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec(fmt.Sprintf("CREATE TABLE t AS SELECT i, 1::BIGINT AS g FROM range(%d) r(i)", rows))
	p.Publish()
	s, pid := launch(t, data, "DUCKDB_MEMORY_LIMIT=256MB", "STREAM_TIMEOUT=10m")
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })

	var queries, newest atomic.Int64 // newest is the generation of the newest answer
	var running sync.WaitGroup
	// A client that has an answer of the newest generation rests until the next is published, so that the two cores have time for that: from then on it asks and asks.
	var mu sync.Mutex
	published, resting := 1, sync.NewCond(&mu)
	publish := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		published = n
		resting.Broadcast()
	}
	rest := func(seen int) (more bool) {
		mu.Lock()
		defer mu.Unlock()
		for published == seen {
			resting.Wait()
		}
		return published > 0
	}
	defer publish(0) // the end
	for i := range clients {
		c := s.login("/ws")
		running.Go(func() {
			last := 0.0
			for n := 0; rest(int(last)); n++ {
				c.raw(fmt.Sprintf(`{"id":"%d","type":"query","sql":"SELECT min(g) AS low, max(g) AS high, count(*) AS n, ? AS c FROM t","params":[%d],"meta":true}`, n, i))
				r := c.take(n%100 == 0)
				if !r.Success {
					t.Errorf("client %d: %+v", i, r)
					return
				}
				low, high := r.Result[0]["low"].(float64), r.Result[0]["high"].(float64)
				if low != high || low < last || r.Result[0]["n"] != float64(rows) || r.Meta.Generation != int(low) {
					t.Errorf("client %d: generation %d after %v: %v", i, r.Meta.Generation, last, r.Result)
					return
				}
				for seen := newest.Load(); seen < int64(low) && !newest.CompareAndSwap(seen, int64(low)); seen = newest.Load() {
				}
				last = low
				queries.Add(1)
			}
		})
	}
	long := s.login("/ws")
	long.write(`{"id":"long","type":"stream","sql":"SELECT t.g FROM t, range(100)","credit":1,"chunkRows":2500}`)
	long.read()
	long.read()
	read := make(chan int, 1)
	go func() { // reading all the time, as a client has to that answers pings
		defer close(read) // also when a read fails, which ends this goroutine
		read <- readStream(t, long)
	}()
	opened := map[int]int{}
	// Memory is looked at after each generation. The first quarter is for warming up.
	peaks := [4]int{}
	for n := 2; n <= generations; n++ {
		p.Exec("UPDATE t SET g = g + 1")
		p.Publish()
		publish(n)
		gentest.Eventually(t, func() bool { return newest.Load() == int64(n) }) // so that each generation is served
		quarter := (n - 1) * len(peaks) / generations
		peaks[quarter] = max(peaks[quarter], resident(t, pid))
		if n%100 == 0 {
			_, m := s.get("/metrics")
			opened[n] = int(value(t, m, "duckling_gateway_open_generations"))
		}
	}
	publish(0)
	running.Wait()
	long.raw(`{"id":"long","type":"credit","credit":1024}`)
	if n := <-read; n != 99*rows {
		t.Errorf("the long stream has %d rows after the first chunk", n)
	}
	_, m := s.get("/metrics")
	served := value(t, m, `duckling_gateway_generation_open_seconds_count{database="default"}`)
	t.Logf("%d queries, %v of %d generations served, open at a time %v, a swap took %.1f ms, most memory by quarters %d", queries.Load(), served, generations, opened,
		1000*value(t, m, `duckling_gateway_generation_open_seconds_sum{database="default"}`)/served, peaks)
	if served != generations {
		t.Errorf("%v of %d generations were served", served, generations)
	}
	if before, after := peaks[1], max(peaks[2], peaks[3]); after > before+before/5 {
		t.Errorf("memory grew: at most %d bytes in the second quarter, %d in the second half", before, after)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return value(t, m, "duckling_gateway_open_generations") == 1
	})
}

// A client that comes while the gateway starts waits for its answer. If it were told that the database is unknown, or has no data yet,
// the clients that come back after a restart would give up.
func TestFirstQueryOfARestartedGateway(t *testing.T) {
	data := t.TempDir()
	for i := range 5 {
		p := gentest.New(t, data, "db"+strconv.Itoa(i))
		p.Shop()
		p.Publish()
	}
	s := start(t, data)
	for i := range 5 {
		c := s.login("/ws?db=db" + strconv.Itoa(i))
		if r := c.ask(`{"id":"1","type":"query","sql":"SELECT count(*) AS n FROM User"}`); !r.Success || r.Result[0]["n"] != 100.0 {
			t.Errorf("database %d: %+v", i, r)
		}
	}
}

// readStream reads a stream to its end and returns how many rows it had, all of which are to be of the first generation.
func readStream(t *testing.T, c *client) int {
	rows := 0
	for r := c.take(false); r.Type != "end"; r = c.take(false) {
		if !r.Success {
			t.Errorf("the long stream: %+v", r)
			return rows
		}
		for _, row := range r.Result {
			if row["g"] != 1.0 {
				t.Errorf("the long stream has a row of generation %v", row["g"])
				return rows
			}
			rows++
		}
	}
	return rows
}

// value is that of one metric.
func value(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
