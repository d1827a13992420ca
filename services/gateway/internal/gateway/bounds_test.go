package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// announce sends the head of a request with a body of so many bytes, and none of them: the server answers and hangs up
// without reading a body that is too large, which may cut off a client that is still sending it.
func (s *server) announce(bytes int) (int, string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /api/query HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", key, bytes); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// What a connection may have open is bounded, by the numbers that PROTOCOL.md gives, and each refusal is counted.
func TestBoundsOfOneConnection(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxConcurrent, c.MaxQueue, c.QueryTimeout = 1, 2000, 10*time.Minute })
	refused := func(c *client, frame, what string, limit int) {
		t.Helper()
		if r := c.ask("%s", frame); r.Code != "LIMIT_EXCEEDED" || r.Retryable || !strings.Contains(r.Error, fmt.Sprintf("%d %s", limit, what)) {
			t.Errorf("%s: %+v", what, r)
		}
		if _, m := s.get("/metrics"); value(t, m, `duckling_gateway_ws_limit_exceeded_total{limit="`+what+`"}`) != 1 {
			t.Errorf("%s: the metric does not count it", what)
		}
	}
	c := s.login("/ws")
	for i := range 1000 {
		c.raw(fmt.Sprintf(`{"id":"p%d","type":"prepare","sql":"SELECT 1"}`, i))
		if r := c.take(false); !r.Success {
			t.Fatalf("statement %d: %+v", i, r)
		}
	}
	refused(c, `{"id":"one more","type":"prepare","sql":"SELECT 1"}`, "statements", 1000)
	if r := c.ask(`{"id":"d","type":"deallocate","statement":"s1"}`); !r.Success {
		t.Errorf("%+v", r)
	}
	if r := c.ask(`{"id":"one more","type":"prepare","sql":"SELECT 1"}`); !r.Success {
		t.Errorf("after one was given up: %+v", r)
	}

	c = s.login("/ws")
	for i := range 200 {
		c.raw(fmt.Sprintf(`{"id":"s%d","type":"subscribe","sql":"SELECT 1 AS a"}`, i))
		if r := c.take(false); !r.Success {
			t.Fatalf("subscription %d: %+v", i, r)
		}
	}
	refused(c, `{"id":"one more","type":"subscribe","sql":"SELECT 1 AS a"}`, "subscriptions", 200)

	c = s.login("/ws")
	for i := range 1000 {
		c.raw(fmt.Sprintf(`{"id":"q%d","type":"query","sql":"%s"}`, i, neverEnding))
	}
	refused(c, `{"id":"one more","type":"query","sql":"SELECT 1 AS a"}`, "requests", 1000)
}

// Frames, bodies and the time for the key are bounded, and wrong keys are counted.
func TestBoundsOfWhatIsSent(t *testing.T) {
	s := shop(t, func(c *Config) { c.AuthTimeout = 200 * time.Millisecond })
	counted := func(reason string) {
		t.Helper()
		gentest.Eventually(t, func() bool {
			_, m := s.get("/metrics")
			return strings.Contains(m, `duckling_gateway_ws_refused_connections_total{reason="`+reason+`"} 1`)
		})
	}
	if code, text := s.connect("/ws", nil).closed(); code != 1008 || text != "no auth message in time" {
		t.Errorf("without a key: %d %s", code, text)
	}
	counted("auth_timeout")
	c := s.connect("/ws", nil)
	c.write(`{"id":"1","type":"auth","apiKey":"wrong"}`)
	if code, _ := c.closed(); code != 1008 {
		t.Errorf("a wrong key: %d", code)
	}
	counted("key")
	if code, _ := s.connect("/ws?db=nowhere&token="+key, nil).closed(); code != 1011 {
		t.Errorf("an unknown database: %d", code)
	}
	counted("database")
	c = s.login("/ws")
	c.raw(`{"id":"1","type":"query","sql":"` + strings.Repeat(" ", 10<<20) + `"}`)
	if code, _ := c.closed(); code != 1009 {
		t.Errorf("a large frame: %d", code)
	}
	counted("frame")
	if status, body := s.announce(10<<20 + 1); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"code":"BAD_REQUEST"`) {
		t.Errorf("a large body: %d %.200s", status, body)
	}
	if _, m := s.get("/metrics"); value(t, m, `duckling_gateway_http_refused_total{limit="body"}`) != 1 {
		t.Error("the metric does not count a large body")
	}
	if status, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT 1 WHERE 1 IN (1`+strings.Repeat(",1", 150000)+`)"}`); status != http.StatusForbidden || !strings.Contains(body, "at most 262144 are allowed") {
		t.Errorf("a long statement: %d %.200s", status, body)
	}
}

// Connections are bounded. One too many is told so and when to come again; what has become a WebSocket does not count.
func TestBoundOfHTTPConnections(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxHTTPConnections = 3 })
	open := func(n float64) { // of which the test's own client has one, that stays
		t.Helper()
		gentest.Eventually(t, func() bool {
			_, m := s.get("/metrics")
			return value(t, m, "duckling_gateway_http_connections") == n
		})
	}
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	ask := func(conn net.Conn) *http.Response {
		t.Helper()
		if _, err := fmt.Fprint(conn, "GET /health/live HTTP/1.1\r\nHost: gateway\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	open(1)
	for range 5 {
		s.login("/ws")
		open(1)
	}
	first := dial()
	dial()
	open(3)
	resp := ask(dial())
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), `"code":"UNAVAILABLE","retryable":true`) {
		t.Errorf("one too many: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	if _, m := s.get("/metrics"); value(t, m, `duckling_gateway_http_refused_total{limit="connections"}`) != 1 {
		t.Error("the metric does not count it")
	}
	if resp := ask(first); resp.StatusCode != http.StatusOK {
		t.Errorf("one of those that were there: %d", resp.StatusCode)
	}
	first.Close()
	open(2)
	if resp := ask(dial()); resp.StatusCode != http.StatusOK {
		t.Errorf("after one had gone: %d", resp.StatusCode)
	}
}

// The rows of a batch are bounded together: what came before stands, and the rest is refused.
func TestBoundOfABatch(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxBytes, c.ResultCache = 1<<20, 0 })
	c := s.login("/ws")
	item := `{"sql":"SELECT repeat('x', 300000) AS x"}`
	r := c.ask(`{"id":"1","type":"batch","queries":[%s,%s,%s,%s,%s,%s]}`, item, item, item, item, item, item)
	good, refused := 0, 0
	for _, one := range r.Results {
		switch {
		case one.Success && len(one.Result) == 1:
			good++
		case one.Code == "RESULT_TOO_LARGE":
			refused++
		}
	}
	if good != 3 || refused != 3 {
		t.Errorf("%d good, %d refused: %+.300v", good, refused, r)
	}
	if _, m := s.get("/metrics"); value(t, m, `duckling_gateway_ws_limit_exceeded_total{limit="batch_bytes"}`) != 3 {
		t.Error("the metric does not count them")
	}
}

// What a statement may put on disk is bounded.
func TestBoundOfSpilling(t *testing.T) {
	s := shop(t, func(c *Config) { c.MemoryLimit, c.MaxTemp = "100MB", 10<<20 })
	c := s.login("/ws")
	r := c.ask(`{"id":"1","type":"query","sql":"SELECT x FROM (SELECT hash(i)::VARCHAR || i AS x FROM range(10000000) t(i)) ORDER BY x LIMIT 1 OFFSET 9999999"}`)
	if r.Code != "OUT_OF_MEMORY" || !strings.Contains(r.Error, "max_temp_directory_size") {
		t.Errorf("%+v", r)
	}
	if _, m := s.get("/metrics"); value(t, m, `duckling_gateway_query_errors_total{code="OUT_OF_MEMORY"}`) != 1 {
		t.Error("the metric does not count it")
	}
	if r := c.ask(`{"id":"2","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("afterwards: %+v", r)
	}
}

// A client that does not answer pings is gone, and one that does stays.
func TestBoundOfSilence(t *testing.T) {
	s := shop(t, func(c *Config) { c.ping = 3 * time.Second })
	silent, lively := s.login("/ws"), s.login("/ws")
	silent.conn.SetPingHandler(func(string) error { return nil })
	pings := make(chan struct{}, 100)
	answer := lively.conn.PingHandler()
	lively.conn.SetPingHandler(func(payload string) error { pings <- struct{}{}; return answer(payload) })
	read := make(chan error, 1)
	go func() {
		_, _, err := lively.conn.ReadMessage()
		read <- err
	}()
	if code, _ := silent.closed(); code != 1006 {
		t.Errorf("closed with %d", code)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, `duckling_gateway_ws_refused_connections_total{reason="pong"} 1`) && strings.Contains(m, "duckling_gateway_ws_connections 1\n")
	})
	<-pings
	select {
	case err := <-read:
		t.Errorf("the one that answers was closed: %v", err)
	default:
	}
}
