package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract validates frames by the protocol's schema: those of clients and those of the server.
var contract = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	file, err := os.Open(filepath.Join("..", "..", "..", "..", "schemas", "ws", "protocol.schema.json"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("protocol.json", document); err != nil {
		return nil, err
	}
	schemas := make(map[string]*jsonschema.Schema)
	for _, name := range []string{"clientMessage", "serverMessage"} {
		if schemas[name], err = compiler.Compile("protocol.json#/$defs/" + name); err != nil {
			return nil, err
		}
	}
	return schemas, nil
})

func validate(t *testing.T, sender string, frame []byte) {
	t.Helper()
	schemas, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		t.Fatalf("not JSON: %.200s: %v", frame, err)
	}
	if err := schemas[sender].Validate(document); err != nil {
		t.Errorf("a %s is not by the protocol: %.500s\n%v", sender, frame, err)
	}
}

// client is one WebSocket connection.
type client struct {
	t    *testing.T
	conn *websocket.Conn
}

// reply is a frame from the server.
type reply struct {
	ID           string           `json:"id"`
	Success      bool             `json:"success"`
	Type         string           `json:"type"`
	Result       []map[string]any `json:"result"`
	Results      []reply          `json:"results"`
	Added        []map[string]any `json:"added"`
	Removed      []map[string]any `json:"removed"`
	Error        string           `json:"error"`
	Code         string           `json:"code"`
	Retryable    bool             `json:"retryable"`
	RetryAfterMs int              `json:"retryAfterMs"`
	Position     *int             `json:"position"`
	Duration     *float64         `json:"duration"`
	Seq          int              `json:"seq"`
	Chunks       int              `json:"chunks"`
	Rows         int              `json:"rows"`
	Meta         *struct {
		Columns    []struct{ Name, Type string }
		Generation int
		LagMs      *float64
		AsOf       *time.Time
		Position   struct {
			GTIDSet string `json:"gtidSet"`
			File    string
			Offset  int
		}
	} `json:"meta"`
}

func (s *server) connect(path string, header http.Header) *client {
	s.t.Helper()
	return s.connectWith(websocket.DefaultDialer, path, header)
}

func (s *server) connectWith(dialer *websocket.Dialer, path string, header http.Header) *client {
	s.t.Helper()
	conn, resp, err := dialer.Dial("ws://"+s.addr+path, header)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	s.t.Cleanup(func() { conn.Close() })
	return &client{t: s.t, conn: conn}
}

// login returns a connection past welcome and auth.
func (s *server) login(path string) *client {
	s.t.Helper()
	c := s.connect(path, nil)
	c.read()
	if r := c.ask(`{"id":"a","type":"auth","apiKey":"` + key + `"}`); !r.Success {
		s.t.Fatalf("%+v", r)
	}
	return c
}

// write sends a frame that is by the protocol, raw one that need not be.
func (c *client) write(format string, args ...any) {
	c.t.Helper()
	frame := fmt.Sprintf(format, args...)
	validate(c.t, "clientMessage", []byte(frame))
	c.raw(frame)
}

func (c *client) raw(frame string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatal(err)
	}
}

// patience is how long a client waits for a frame before the test has failed.
const patience = 3 * time.Minute

func (c *client) read() reply {
	c.t.Helper()
	return c.take(true)
}

// take reads a frame, and looks whether it is by the protocol unless a test has looked at many like it.
func (c *client) take(look bool) reply {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	_, frame, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	if look {
		validate(c.t, "serverMessage", frame)
	}
	var r reply
	if err := json.Unmarshal(frame, &r); err != nil {
		c.t.Fatalf("%s: %v", frame, err)
	}
	return r
}

func (c *client) ask(format string, args ...any) reply {
	c.t.Helper()
	c.write(format, args...)
	return c.read()
}

// replies reads n frames and returns them by id.
func (c *client) replies(n int) map[string]reply {
	c.t.Helper()
	all := make(map[string]reply)
	for range n {
		r := c.read()
		if _, twice := all[r.ID]; twice {
			c.t.Errorf("two answers to %s", r.ID)
		}
		all[r.ID] = r
	}
	return all
}

// closed reads to the end of the connection and returns its close code and text.
func (c *client) closed() (int, string) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	for {
		_, _, err := c.conn.ReadMessage()
		var closing *websocket.CloseError
		switch {
		case errors.As(err, &closing):
			return closing.Code, closing.Text
		case err != nil:
			return websocket.CloseAbnormalClosure, err.Error()
		}
	}
}

// The protocol's page shows frames as they are.
func TestProtocolPageIsByTheSchema(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "schemas", "ws", "PROTOCOL.md"))
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	frames := 0
	for _, block := range bytes.Split(page, []byte("```json\n"))[1:] {
		frame, _, _ := bytes.Cut(block, []byte("\n```"))
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
		if err != nil {
			t.Fatalf("%s: %v", frame, err)
		}
		if schemas["clientMessage"].Validate(document) != nil && schemas["serverMessage"].Validate(document) != nil {
			t.Errorf("neither a client's frame nor the server's: %s", frame)
		}
		frames++
	}
	if frames < 20 {
		t.Errorf("only %d frames were found", frames)
	}
}
