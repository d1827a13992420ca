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
	"time"

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
	s := start(t, data, func(c *Config) { c.MemoryLimit, c.StreamTimeout = "256MB", 10*time.Minute })
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })

	var queries, done atomic.Int64
	var running sync.WaitGroup
	for i := range clients {
		c := s.login("/ws")
		running.Go(func() {
			last := 0.0
			for n := 0; done.Load() == 0; n++ {
				c.raw(fmt.Sprintf(`{"id":"%d","type":"query","sql":"SELECT min(g) AS low, max(g) AS high, count(*) AS n, %d AS c FROM t","meta":true}`, n, i))
				r := c.take(n%50 == 0)
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
	long.write(`{"id":"long","type":"stream","sql":"SELECT t.g FROM t, range(100)","credit":1,"chunkRows":2500}`)
	long.read()
	long.read()
	read := make(chan int, 1)
	go func() { // reading all the time, as a client has to that answers pings
		defer close(read) // also when a read fails, which ends this goroutine
		read <- readStream(t, long)
	}()
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
	if n := <-read; n != 99*rows {
		t.Errorf("the long stream has %d rows after the first chunk", n)
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
