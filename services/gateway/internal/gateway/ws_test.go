package gateway

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// neverEnding runs until it is stopped.
const neverEnding = "SELECT count(*) FROM range(1000000000) a, range(1000) b"

func TestWebSocketConversation(t *testing.T) {
	s := shop(t)
	c := s.connect("/ws?db=default", nil)
	if r := c.read(); r.ID != "welcome" || !r.Success || r.Result[0]["version"] == nil || r.Result[0]["architecture"] != "generations" || r.Result[0]["message"] == nil {
		t.Errorf("welcome: %+v", r)
	}
	if r := c.ask(`{"id":"0","type":"ping"}`); !r.Success {
		t.Errorf("ping before auth: %+v", r)
	}
	if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 1"}`); r.Success || r.Error != "Not authenticated. Send auth message with valid API key first." || r.Code != "AUTH_REQUIRED" || r.ID != "1" {
		t.Errorf("before auth: %+v", r)
	}
	c.raw(`{"id":"2","type":"auth"}`)
	if r := c.read(); r.Success || r.Error != "API key is required" || r.Code != "AUTH_REQUIRED" {
		t.Errorf("auth without a key: %+v", r)
	}
	if r := c.ask(`{"id":"3","type":"auth","apiKey":%q}`, key); !r.Success || r.Result[0]["authenticated"] != true || r.Result[0]["message"] != "Authentication successful" || r.Duration != nil {
		t.Errorf("auth: %+v", r)
	}
	if r := c.ask(`{"id":"4","type":"query","sql":"SELECT ? AS a, ? AS b, ? AS c, ? AS d, ?::VARCHAR AS e","params":[1,"x",null,true,9007199254740993]}`); !r.Success || r.Duration == nil ||
		r.Meta != nil || fmt.Sprint(r.Result) != "[map[a:1 b:x c:<nil> d:true e:9007199254740993]]" {
		t.Errorf("query: %+v", r)
	}
	r := c.ask("{\"id\":\"5\",\"type\":\"query\",\"sql\":\"SELECT COUNT(*) AS n, 1 AS n FROM `Order`\",\"meta\":true}")
	if r.Result[0]["n"] != 1000.0 || r.Result[0]["n_1"] != 1.0 || r.Meta == nil || r.Meta.Generation != 1 || r.Meta.LagMs == nil || r.Meta.AsOf.IsZero() ||
		!strings.HasPrefix(r.Meta.Position.GTIDSet, "3E11FA47") || fmt.Sprint(r.Meta.Columns) != "[{n BIGINT} {n_1 INTEGER}]" {
		t.Errorf("query with meta: %+v %+v", r, r.Meta)
	}
	if r := c.ask(`{"id":"6","type":"ping"}`); !r.Success || r.Result[0]["pong"] != true || r.Result[0]["timestamp"] == nil {
		t.Errorf("ping: %+v", r)
	}
	if r := c.ask(`{"id":"Ω\"\\","type":"query","sql":"SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS t, 9007199254740993 AS n","dateMode":"iso","numberMode":"number"}`); r.ID != `Ω"\` ||
		r.Result[0]["t"] != "2025-01-31T10:00:00.500" || r.Result[0]["n"] != 9007199254740992.0 {
		t.Errorf("modes: %+v", r)
	}
	for frame, want := range map[string]string{
		`{"id":"7","type":"query"}`:                                                "7 BAD_REQUEST SQL query is required",
		`{"id":"8","type":"query","sql":"SELECT nope FROM User"}`:                  "8 NOT_FOUND Binder Error: Referenced column",
		`{"id":"9","type":"query","sql":"DROP TABLE User"}`:                        "9 SQL_FORBIDDEN only queries are allowed",
		`{"id":"10","type":"dance"}`:                                               "10 UNKNOWN_TYPE Unknown message type 'dance'",
		`{"id":"11","type":"query","sql":"SELECT ?","params":{"a":1}}`:             "11 SQL_PARAMS params must be an array",
		`{"id":"11","type":"query","sql":"SELECT ?","params":[1e400]}`:             "11 SQL_PARAMS parameter 1: the number 1e400 is out of range",
		`{"id":"11","type":"query","sql":"SELECT ?","params":[[1,"a"]]}`:           "11 SQL_PARAMS parameter 1: element 1 is of another type",
		`{"id":"11","type":"query","sql":"SELECT ?","params":[[[1]]]}`:             "11 SQL_PARAMS parameter 1: element 0: a list in a list",
		`{"id":"12","type":"query","sql":7}`:                                       "12 BAD_REQUEST sql must be a string and is a number",
		`{"id":"13","type":"query","sql":"SELECT 1","dialect":"oracle"}`:           "13 BAD_REQUEST dialect is",
		`{"id":"13","type":"query","sql":"SELECT 1","numberMode":"roman"}`:         "13 BAD_REQUEST number",
		`{"id":"14","type":"query","sql":"SELECT * FROM __duckling_shadow"}`:       "14 NOT_FOUND Catalog Error",
		`{"id":"15","type":"query","sql":"SELECT ?"}`:                              "15 SQL_PARAMS",
		`{"id":"16","type":"execute","statement":"s9"}`:                            "16 STATEMENT_NOT_FOUND",
		`{"id":"17","type":"deallocate","statement":"s9"}`:                         "17 STATEMENT_NOT_FOUND",
		`{"id":"18","type":"batch","queries":["SELECT 1"]}`:                        "18 BAD_REQUEST queries must be an object and is a string",
		`{"id":"18","type":"batch","queries":[]}`:                                  "18 BAD_REQUEST queries",
		`{"id":"18","type":"batch","queries":[{"sql":"SELECT 1"},{"params":[1]}]}`: "18 BAD_REQUEST SQL query is required",
		`{"id":"19","type":"stream","sql":"SELECT 1"}`:                             "19 BAD_REQUEST credit",
		`{"id":"20","type":"stream","sql":"SELECT 1","credit":1,"chunkRows":0}`:    "20 BAD_REQUEST chunkRows",
		`{"id":"21","type":"prepare","sql":""}`:                                    "21 BAD_REQUEST SQL query is required",
		`{"id":"22","type":"subscribe","sql":"SELECT 1","minIntervalMs":-1}`:       "22 BAD_REQUEST minIntervalMs",
		`this is not JSON`:               "parse-error BAD_REQUEST Frame is not a JSON object with an id",
		`[1]`:                            "parse-error BAD_REQUEST Frame is not",
		`{"type":"ping"}`:                "parse-error BAD_REQUEST Frame is not",
		`{"id":5,"type":"ping"}`:         "parse-error BAD_REQUEST Frame is not",
		`{"id":"welcome","type":"ping"}`: "parse-error BAD_REQUEST Frame is not",
		`{"id":"` + strings.Repeat("x", 129) + `"}`: "parse-error BAD_REQUEST Frame is not",
	} {
		c.raw(frame)
		r := c.read()
		if got := fmt.Sprint(r.ID, " ", r.Code, " ", r.Error); r.Success || !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", frame, got, want)
		}
	}
	if r := c.ask(`{"id":"30","type":"query","sql":"SELECT 'ÄÖ' AS x,\n nope FROM User"}`); r.Position == nil || *r.Position != 19 {
		t.Errorf("position: %+v", r)
	}
	if r := c.ask(`{"id":"31","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("after errors: %+v", r)
	}
}

func TestWebSocketCloseCodes(t *testing.T) {
	s := shop(t, func(c *Config) { c.AuthTimeout = 300 * time.Millisecond })
	c := s.connect("/ws", nil)
	if code, _ := c.closed(); code != 1008 {
		t.Errorf("no auth in time: %d", code)
	}
	if code, text := s.connect("/ws?db=other", nil).closed(); code != 1011 || text != "Database 'other' not found. Available databases: default" {
		t.Errorf("unknown database: %d %s", code, text)
	}
	for _, c := range []*client{s.connect("/ws?token=wrong", nil), s.connect("/ws", http.Header{"Authorization": {"Bearer wrong"}})} {
		if code, text := c.closed(); code != 1008 || text != "Invalid API key (API key mismatch)" {
			t.Errorf("a wrong key in the handshake: %d %s", code, text)
		}
	}
	c = s.connect("/ws", nil)
	c.read()
	c.write(`{"id":"1","type":"auth","apiKey":"wrong"}`)
	c.write(`{"id":"2","type":"query","sql":"SELECT 1"}`)
	if r := c.read(); r.ID != "1" || r.Success || r.Error != "Invalid API key (API key mismatch)" || r.Code != "AUTH_INVALID" {
		t.Errorf("wrong key: %+v", r)
	}
	if code, text := c.closed(); code != 1008 || text != "Invalid API key (API key mismatch)" {
		t.Errorf("wrong key: %d %s", code, text)
	}
	c = s.login("/ws")
	c.raw(`{"id":"1","type":"query","sql":"` + strings.Repeat("x", 11<<20) + `"}`)
	if code, _ := c.closed(); code != 1009 {
		t.Errorf("a frame over 10 MB: %d", code)
	}
	c = s.login("/ws")
	s.stop()
	if code, _ := c.closed(); code != 1001 {
		t.Errorf("stopping: %d", code)
	}
}

// A small compressed frame must not become a large one.
func TestWebSocketFrameLimitHoldsUnpacked(t *testing.T) {
	s := shop(t)
	c := s.connectWith(&websocket.Dialer{EnableCompression: true}, "/ws?token="+key, nil)
	c.read()
	c.raw(`{"id":"1","type":"query","sql":"` + strings.Repeat(" ", 11<<20) + `"}`)
	if code, _ := c.closed(); code != 1009 {
		t.Errorf("a frame that unpacks to 11 MB: %d", code)
	}
}

func TestWebSocketConnectionLimit(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxConnections = 2 })
	first := s.login("/ws")
	s.login("/ws")
	if code, _ := s.connect("/ws", nil).closed(); code != 1013 {
		t.Errorf("the third connection: %d", code)
	}
	if _, m := s.get("/metrics"); !strings.Contains(m, `duckling_gateway_ws_refused_connections_total{reason="connections"} 1`) {
		t.Error("the metric does not count it")
	}
	first.conn.Close()
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_ws_connections 1\n")
	})
	s.login("/ws")
}

func TestWebSocketKeyInHandshake(t *testing.T) {
	s := shop(t)
	for _, c := range []*client{s.connect("/ws", http.Header{"Authorization": {"Bearer " + key}}), s.connect("/ws?token="+key, nil)} {
		c.read()
		if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
			t.Errorf("%+v", r)
		}
	}
}

// A slow query does not hold up the ones sent after it, and stops when its client goes away.
func TestWebSocketQueriesRunSideBySide(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	c.write(`{"id":"slow","type":"query","sql":"%s"}`, neverEnding)
	for i := range 100 {
		c.write(`{"id":"%d","type":"query","sql":"SELECT %d AS a"}`, i, i)
	}
	for id, r := range c.replies(100) {
		if !r.Success || fmt.Sprint(r.Result[0]["a"]) != id {
			t.Fatalf("%+v", r)
		}
	}
	_, metrics := s.get("/metrics")
	if !strings.Contains(metrics, "duckling_gateway_running_queries 1\n") {
		t.Error("the slow query does not run")
	}
	c.conn.Close()
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_running_queries 0\n")
	})
}

func TestWebSocketBatch(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	r := c.ask(`{"id":"1","type":"batch","meta":true,"dateMode":"iso","queries":[{"sql":"SELECT COUNT(*) AS n FROM User"},{"sql":"SELECT n FROM Usr WHERE id = ?","params":[1]},
		{"sql":"SELECT ? AS x","params":["b"]},{"sql":"SELECT 1/"},{"sql":"SELECT TIMESTAMP '2025-01-01 00:00:00' AS t"}]}`)
	if !r.Success || len(r.Results) != 5 || r.Duration == nil {
		t.Fatalf("%+v", r)
	}
	if a := r.Results[0]; !a.Success || a.Result[0]["n"] != 100.0 || a.Meta.Generation != 1 {
		t.Errorf("%+v", a)
	}
	if a := r.Results[1]; a.Success || a.Code != "NOT_FOUND" || a.Position == nil || *a.Position != 14 || a.Meta != nil {
		t.Errorf("%+v", a)
	}
	if a := r.Results[2]; !a.Success || a.Result[0]["x"] != "b" {
		t.Errorf("%+v", a)
	}
	if a := r.Results[3]; a.Success || a.Code != "SQL_SYNTAX" {
		t.Errorf("%+v", a)
	}
	if a := r.Results[4]; !a.Success || a.Result[0]["t"] != "2025-01-01T00:00:00" {
		t.Errorf("%+v", a)
	}
	many := strings.Repeat(`{"sql":"SELECT 1 AS a"},`, 999)
	if r := c.ask(`{"id":"2","type":"batch","queries":[%s{"sql":"SELECT 2 AS a"}]}`, many); len(r.Results) != 1000 || r.Results[999].Result[0]["a"] != 2.0 {
		t.Errorf("a thousand: %d", len(r.Results))
	}
	c.raw(`{"id":"3","type":"batch","queries":[` + many + `{"sql":"SELECT 1"},{"sql":"SELECT 1"}]}`)
	if r := c.read(); r.Success || r.Code != "BAD_REQUEST" {
		t.Errorf("1001: %+v", r)
	}
	c.write(`{"id":"4","type":"batch","queries":[%s{"sql":"SELECT 2 AS a"}]}`, strings.Repeat(`{"sql":"`+neverEnding+`"},`, 8))
	if r := c.ask(`{"id":"5","type":"cancel","target":"4"}`); r.ID == "5" && r.Result[0]["cancelled"] != true {
		t.Errorf("%+v", r)
	}
	if r := c.read(); r.Success && r.ID == "4" || !r.Success && r.Code != "CANCELLED" {
		t.Errorf("the cancelled batch: %+v", r)
	}
}

// The items of a batch see the same data, however many generations come in the meantime.
func TestWebSocketBatchRunsOnOneGeneration(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT 0 AS g FROM range(10000)")
	p.Publish()
	s := start(t, data, func(c *Config) { c.ResultCache = 0 })
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	c := s.login("/ws")
	queries := strings.Repeat(`{"sql":"SELECT min(g) AS a, max(g) AS b FROM t"},`, 50)
	seen := make(map[any]bool)
	for i := range 20 {
		p.Exec("UPDATE t SET g = g + 1")
		c.write(`{"id":"%d","type":"batch","queries":[%s]}`, i, strings.TrimSuffix(queries, ","))
		p.Publish()
		r := c.read()
		for _, item := range r.Results {
			if item.Result[0]["a"] != r.Results[0].Result[0]["a"] || item.Result[0]["b"] != r.Results[0].Result[0]["a"] {
				t.Fatalf("two generations in a batch: %v and %v", item.Result, r.Results[0].Result)
			}
		}
		seen[r.Results[0].Result[0]["a"]] = true
	}
	if len(seen) < 2 {
		t.Error("all batches ran on one generation; the test saw no swap")
	}
}

func TestWebSocketPreparedStatements(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t (id INTEGER, name VARCHAR); INSERT INTO t VALUES (7, 'Ada')")
	p.Publish()
	s := start(t, data)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	c := s.login("/ws")
	r := c.ask(`{"id":"1","type":"prepare","sql":"SELECT name, ? AS x FROM t WHERE id = ?"}`)
	if !r.Success || r.Result[0]["statement"] != "s1" || r.Result[0]["parameters"] != 2.0 || !strings.HasPrefix(fmt.Sprint(r.Result[0]["columns"]), "[map[name:name type:VARCHAR] map[name:x") {
		t.Fatalf("%+v", r)
	}
	if r := c.ask(`{"id":"2","type":"execute","statement":"s1","params":[1,7],"meta":true}`); !r.Success || fmt.Sprint(r.Result) != "[map[name:Ada x:1]]" || r.Meta.Generation != 1 || r.Duration == nil {
		t.Errorf("%+v", r)
	}
	if r := c.ask(`{"id":"3","type":"execute","statement":"s1","params":[1]}`); r.Code != "SQL_PARAMS" {
		t.Errorf("too few: %+v", r)
	}
	for sql, code := range map[string]string{"SELECT nope FROM t": "NOT_FOUND", "SELEC 1": "SQL_SYNTAX", "DROP TABLE t": "SQL_FORBIDDEN"} {
		if r := c.ask(`{"id":"4","type":"prepare","sql":%q}`, sql); r.Code != code {
			t.Errorf("%s: %+v", sql, r)
		}
	}
	p.Exec("ALTER TABLE t ADD COLUMN age INTEGER; UPDATE t SET name = 'Ada L.', age = 36")
	p.Publish()
	gentest.Eventually(t, func() bool {
		return fmt.Sprint(c.ask(`{"id":"5","type":"execute","statement":"s1","params":[2,7]}`).Result) == "[map[name:Ada L. x:2]]"
	})
	p.Exec("ALTER TABLE t DROP COLUMN name")
	p.Publish()
	gentest.Eventually(t, func() bool {
		return c.ask(`{"id":"6","type":"execute","statement":"s1","params":[2,7]}`).Code == "NOT_FOUND"
	})
	if r := s.login("/ws").ask(`{"id":"7","type":"execute","statement":"s1","params":[1,7]}`); r.Code != "STATEMENT_NOT_FOUND" {
		t.Errorf("another connection: %+v", r)
	}
	if r := c.ask(`{"id":"8","type":"deallocate","statement":"s1"}`); r.Result[0]["deallocated"] != true {
		t.Errorf("%+v", r)
	}
	if r := c.ask(`{"id":"9","type":"execute","statement":"s1","params":[1,7]}`); r.Code != "STATEMENT_NOT_FOUND" {
		t.Errorf("after deallocate: %+v", r)
	}
}

func TestWebSocketCancel(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxConcurrent = 1 })
	c := s.login("/ws")
	c.write(`{"id":"runs","type":"query","sql":"%s"}`, neverEnding)
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_running_queries 1\n")
	})
	c.write(`{"id":"waits","type":"query","sql":"%s"}`, neverEnding)
	if r := c.ask(`{"id":"waits","type":"query","sql":"SELECT 1"}`); r.Code != "BAD_REQUEST" {
		t.Errorf("an id twice in flight: %+v", r)
	}
	for _, target := range []string{"waits", "runs"} {
		c.write(`{"id":"c","type":"cancel","target":"%s"}`, target)
		both := c.replies(2)
		if both["c"].Result[0]["cancelled"] != true || both[target].Code != "CANCELLED" || both[target].Duration == nil || both[target].Error != "Query cancelled" {
			t.Errorf("%s: %+v", target, both)
		}
		if r := c.ask(`{"id":"c","type":"cancel","target":"%s"}`, target); r.Result[0]["cancelled"] != false {
			t.Errorf("cancelled again: %+v", r)
		}
	}
	if r := c.ask(`{"id":"runs","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("the id again: %+v", r)
	}
}

// A client that sends and does not read is cut off before it has taken the gateway's memory; others are not held up.
func TestWebSocketSlowReaderIsCutOff(t *testing.T) {
	s := shop(t, func(c *Config) { c.SendBuffer, c.ResultCache = 4<<20, 0 })
	slow, other := s.login("/ws"), s.login("/ws")
	for i := range 100 {
		slow.write(`{"id":"%d","type":"query","sql":"SELECT repeat('x', 1000000) AS x"}`, i)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, `duckling_gateway_ws_refused_connections_total{reason="slow_reader"} 1`)
	})
	if r := other.ask(`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("%+v", r)
	}
	if code, _ := slow.closed(); code != 1013 && code != 1006 {
		t.Errorf("closed with %d", code)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_ws_connections 1\n")
	})
}

// wire is a connection that counts what comes.
type wire struct {
	net.Conn
	bytes atomic.Int64
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.bytes.Add(int64(n))
	return n, err //nolint:wrapcheck // as the connection itself
}

// Large frames come compressed to those who offered it, small ones never.
func TestWebSocketCompressesLargeFrames(t *testing.T) {
	s := shop(t)
	for _, compression := range []bool{false, true} {
		var conn *wire
		c := s.connectWith(&websocket.Dialer{EnableCompression: compression, NetDial: func(network, addr string) (net.Conn, error) {
			tcp, err := net.Dial(network, addr)
			conn = &wire{Conn: tcp}
			return conn, err //nolint:wrapcheck // the test's own
		}}, "/ws?token="+key, nil)
		c.read()
		for _, n := range []int{10, 1000, 10000, 40000, 70000, 3000000} {
			before := conn.bytes.Load()
			if r := c.ask(`{"id":"1","type":"query","sql":"SELECT repeat('ab', %d) AS x"}`, n); len(r.Result[0]["x"].(string)) != 2*n {
				t.Errorf("%d: %+v", n, r)
			}
			// A text of one pair of letters all over takes a hundredth of its length at most.
			came, packed := int(conn.bytes.Load()-before), compression && 2*n > 32<<10
			if packed && came > 2*n/100+200 || !packed && came < 2*n {
				t.Errorf("compression offered %v: %d bytes came in %d", compression, 2*n, came)
			}
		}
	}
}
