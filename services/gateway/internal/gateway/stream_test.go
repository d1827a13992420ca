package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

func TestWebSocketStream(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	c.write(`{"id":"1","type":"stream","sql":"SELECT i FROM range(?) t(i)","params":[25],"credit":2,"chunkRows":10}`)
	if r := c.read(); r.Type != "start" || !r.Success || r.Meta.Generation != 1 || fmt.Sprint(r.Meta.Columns) != "[{i BIGINT}]" {
		t.Fatalf("%+v", r)
	}
	next := 0.0
	chunk := func(seq, rows int) {
		t.Helper()
		r := c.read()
		if r.Type != "chunk" || r.Seq != seq || len(r.Result) != rows {
			t.Fatalf("%+v", r)
		}
		for _, row := range r.Result {
			if row["i"] != next {
				t.Fatalf("row %v in place of %v", row, next)
			}
			next++
		}
	}
	chunk(0, 10)
	chunk(1, 10)
	if r := c.ask(`{"id":"2","type":"ping"}`); r.ID != "2" {
		t.Errorf("a chunk without credit: %+v", r)
	}
	c.write(`{"id":"1","type":"credit","credit":1}`)
	chunk(2, 5)
	if r := c.read(); r.Type != "end" || r.Chunks != 3 || r.Rows != 25 || r.Duration == nil {
		t.Errorf("%+v", r)
	}
	c.write(`{"id":"1","type":"credit","credit":5}`) // for one that has ended: ignored
	c.write(`{"id":"3","type":"stream","sql":"SELECT 1 AS a WHERE false","credit":1}`)
	if a, b := c.read(), c.read(); a.Type != "start" || b.Type != "end" || b.Rows != 0 || b.Chunks != 0 {
		t.Errorf("an empty one: %+v %+v", a, b)
	}
	if r := c.ask(`{"id":"4","type":"stream","sql":"SELECT nope","credit":1}`); r.Code != "NOT_FOUND" || r.Success {
		t.Errorf("%+v", r)
	}
	c.write(`{"id":"5","type":"stream","sql":"SELECT repeat('x', 300000) AS x FROM range(10)","credit":100}`)
	c.read()
	for rows := 0; rows < 10; {
		r := c.read()
		if r.Type != "chunk" || len(r.Result) > 5 {
			t.Fatalf("a chunk of %d rows of 300 kB", len(r.Result))
		}
		rows += len(r.Result)
	}
	if r := c.read(); r.Type != "end" || r.Rows != 10 {
		t.Errorf("%+v", r)
	}
	c.write(`{"id":"6","type":"stream","sql":"SELECT i, CASE WHEN i = 50000 THEN error('boom') ELSE i END AS x FROM range(100000) t(i)","credit":1000}`)
	for r := c.read(); ; r = c.read() {
		if r.Type == "end" {
			t.Fatal("a stream that failed has an end")
		}
		if !r.Success {
			if r.Type != "" || r.Code == "" {
				t.Errorf("%+v", r)
			}
			break
		}
	}
}

// Many rows come through while neither side holds them.
func TestWebSocketStreamOfManyRows(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	c.write(`{"id":"1","type":"stream","sql":"SELECT i FROM range(200000) t(i)","credit":4,"chunkRows":5000}`)
	rows, seq := 0, 0
	for r := c.read(); r.Type != "end"; r = c.read() {
		if !r.Success {
			t.Fatalf("%+v", r)
		}
		if r.Type == "chunk" {
			if r.Seq != seq || r.Result[0]["i"] != float64(rows) {
				t.Fatalf("chunk %d begins with %v", r.Seq, r.Result[0])
			}
			seq++
			rows += len(r.Result)
			c.raw(`{"id":"1","type":"credit","credit":1}`)
		}
	}
	if rows != 200000 {
		t.Errorf("%d rows", rows)
	}
}

// A stream that waits for credit holds no place, may be cancelled, and ends by itself after a while.
func TestWebSocketStreamWithoutCredit(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxConcurrent, c.StreamTimeout = 1, 500*time.Millisecond })
	c := s.login("/ws")
	for _, id := range []string{"a", "b"} {
		c.write(`{"id":"%s","type":"stream","sql":"SELECT i FROM range(100000) t(i)","credit":1,"chunkRows":10}`, id)
		if a, b := c.read(), c.read(); a.Type != "start" || b.Type != "chunk" || a.ID != id {
			t.Fatalf("%+v %+v", a, b)
		}
	}
	if r := c.ask(`{"id":"q","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("%+v", r)
	}
	c.write(`{"id":"c","type":"cancel","target":"a"}`)
	both := c.replies(2)
	if both["c"].Result[0]["cancelled"] != true || both["a"].Code != "CANCELLED" {
		t.Errorf("%+v", both)
	}
	if r := c.read(); r.ID != "b" || r.Code != "SLOW_CONSUMER" {
		t.Errorf("%+v", r)
	}
	_, m := s.get("/metrics")
	if value(t, m, `duckling_gateway_ws_limit_exceeded_total{limit="stream_wait"}`) != 1 {
		t.Error("the metric does not count a stream that waited too long")
	}
	if !strings.Contains(m, "duckling_gateway_ws_streams 0\n") || !strings.Contains(m, "duckling_gateway_active_queries 0\n") {
		t.Error("something of the streams is left")
	}
}

// A stream on an old generation that waits for its client ends at once when its time is over and the loader needs the room.
func TestWebSocketStreamIsLetGo(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Publish()
	s := start(t, data, func(c *Config) { c.QueryTimeout, c.StreamTimeout = time.Second, time.Hour })
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	c := s.login("/ws")
	c.write(`{"id":"a","type":"stream","sql":"SELECT i FROM range(100000) t(i)","credit":1,"chunkRows":10}`)
	if a, b := c.read(), c.read(); a.Type != "start" || b.Type != "chunk" {
		t.Fatalf("%+v %+v", a, b)
	}
	p.Publish()
	p.Wait()
	if r := c.read(); r.ID != "a" || r.Code != "SLOW_CONSUMER" || !strings.Contains(r.Error, "room") {
		t.Fatalf("%+v", r)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return value(t, m, "duckling_gateway_open_generations") == 1
	})
}

func TestWebSocketStreamLimit(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	for i := range 32 {
		c.write(`{"id":"%d","type":"stream","sql":"SELECT i FROM range(100000) t(i)","credit":1,"chunkRows":10}`, i)
	}
	for range 64 {
		c.read()
	}
	if r := c.ask(`{"id":"x","type":"stream","sql":"SELECT 1","credit":1}`); r.Code != "LIMIT_EXCEEDED" {
		t.Errorf("%+v", r)
	}
	if _, m := s.get("/metrics"); !strings.Contains(m, `duckling_gateway_ws_limit_exceeded_total{limit="streams"} 1`) {
		t.Error("the metric does not count it")
	}
	c.conn.Close()
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_active_queries 0\n")
	})
}

// subscribed serves a table t of one number.
func subscribed(t *testing.T) (*gentest.Publisher, *server) {
	t.Helper()
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT i AS id, 'row ' || i AS name FROM range(100) r(i); CREATE TABLE u AS SELECT 1 AS a")
	p.Publish()
	s := start(t, data)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	return p, s
}

func TestWebSocketSubscription(t *testing.T) {
	p, s := subscribed(t)
	c := s.login("/ws")
	r := c.ask(`{"id":"1","type":"subscribe","sql":"SELECT count(*) AS n FROM t"}`)
	if r.Type != "update" || r.Seq != 0 || r.Result[0]["n"] != 100.0 || r.Meta.Generation != 1 || r.Duration == nil {
		t.Fatalf("%+v", r)
	}
	p.Exec("INSERT INTO u VALUES (2)") // another table: the result does not change
	p.Publish()
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_ws_reruns_total 2\n")
	})
	p.Exec("DELETE FROM t WHERE id < 10")
	p.Publish()
	if r := c.read(); r.Type != "update" || r.Seq != 1 || r.Result[0]["n"] != 90.0 || r.Meta.Generation != 3 {
		t.Errorf("%+v", r)
	}
	if r := c.ask(`{"id":"2","type":"unsubscribe","target":"1"}`); r.Result[0]["unsubscribed"] != true {
		t.Errorf("%+v", r)
	}
	p.Exec("DELETE FROM t")
	p.Publish()
	gentest.Eventually(t, func() bool { // else it might be news for the next subscription
		_, m := s.get("/metrics")
		return value(t, m, `duckling_gateway_generation{database="default"}`) == 4
	})
	if r := c.ask(`{"id":"3","type":"unsubscribe","target":"1"}`); r.Result[0]["unsubscribed"] != false {
		t.Errorf("%+v", r)
	}
	if r := c.ask(`{"id":"4","type":"subscribe","sql":"SELECT nope FROM t"}`); r.Code != "NOT_FOUND" || r.Type != "" {
		t.Errorf("%+v", r)
	}
	c.ask(`{"id":"5","type":"subscribe","sql":"SELECT count(*) AS n FROM t"}`)
	c.write(`{"id":"6","type":"cancel","target":"5"}`)
	if both := c.replies(2); both["6"].Result[0]["cancelled"] != true || both["5"].Code != "CANCELLED" {
		t.Errorf("%+v", both)
	}
	// The table goes away: the subscription ends with the reason.
	c.ask(`{"id":"7","type":"subscribe","sql":"SELECT count(*) AS n FROM u"}`)
	p.Exec("DROP TABLE u")
	p.Publish()
	if r := c.read(); r.ID != "7" || r.Code != "NOT_FOUND" {
		t.Errorf("%+v", r)
	}
	_, m := s.get("/metrics")
	if !strings.Contains(m, "duckling_gateway_ws_subscriptions 0\n") || !strings.Contains(m, "duckling_gateway_ws_feeds 0\n") {
		t.Error("something of the subscriptions is left")
	}
}

func TestWebSocketSubscriptionDifference(t *testing.T) {
	p, s := subscribed(t)
	c := s.login("/ws")
	c.ask(`{"id":"1","type":"subscribe","sql":"SELECT * FROM t ORDER BY id","diff":true}`)
	p.Exec("UPDATE t SET name = 'new' WHERE id = 7; DELETE FROM t WHERE id = 8")
	p.Publish()
	if r := c.read(); r.Result != nil || fmt.Sprint(r.Added) != "[map[id:7 name:new]]" || fmt.Sprint(r.Removed) != "[map[id:7 name:row 7] map[id:8 name:row 8]]" {
		t.Errorf("%+v", r)
	}
	p.Exec("UPDATE t SET name = 'other'")
	p.Publish()
	if r := c.read(); len(r.Result) != 99 || r.Added != nil || r.Seq != 2 {
		t.Errorf("all rows changed, which is shorter as a whole: %+v", r)
	}
}

// Equal statements of many clients run once for each generation.
func TestWebSocketSubscriptionsAreShared(t *testing.T) {
	p, s := subscribed(t)
	var clients []*client
	for range 10 {
		c := s.login("/ws")
		if r := c.ask(`{"id":"1","type":"subscribe","sql":"SELECT sum(id) AS n FROM t"}`); r.Type != "update" {
			t.Fatalf("%+v", r)
		}
		clients = append(clients, c)
	}
	for range 3 {
		p.Exec("DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
		n := p.Publish()
		for _, c := range clients {
			if r := c.read(); r.Meta.Generation != int(n) {
				t.Errorf("%+v", r)
			}
		}
	}
	if _, m := s.get("/metrics"); !strings.Contains(m, "duckling_gateway_ws_reruns_total 4\n") || !strings.Contains(m, "duckling_gateway_ws_feeds 1\n") ||
		!strings.Contains(m, "duckling_gateway_ws_updates_total 40\n") {
		t.Error("the statement ran more or less often than once a generation")
	}
}

// Within the interval nothing is sent, and after it only the newest.
func TestWebSocketSubscriptionInterval(t *testing.T) {
	p, s := subscribed(t)
	c := s.login("/ws")
	c.ask(`{"id":"1","type":"subscribe","sql":"SELECT count(*) AS n FROM t","minIntervalMs":1500}`)
	for range 5 {
		p.Exec("DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
		p.Publish()
	}
	if r := c.read(); r.Seq != 1 || r.Result[0]["n"] != 95.0 || r.Meta.Generation != 6 {
		t.Errorf("%+v", r)
	}
}
