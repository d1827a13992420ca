package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// client is one WebSocket connection.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

// reply is a frame from the server.
type reply struct {
	ID       any              `json:"id"`
	Success  bool             `json:"success"`
	Result   []map[string]any `json:"result"`
	Error    string           `json:"error"`
	Code     string           `json:"code"`
	Line     int              `json:"line"`
	Duration *float64         `json:"duration"`
	Meta     struct {
		Generation int
		LagMs      *int
		AsOf       time.Time
		Position   struct{ GTIDSet string }
	} `json:"meta"`
}

func (s *server) dial(path string, header http.Header) *client {
	s.t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, header)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	return &client{t: s.t, conn: conn}
}

// login returns a connection past welcome and auth.
func (s *server) login(path string) *client {
	s.t.Helper()
	c := s.dial(path, nil)
	c.read()
	if r := c.ask(`{"id":"a","type":"auth","apiKey":"` + key + `"}`); !r.Success {
		s.t.Fatalf("%+v", r)
	}
	return c
}

func (c *client) write(frame string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read() reply {
	c.t.Helper()
	_, frame, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	var r reply
	if err := json.Unmarshal(frame, &r); err != nil {
		c.t.Fatalf("%s: %v", frame, err)
	}
	return r
}

func (c *client) ask(frame string) reply { c.t.Helper(); c.write(frame); return c.read() }

// closed reads to the end of the connection and returns its close code and text.
func (c *client) closed() (int, string) {
	c.t.Helper()
	for {
		_, _, err := c.conn.ReadMessage()
		var closing *websocket.CloseError
		switch {
		case errors.As(err, &closing):
			return closing.Code, closing.Text
		case err != nil:
			c.t.Fatal(err)
		}
	}
}

func TestWebSocketConversation(t *testing.T) {
	s := shop(t)
	c := s.dial("/ws?db=default", nil)
	if r := c.read(); r.ID != "welcome" || !r.Success || r.Result[0]["version"] == nil || r.Result[0]["architecture"] == nil || r.Result[0]["message"] == nil {
		t.Errorf("welcome: %+v", r)
	}
	if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 1"}`); r.Success || r.Error != "Not authenticated. Send auth message with valid API key first." || r.ID != "1" {
		t.Errorf("before auth: %+v", r)
	}
	if r := c.ask(`{"id":"2","type":"auth"}`); r.Success || r.Error != "API key is required" {
		t.Errorf("auth without a key: %+v", r)
	}
	if r := c.ask(`{"id":"3","type":"auth","apiKey":"` + key + `"}`); !r.Success || r.Result[0]["authenticated"] != true || r.Result[0]["message"] != "Authentication successful" || r.Duration != nil {
		t.Errorf("auth: %+v", r)
	}
	if r := c.ask(`{"id":"4","type":"query","sql":"SELECT ? AS a, ? AS b, ? AS c, ? AS d","params":[1,"x",null,true]}`); !r.Success || r.Duration == nil ||
		fmt.Sprint(r.Result) != "[map[a:1 b:x c:<nil> d:true]]" {
		t.Errorf("query: %+v", r)
	}
	if r := c.ask("{\"id\":5,\"type\":\"query\",\"sql\":\"SELECT COUNT(*) AS n FROM `Order`\",\"meta\":true}"); r.ID != 5.0 || r.Result[0]["n"] != 1000.0 ||
		r.Meta.Generation != 1 || r.Meta.LagMs == nil || r.Meta.AsOf.IsZero() || r.Meta.Position.GTIDSet == "" {
		t.Errorf("query with meta: %+v", r)
	}
	if r := c.ask(`{"id":"6","type":"ping"}`); !r.Success || r.Result[0]["pong"] != true || r.Result[0]["timestamp"] == nil {
		t.Errorf("ping: %+v", r)
	}
	for frame, want := range map[string]string{
		`{"id":"7","type":"query"}`:                                          "7 invalid_request SQL query is required",
		`{"id":"8","type":"query","sql":"SELECT nope FROM User"}`:            "8 unknown_name Binder Error: Referenced column",
		`{"id":"9","type":"query","sql":"DROP TABLE User"}`:                  "9 not_allowed only queries are allowed",
		`{"id":"10","type":"dance"}`:                                         "10 invalid_request Unknown message type 'dance'",
		`{"id":"11","type":"query","sql":"SELECT ?","params":{"a":1}}`:       "11 invalid_params params must be an array",
		`{"id":"12","type":"query","sql":7}`:                                 "12 invalid_request the request is not valid JSON",
		`{"id":"13","type":"query","sql":"SELECT 1","dialect":"oracle"}`:     "13 invalid_request dialect is",
		`{"id":"14","type":"query","sql":"SELECT * FROM __duckling_shadow"}`: "14 unknown_name Catalog Error",
		`this is not JSON`: "parse-error invalid_request the request is not valid JSON",
		`[1]`:              "parse-error invalid_request the request is not valid JSON",
	} {
		r := c.ask(frame)
		if got := fmt.Sprint(r.ID, " ", r.Code, " ", r.Error); r.Success || !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", frame, got, want)
		}
	}
	if r := c.ask(`{"id":"15","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("after errors: %+v", r)
	}
}

func TestWebSocketCloseCodes(t *testing.T) {
	s := shop(t)
	if code, text := s.dial("/ws?db=other", nil).closed(); code != 1011 || text != "Database 'other' not found. Available databases: default" {
		t.Errorf("unknown database: %d %s", code, text)
	}
	c := s.dial("/ws", nil)
	c.read()
	c.write(`{"id":"1","type":"auth","apiKey":"wrong"}`)
	c.write(`{"id":"2","type":"query","sql":"SELECT 1"}`)
	if r := c.read(); r.ID != "1" || r.Success || r.Error != "Invalid API key (API key mismatch)" {
		t.Errorf("wrong key: %+v", r)
	}
	if code, text := c.closed(); code != 1008 || text != "Invalid API key (API key mismatch)" {
		t.Errorf("wrong key: %d %s", code, text)
	}
	c = s.login("/ws")
	c.write(`{"id":"1","type":"query","sql":"` + strings.Repeat("x", 11<<20) + `"}`)
	if code, _ := c.closed(); code != 1009 {
		t.Errorf("a frame over 10 MB: %d", code)
	}
	c = s.login("/ws")
	s.stop()
	if code, _ := c.closed(); code != 1001 {
		t.Errorf("stopping: %d", code)
	}
}

func TestWebSocketKeyInHandshake(t *testing.T) {
	s := shop(t)
	for _, c := range []*client{s.dial("/ws", http.Header{"Authorization": {"Bearer " + key}}), s.dial("/ws?token="+key, nil)} {
		c.read()
		if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
			t.Errorf("%+v", r)
		}
	}
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws?token=wrong", nil)
	if err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong key in the handshake: %v", err)
	}
}

// A slow query does not hold up the ones sent after it, and stops when its client goes away.
func TestWebSocketQueriesRunSideBySide(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	c.write(`{"id":"slow","type":"query","sql":"SELECT count(*) FROM range(1000000000) a, range(1000) b"}`)
	for i := range 100 {
		c.write(fmt.Sprintf(`{"id":"%d","type":"query","sql":"SELECT %d AS a"}`, i, i))
	}
	seen := make(map[any]bool)
	for range 100 {
		r := c.read()
		if !r.Success || fmt.Sprint(r.Result[0]["a"]) != r.ID || seen[r.ID] {
			t.Fatalf("%+v", r)
		}
		seen[r.ID] = true
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
