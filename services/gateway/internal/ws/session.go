package ws

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/gofiber/contrib/websocket"

	"github.com/chittihq/duckling/services/gateway/internal/query"
)

const (
	// maxFrame is the largest frame a client may send.
	maxFrame = 10 << 20
	// pingInterval is how often the server pings; a client silent for silence is gone.
	pingInterval = 30 * time.Second
	silence      = 75 * time.Second
	// writeWait is how long a client may leave a frame unread.
	writeWait = 30 * time.Second
	// inFlight bounds the requests of one connection that run at once; beyond it frames wait in the socket.
	inFlight = 64
	// outgoingFrames is how many replies may wait for the writer.
	outgoingFrames = 16
)

// session is one connection. Three kinds of goroutine share it: the reader (run), the
// writer, and one for each query; replies go out in the order in which they are ready.
type session struct {
	server        *Server
	conn          *websocket.Conn
	database      string
	authenticated bool // only the reader uses it

	ctx      context.Context //nolint:containedctx // the connection's life, which no caller has
	cancel   context.CancelFunc
	outgoing chan *buffer
	places   chan struct{}
	requests sync.WaitGroup
}

// buffer holds one reply.
type buffer struct{ bytes []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer {
	b := buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	b.bytes = b.bytes[:0]
	return b
}

// recycle keeps the buffer for another reply, unless it has grown large.
func (b *buffer) recycle() {
	const keep = 1 << 20
	if cap(b.bytes) <= keep {
		buffers.Put(b)
	}
}

// run serves the connection until either side ends it. When it returns nothing uses the connection any more.
func (s *session) run() {
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.outgoing <- welcome(s.server.version)
	ending := s.read()
	s.cancel() // the queries of a client that is gone
	s.requests.Wait()
	close(s.outgoing)
	writer.Wait()
	if ending != nil {
		s.end(ending)
	}
}

// ending is why the server closes a connection.
type ending struct {
	code int
	text string
}

// end closes the connection with a reason. It waits for the client's answer for a moment, because
// closing a socket with unread frames would throw away the reason.
func (s *session) end(why *ending) {
	deadline := time.Now().Add(time.Second)
	frame := websocket.FormatCloseMessage(why.code, shorten(why.text))
	if s.conn.WriteControl(websocket.CloseMessage, frame, deadline) != nil || s.conn.SetReadDeadline(deadline) != nil {
		return // the client is gone
	}
	for {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			return
		}
	}
}

// read takes frames until the connection ends, and returns a reason when it is the server that ends it.
func (s *session) read() *ending {
	s.conn.SetReadLimit(maxFrame)
	s.conn.SetPongHandler(s.alive)
	for {
		if s.alive("") != nil {
			return s.stopped()
		}
		_, frame, err := s.conn.ReadMessage()
		if err != nil {
			return s.stopped()
		}
		if why := s.handle(frame); why != nil {
			return why
		}
	}
}

// alive gives the client more time, unless the connection was hung up in the meantime.
func (s *session) alive(string) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	return s.ctx.Err()
}

func (s *session) stopped() *ending {
	if s.server.stopping() {
		return &ending{websocket.CloseGoingAway, "the server is stopping"}
	}
	return nil
}

// handle answers one frame. It returns a reason when the connection is to end.
func (s *session) handle(frame []byte) *ending {
	var r request
	if err := json.Unmarshal(frame, &r); err != nil {
		s.fail(idOf(frame), query.Unreadable(err))
		return nil
	}
	switch r.Type {
	case "auth":
		return s.authenticate(&r)
	case "ping":
		s.sendRow(r.ID, map[string]any{"pong": true, "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z")})
	case "query":
		s.start(&r, s.query)
	default:
		s.fail(r.ID, problem(query.CodeInvalidRequest, "Unknown message type '"+r.Type+"'. Known are auth, query and ping."))
	}
	return nil
}

func (s *session) authenticate(r *request) *ending {
	const mismatch = "Invalid API key (API key mismatch)"
	switch {
	case r.APIKey == "":
		s.fail(r.ID, problem(query.CodeUnauthorized, "API key is required"))
		return nil
	case !s.server.key.Matches(r.APIKey):
		s.fail(r.ID, problem(query.CodeUnauthorized, mismatch))
		return &ending{websocket.ClosePolicyViolation, mismatch}
	}
	s.authenticated = true
	s.sendRow(r.ID, map[string]any{"authenticated": true, "message": "Authentication successful"})
	return nil
}

// start runs a request beside the reader, when it may run and has a place.
func (s *session) start(r *request, run func(*request)) {
	if !s.authenticated {
		s.fail(r.ID, problem(query.CodeUnauthorized, "Not authenticated. Send auth message with valid API key first."))
		return
	}
	s.places <- struct{}{}
	s.requests.Go(func() {
		defer func() { <-s.places }()
		run(r)
	})
}

func (s *session) query(r *request) {
	began := time.Now()
	b := newBuffer()
	reply, err := s.answer(b.bytes, r, began)
	if err != nil {
		reply = appendError(b.bytes[:0], r.ID, err, time.Since(began))
	}
	b.bytes = reply
	s.outgoing <- b
}

// answer appends the reply to a query.
func (s *session) answer(dst []byte, r *request, began time.Time) ([]byte, error) {
	if r.SQL == "" {
		return nil, problem(query.CodeInvalidRequest, "SQL query is required")
	}
	statement, options, err := r.statement()
	if err != nil {
		return nil, problem(query.CodeInvalidRequest, err.Error())
	}
	snapshot, err := s.server.queries.Snapshot(s.database)
	if err != nil {
		return nil, err
	}
	defer snapshot.Release()
	dst = append(begin(dst, r.ID, true), `,"result":`...)
	if dst, err = snapshot.AppendJSON(s.ctx, dst, statement, options); err != nil {
		return nil, err
	}
	dst = appendDuration(dst, time.Since(began))
	if r.Meta {
		if dst, err = appendMeta(dst, snapshot.Manifest(), time.Now()); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func (s *session) fail(id json.RawMessage, err error) {
	s.outgoing <- &buffer{appendError(nil, id, err, -1)}
}

func (s *session) sendRow(id json.RawMessage, row map[string]any) { s.outgoing <- rowReply(id, row) }

func welcome(version string) *buffer {
	return rowReply(welcomeID, map[string]any{"message": "Connected to Duckling WebSocket server", "architecture": "generations", "version": version})
}

// write sends what is ready and pings, and is the only one to write. After a failure it only empties the queue, so that no
// request waits for it.
func (s *session) write() {
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	broken := false
	for {
		select {
		case b, ok := <-s.outgoing:
			if !ok {
				return
			}
			if !broken && s.writeFrame(b.bytes) != nil {
				broken = true
				s.hangUp()
			}
			b.recycle()
		case <-ping.C:
			if !broken && s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait)) != nil {
				broken = true
				s.hangUp()
			}
		}
	}
}

// hangUp ends the reader, and what runs for this client.
func (s *session) hangUp() {
	s.cancel()
	_ = s.conn.SetReadDeadline(time.Now()) // when this fails the reader has ended already
}

func (s *session) writeFrame(frame []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	return s.conn.WriteMessage(websocket.TextMessage, frame)
}

// shorten cuts a close reason to what a control frame can hold.
func shorten(text string) string {
	const most = 123
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}
