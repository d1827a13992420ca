package ws

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	fasthttp "github.com/fasthttp/websocket"
	"github.com/gofiber/contrib/websocket"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// maxFrame is the largest frame a client may send.
const maxFrame = 10 << 20

// session is one connection. One goroutine reads it. Requests run beside it, a quick one within it, and send their
// replies themselves, in the order in which they are ready.
type session struct {
	server        *Server
	conn          *websocket.Conn
	out           outbox
	database      string // set before the session is authenticated
	named         bool   // the client chose the database
	authenticated atomic.Bool
	identity      atomic.Pointer[auth.Identity] // set before authenticated
	keyName       string                        // only the reader uses it

	ctx    context.Context //nolint:containedctx // the connection's life, which no caller has
	cancel context.CancelFunc
	ponged atomic.Bool

	statements statements
	prepared   int           // how many statements got a name; only the reader uses it
	input      []byte        // the frame being read; likewise
	more       int           // how many bytes of later frames have been read with it, as far as can be told; likewise
	lone       bool          // nothing was read with it; likewise
	received   func() int    // see the function of that name; nil when that cannot be told
	turn       atomic.Uint64 // see inTurn
	seen       uint64        // the turn at Server.Run's last look; only that uses it
	ended      chan *ending  // is told by the last reader why the connection ends

	mu            sync.Mutex // guards the fields below
	why           *ending
	calls         map[string]*call
	streams       int
	subscriptions int
	ending        bool
	working       sync.WaitGroup // all that may still write to the connection; added to under mu while not ending
}

// call is a request that has not been answered yet.
type call struct {
	id     requestID
	began  time.Time
	cancel func() bool   // is false when the answer is on its way
	stream *stream       // of a stream
	sub    *subscription // of a subscription
}

// ending is why the server closes a connection.
type ending struct {
	code int
	text string
}

var (
	endStopping = &ending{websocket.CloseGoingAway, "the server is stopping"}
	endSlow     = &ending{websocket.CloseTryAgainLater, "the client reads too slowly"}
	endAuth     = &ending{websocket.ClosePolicyViolation, "no auth message in time"}
	endRevoked  = &ending{websocket.ClosePolicyViolation, "the API key has expired or was revoked"}
	endFrame    = &ending{websocket.CloseMessageTooBig, "a frame may hold 10 MB"}
	endSilent   = &ending{0, ""} // the client is gone: there is nobody to tell
)

func newSession(s *Server, conn *websocket.Conn, database string, ctx context.Context, cancel context.CancelFunc) *session { //nolint:revive // ctx is a field here
	named := database != ""
	if !named {
		database = "default"
	}
	one := &session{server: s, conn: conn, database: database, named: named, ctx: ctx, cancel: cancel, calls: make(map[string]*call), received: received(conn.NetConn()), ended: make(chan *ending, 1)}
	one.out = outbox{
		conn: conn, net: conn.NetConn(), budget: s.limits.SendBytes, wait: s.limits.Send, broken: one.broken,
		sent: func(frames, bytes int) {
			s.metrics.sent.Add(float64(frames))
			s.metrics.sentBytes.Add(float64(bytes))
		},
	}
	conn.SetReadLimit(maxFrame + 1024)
	conn.SetPongHandler(func(string) error { one.ponged.Store(true); return nil })
	conn.SetPingHandler(func(payload string) error { one.out.control(websocket.PongMessage, payload); return nil })
	conn.SetCloseHandler(func(int, string) error { return nil }) // run answers it, after what is queued
	return one
}

// broken is told by the outbox that it cannot send any more.
func (s *session) broken(err error) {
	if errors.Is(err, errSlowReader) {
		s.server.metrics.refused(refusedSlow)
		s.hangUp(endSlow)
		return
	}
	s.hangUp(endSilent)
}

// hangUp ends the reader, and with it the connection, for a reason.
func (s *session) hangUp(why *ending) {
	s.mu.Lock()
	if s.why == nil {
		s.why = why
	}
	s.mu.Unlock()
	s.cancel()
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // when this fails the reader has ended already
}

// run serves the connection until either side ends it. When it returns nothing uses the connection any more.
func (s *session) run() {
	if s.conn.SetReadDeadline(time.Time{}) != nil {
		return
	}
	ping := s.every(s.server.limits.Ping, s.ping())
	defer ping.Stop()
	if !s.authenticated.Load() {
		late := time.AfterFunc(s.server.limits.Auth, s.late)
		defer late.Stop()
	}
	s.out.send(rowReply(welcomeID, `{"message":"Connected to Duckling WebSocket server","architecture":"generations","version":"`+s.server.version+`"}`))
	go s.readOn() // and not here, as a statement that cannot be stopped may keep a reader for good
	why := <-s.ended
	s.cancel()
	s.mu.Lock()
	if s.why != nil {
		why = s.why
	}
	s.ending = true
	calls := make([]*call, 0, len(s.calls))
	for _, c := range s.calls {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	for _, c := range calls {
		c.cancel()
	}
	if why == endSlow {
		_ = s.out.net.SetWriteDeadline(time.Now().Add(closeWait)) // when this fails the connection is gone
	}
	s.working.Wait()
	s.end(why)
}

// late ends a connection that has not authenticated in time.
func (s *session) late() {
	if !s.authenticated.Load() {
		s.server.metrics.refused(refusedAuth)
		s.hangUp(endAuth)
	}
}

// closeWait is how long a client may take to answer a close frame.
const closeWait = 2 * time.Second

// end closes the connection with a reason. It waits for the client's answer for a moment, because
// closing a socket with unread frames would throw away the reason.
func (s *session) end(why *ending) {
	if why == endSilent {
		return
	}
	s.out.last(websocket.FormatCloseMessage(why.code, shorten(why.text)))
	if s.conn.SetReadDeadline(time.Now().Add(closeWait)) != nil {
		return
	}
	for {
		if _, _, err := s.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (s *session) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return false
	}
	s.working.Add(1)
	return true
}

// every calls fn each time the interval has passed, until the timer is stopped or the connection ends.
func (s *session) every(interval time.Duration, fn func()) *time.Timer {
	var timer *time.Timer
	started := make(chan struct{})
	timer = time.AfterFunc(interval, func() {
		<-started
		if s.join() {
			defer s.working.Done()
			fn()
			timer.Reset(interval)
		}
	})
	close(started)
	return timer
}

// ping makes the function that pings, and hangs up when the ping before was not answered.
func (s *session) ping() func() {
	first := true
	return func() {
		if !first && !s.ponged.Swap(false) {
			s.server.metrics.refused(refusedPong)
			s.hangUp(endSilent)
			return
		}
		first = false
		if identity := s.identity.Load(); identity != nil && !s.server.auth.Valid(identity) {
			s.server.metrics.refused(refusedKey)
			s.hangUp(endRevoked)
			return
		}
		s.out.control(websocket.PingMessage, "")
	}
}

// read takes frames until the connection ends, and returns why.
func (s *session) read() *ending {
	for {
		text, err := s.next()
		var closed *fasthttp.CloseError
		switch {
		case errors.Is(err, errTooLarge), errors.Is(err, fasthttp.ErrReadLimit):
			s.server.metrics.refused(refusedFrame)
			return endFrame
		case errors.As(err, &closed):
			return &ending{websocket.CloseNormalClosure, ""}
		case err != nil:
			return endSilent
		}
		s.server.metrics.received.Inc()
		if why := s.handle(text); why != nil {
			return why
		}
		if s.more <= 0 && s.out.holds() {
			if err := s.inTurn(s.out.release); err != nil {
				return endElsewhere
			}
		}
	}
}

var errTooLarge = errors.New("the frame is too large")

// next reads a message. It is valid until the next call. The limit holds for what a compressed frame unpacks to as well.
func (s *session) next() ([]byte, error) {
	before := s.count()
	_, r, err := s.conn.NextReader()
	if err != nil {
		return nil, err
	}
	const keep = 64 << 10
	if cap(s.input) == 0 || cap(s.input) > keep {
		s.input = make([]byte, 0, 512)
	}
	in := s.input[:0]
	for {
		if len(in) == cap(in) {
			in = append(in, 0)[:len(in)]
		}
		n, err := r.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		s.input = in
		switch {
		case len(in) > maxFrame:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			arrived := s.count() - before
			if arrived > 0 {
				s.more = arrived
			}
			s.more -= frameSize(len(in))
			s.lone = arrived > 0 && s.more == 0
			return in, nil
		case err != nil:
			return nil, err
		}
	}
}

// handle answers one frame, or starts what will. It returns a reason when the connection is to end.
func (s *session) handle(text []byte) *ending {
	began := time.Now()
	var f frame
	if err := f.read(text); err != nil || f.ID.json == nil {
		s.malformed(text, err)
		return nil
	}
	switch f.Type {
	case "auth":
		return s.auth(&f)
	case "ping":
		s.out.send(rowReply(f.ID, `{"pong":true,"timestamp":"`+time.Now().UTC().Format("2006-01-02T15:04:05.000Z")+`"}`))
		return nil
	}
	if !s.authenticated.Load() {
		s.fail(f.ID, problem(query.CodeAuthRequired, "Not authenticated. Send auth message with valid API key first."))
		return nil
	}
	if !s.server.auth.Valid(s.identity.Load()) {
		s.server.metrics.refused(refusedKey)
		s.fail(f.ID, problem(query.CodeUnauthorized, endRevoked.text))
		return endRevoked
	}
	err := s.server.queries.Spend(s.keyName, f.statements())
	if err != nil {
		s.fail(f.ID, err)
		return nil
	}
	switch f.Type {
	case "query":
		err = s.query(&f, began)
	case "batch":
		err = s.batch(&f, began)
	case "prepare":
		err = s.prepare(&f, began)
	case "execute":
		err = s.execute(&f, began)
	case "deallocate":
		err = s.deallocate(&f)
	case "cancel":
		s.stop(&f)
	case "stream":
		err = s.stream(&f, began)
	case "credit":
		err = s.credit(&f)
	case "subscribe":
		err = s.subscribe(&f, began)
	case "unsubscribe":
		s.unsubscribe(&f)
	default:
		err = problem(query.CodeUnknownType, "Unknown message type '"+f.Type+"'")
	}
	switch {
	case err == nil:
	case errors.Is(err, errElsewhere):
		return endElsewhere
	default:
		s.fail(f.ID, err)
	}
	return nil
}

// malformed answers a frame that is not as it should be: under its own id when that can be read.
func (s *session) malformed(text []byte, err error) {
	id := idOf(text)
	if id.text == "" {
		s.fail(id, problem(query.CodeInvalidRequest, "Frame is not a JSON object with an id, a string of 1 to 128 characters"))
		return
	}
	s.fail(id, query.Unreadable(err))
}

func (s *session) auth(f *frame) *ending {
	if f.APIKey == "" {
		s.fail(f.ID, problem(query.CodeAuthRequired, "API key is required"))
		return nil
	}
	if refused, why := s.server.authorize(s, f.APIKey); refused != nil {
		s.fail(f.ID, refused)
		return why
	}
	s.out.send(rowReply(f.ID, `{"authenticated":true,"message":"Authentication successful"}`))
	return nil
}

func (s *session) fail(id requestID, err error) { s.out.send(failure(id, err, -1)) }

// shorten cuts a close reason to what a control frame can hold.
func shorten(text string) string {
	const most = 123
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}
