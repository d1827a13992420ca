// Package scripted is a WebSocket server for tests that says what a test tells it to, and
// checks every frame in both directions against the protocol's JSON Schema.
package scripted

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// Key is the API key the server accepts.
const Key = "secret"

// Server runs one script for each connection made to it.
type Server struct {
	URL string // ws://...

	t      testing.TB
	http   *httptest.Server
	script func(*Conn)
	ctx    context.Context //nolint:containedctx // ends the scripts when the test does
	conns  sync.WaitGroup

	mu    sync.Mutex
	count int
}

// Start serves until the test ends. script is called for each connection, in a goroutine of its
// own; when it returns the connection is cut without a goodbye.
func Start(t testing.TB, script func(*Conn)) *Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{t: t, script: script, ctx: ctx}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = "ws" + strings.TrimPrefix(s.http.URL, "http") + "/ws"
	t.Cleanup(func() {
		cancel()
		s.conns.Wait()
		s.http.Close()
	})
	return s
}

// Connections is how many have been made so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.conns.Add(1)
	defer s.conns.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
	if err != nil {
		s.t.Errorf("accepting a connection: %v", err)
		return
	}
	ws.SetReadLimit(-1)
	s.mu.Lock()
	s.count++
	c := &Conn{Number: s.count, Database: r.URL.Query().Get("db"), Deflate: strings.Contains(w.Header().Get("Sec-WebSocket-Extensions"), "permessage-deflate"), t: s.t, ws: ws, ctx: s.ctx}
	s.mu.Unlock()
	defer func() { _ = ws.CloseNow() }()
	s.script(c)
}

// Conn is one connection as the server sees it.
type Conn struct {
	Number   int    // from 1
	Database string // from ?db=
	Deflate  bool   // whether the client takes compressed frames; large ones are sent so then

	t   testing.TB
	ws  *websocket.Conn
	ctx context.Context //nolint:containedctx // the server's
}

// Frame is what a client sent, by field. Numbers are json.Number.
type Frame map[string]any

// Str is a field that is text.
func (f Frame) Str(name string) string {
	s, _ := f[name].(string)
	return s
}

// ID is the request's id.
func (f Frame) ID() string { return f.Str("id") }

// Next waits for a frame; ok is false when the connection ended.
func (c *Conn) Next() (f Frame, ok bool) {
	_, text, err := c.ws.Read(c.ctx)
	if err != nil {
		return nil, false
	}
	if err := Check("clientMessage", text); err != nil {
		c.t.Errorf("the client sent what the protocol does not allow: %s: %v", text, err)
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&f); err != nil {
		c.t.Errorf("the client sent no JSON object: %s: %v", text, err)
		return nil, false
	}
	return f, true
}

// Closed reads until the client is gone and returns the close code, -1 without one.
func (c *Conn) Closed() int {
	for {
		if _, _, err := c.ws.Read(c.ctx); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}

// Send checks a frame and sends it. The format is as in fmt.Sprintf.
func (c *Conn) Send(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if err := Check("serverMessage", []byte(text)); err != nil {
		c.t.Errorf("the script sends what the protocol does not allow: %s: %v", text, err)
	}
	c.Raw(text)
}

// Raw sends anything. It is for what a real gateway would not send.
func (c *Conn) Raw(text string) {
	// The client may have gone, which is what the test then looks at.
	_ = c.ws.Write(c.ctx, websocket.MessageText, []byte(text))
}

// Rows answers a query or execute with rows (a JSON array) and no meta.
func (c *Conn) Rows(id, rows string) {
	c.Send(`{"id":%q,"success":true,"result":%s,"duration":0.5}`, id, rows)
}

// MetaRows answers with rows and meta; columns are "name TYPE" each.
func (c *Conn) MetaRows(id, rows string, columns ...string) {
	c.Send(`{"id":%q,"success":true,"result":%s,"duration":0.5,"meta":%s}`, id, rows, Meta(columns...))
}

// Meta is the meta of generation 42 with these columns, "name TYPE" each.
func Meta(columns ...string) string {
	type column struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	list := make([]column, len(columns))
	for i, c := range columns {
		list[i].Name, list[i].Type, _ = strings.Cut(c, " ")
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings always encode
	}
	return fmt.Sprintf(`{"columns":%s,"generation":42,"asOf":"2025-01-31T10:00:00.123456Z","lagMs":310,"position":{"gtidSet":"0-1-77","file":"bin.000003","offset":4242}}`, text)
}

// Fail answers any request with an error.
func (c *Conn) Fail(id, code, text string) {
	c.Send(`{"id":%q,"success":false,"error":%q,"code":%q,"retryable":false}`, id, text, code)
}

// Close says goodbye with a code and reason.
func (c *Conn) Close(code int, reason string) {
	_ = c.ws.Close(websocket.StatusCode(code), reason) // the client may have been first
}

// Welcome greets and answers to the key as the gateway does; ok is false when it was wrong.
func (c *Conn) Welcome() (ok bool) {
	c.Send(`{"id":"welcome","success":true,"result":[{"message":"Connected to Duckling WebSocket server","architecture":"generations","version":"1.0.0"}]}`)
	auth, ok := c.Next()
	if !ok {
		return false
	}
	if auth.Str("type") != "auth" {
		c.t.Errorf("the first frame is %v, not auth", auth)
	}
	if auth.Str("apiKey") != Key {
		c.Fail(auth.ID(), "AUTH_INVALID", "Invalid API key (API key mismatch)")
		c.Close(1008, "Invalid API key (API key mismatch)")
		return false
	}
	c.Send(`{"id":%q,"success":true,"result":[{"authenticated":true,"message":"Authentication successful"}]}`, auth.ID())
	return true
}

// Each greets, then calls handle for every frame but pings, which it answers, until the
// client goes or handle returns false.
func (c *Conn) Each(handle func(Frame) bool) {
	if !c.Welcome() {
		return
	}
	for {
		f, ok := c.Next()
		if !ok {
			return
		}
		if f.Str("type") == "ping" {
			c.Pong(f.ID())
		} else if !handle(f) {
			return
		}
	}
}

// Pong answers a ping.
func (c *Conn) Pong(id string) {
	c.Send(`{"id":%q,"success":true,"result":[{"pong":true,"timestamp":"2025-01-31T10:00:00.123Z"}]}`, id)
}
