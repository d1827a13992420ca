package gateway

import (
	"fmt"
	"net/http"
	"os"
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
	const generations, clients, rows = 1000, 64, 5000
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec(fmt.Sprintf("CREATE TABLE t AS SELECT i, 1::BIGINT AS g FROM range(%d) r(i)", rows))
	p.Publish()
	s := start(t, data, func(c *Config) { c.MemoryLimit = "256MB" })
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })

	var queries, done atomic.Int64
	var running sync.WaitGroup
	for i := range clients {
		c := s.login("/ws")
		running.Go(func() {
			last := 0.0
			for n := 0; done.Load() == 0; n++ {
				r := c.ask(`{"id":"%d","type":"query","sql":"SELECT min(g) AS low, max(g) AS high, count(*) AS n, %d AS c FROM t","meta":true}`, n, i)
				if !r.Success {
					t.Errorf("client %d: %+v", i, r)
					return
				}
				low, high := r.Result[0]["low"].(float64), r.Result[0]["high"].(float64)
				if low != high || low < last || r.Result[0]["n"] != float64(rows) || r.Meta.Generation != int(low) {
					t.Errorf("client %d: generation %d after %v: %v", i, r.Meta.Generation, last, r.Result)
					return
				}
				last = low
				queries.Add(1)
			}
		})
	}
	long := s.login("/ws")
	long.write(`{"id":"long","type":"stream","sql":"SELECT t.g FROM t, range(100)","credit":1,"chunkRows":1000}`)
	long.read()
	long.read()
	opened := map[int]int{}
	early, late := 0, 0
	for n := 2; n <= generations; n++ {
		p.Exec("UPDATE t SET g = g + 1")
		p.Publish()
		switch n {
		case generations / 4:
			early = resident(t)
		case generations:
			late = resident(t)
		}
		if n%100 == 0 {
			_, m := s.get("/metrics")
			opened[n] = int(value(t, m, "duckling_gateway_open_generations"))
		}
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return value(t, m, `duckling_gateway_generation{database="default"}`) == generations
	})
	done.Store(1)
	running.Wait()
	long.raw(`{"id":"long","type":"credit","credit":1024}`)
	read := 1000
	for r := long.read(); r.Type != "end"; r = long.read() {
		if !r.Success {
			t.Fatalf("the long stream: %+v", r)
		}
		for _, row := range r.Result {
			if row["g"] != 1.0 {
				t.Fatalf("the long stream has a row of generation %v", row["g"])
			}
			read++
		}
	}
	if read != 100*rows {
		t.Errorf("the long stream has %d rows", read)
	}
	_, m := s.get("/metrics")
	served := value(t, m, `duckling_gateway_generation_open_seconds_count{database="default"}`)
	t.Logf("%d queries, %v of %d generations served, open at a time %v, a swap took %.1f ms, memory %d MB after a quarter, %d MB at the end", queries.Load(), served, generations, opened,
		1000*value(t, m, `duckling_gateway_generation_open_seconds_sum{database="default"}`)/served, early>>20, late>>20)
	if queries.Load() < generations || served < generations/4 {
		t.Errorf("%d queries on %v generations: too few to say anything", queries.Load(), served)
	}
	if late > early+early/2 {
		t.Errorf("memory grew from %d to %d bytes", early, late)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return value(t, m, "duckling_gateway_open_generations") == 1
	})
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

// resident is the memory of this process, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
