package duckling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// maxReply bounds what one frame from the server may take of this process's memory.
const maxReply = 1 << 30

// closeGrace is how long a clean goodbye may take before the socket is just closed. (The
// WebSocket library allows five seconds of its own accord, and keeps to that when Close comes
// before the reader has begun.)
const closeGrace = time.Second

// receiver gets what the server says about one request. Its methods are called one after
// the other, while the session is locked: they must not block. None is called any more
// after deliver returned false, after lost, or after the request was abandoned.
type receiver interface {
	// deliver hands over a frame for good. It reports whether further frames may follow.
	deliver(frame []byte) (more bool)
	// lost says that no frame will come any more.
	lost(err error)
}

// session is one authenticated connection. run must be called once; it owns the socket.
type session struct {
	conn  *websocket.Conn
	out   *outbox
	heard atomic.Bool // whether anything came since the last check

	mu      sync.Mutex
	next    uint64
	pending map[uint64]receiver
	over    error // why the session ended; nil while it lives
}

func newSession(conn *websocket.Conn, next uint64) *session {
	return &session{conn: conn, out: newOutbox(), next: next, pending: make(map[uint64]receiver)}
}

// errNotSent wraps the reason a session has ended when a request came too late for it.
var errNotSent = errors.New("the request was not sent")

// start sends a request and has everything about it given to r. It does not wait.
func (s *session) start(body wire.Body, r receiver) (id uint64, err error) {
	if len(body) > wire.MaxFrame-32 {
		return 0, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("the request has %d bytes, but the server reads at most %d", len(body), wire.MaxFrame)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return 0, fmt.Errorf("%w: %w", errNotSent, s.over)
	}
	id = s.next
	s.next++
	s.pending[id] = r
	s.out.put(id, body.Frame(id))
	return id, nil
}

// tell sends a frame that nobody waits for an answer to.
func (s *session) tell(body wire.Body) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.out.put(noRequest, body.Frame(s.next))
		s.next++
	}
}

// abandon stops waiting for a request. stop is what tells the server, unless the request
// had not left yet or was already answered.
func (s *session) abandon(id uint64, stop wire.Body) {
	s.mu.Lock()
	_, waiting := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if waiting && !s.out.withdraw(id) {
		s.tell(stop)
	}
}

// forget stops waiting for a request that the server has ended.
func (s *session) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, id)
}

// run moves frames until the connection ends or ctx does, and returns why. When it
// returns every request has been answered or failed, and no goroutine of it is left.
// ending is called first of all, so that who is told that a request failed already finds
// the connection that comes after this one.
func (s *session) run(ctx context.Context, pingEvery time.Duration, ending func(why error)) error {
	// The socket outlives ctx by the time a goodbye takes.
	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	reading, writing := make(chan error, 1), make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { reading <- s.read(life) })
	running.Go(func() { writing <- s.write(life, pingEvery) })
	defer func() {
		cut()
		_ = s.conn.CloseNow() // an error here says it is closed, which is the aim
		running.Wait()
	}()

	why := ErrClosed
	select {
	case err := <-reading:
		why = lost(err)
	case err := <-writing:
		_ = s.conn.CloseNow() // only to wake the reader
		if frame := <-reading; websocket.CloseStatus(frame) != -1 {
			err = frame // the server said why it hung up
		}
		why = lost(err)
	case <-ctx.Done():
	}
	ending(why)
	s.fail(why)
	if ctx.Err() != nil {
		timer := time.AfterFunc(closeGrace, cut)
		defer timer.Stop()
		_ = s.conn.Close(websocket.StatusNormalClosure, "") // the server may be gone; nothing is lost by that
	}
	return why
}

// fail ends every request with err, and every later one.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over == nil {
		s.over = err
	}
	for _, r := range s.pending {
		r.lost(err)
	}
	s.pending = nil
}

func (s *session) read(ctx context.Context) error {
	var frames frameReader
	for {
		frame, err := frames.next(ctx, s.conn, &s.heard)
		if err != nil {
			return err
		}
		if err := s.dispatch(frame); err != nil {
			return err
		}
	}
}

func (s *session) dispatch(frame []byte) error {
	name, err := wire.ID(frame)
	if err != nil {
		return protocolError(err)
	}
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		if name == wire.IDParseError {
			// One of our requests was not understood and will never be answered: none can be told apart.
			return protocolError(errors.New("the server could not read a request"))
		}
		return nil // the welcome, or something a newer server says unasked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without a receiver it is the late answer to a request that was given up.
	if r := s.pending[id]; r != nil && !r.deliver(frame) {
		delete(s.pending, id)
	}
	return nil
}

func (s *session) write(ctx context.Context, pingEvery time.Duration) error {
	var tick <-chan time.Time
	if pingEvery > 0 {
		ticker := time.NewTicker(pingEvery)
		defer ticker.Stop()
		tick = ticker.C
	}
	pinged := false
	var batch []outgoing
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick:
			quiet := !s.heard.Swap(false)
			if quiet && pinged {
				return fmt.Errorf("the server did not answer a ping within %v", pingEvery)
			}
			if pinged = quiet; quiet {
				s.tell(wire.Ping())
			}
		case <-s.out.ready:
			batch = s.out.take(batch)
			for _, o := range batch {
				if o.frame == nil {
					continue
				}
				if err := s.conn.Write(ctx, websocket.MessageText, o.frame); err != nil {
					return err
				}
			}
		}
	}
}

// frameReader reads whole frames. Small ones pass through one buffer and are copied out
// at their exact size; a large one keeps the memory it was read into.
type frameReader struct{ small [16 << 10]byte }

func (f *frameReader) next(ctx context.Context, conn *websocket.Conn, heard *atomic.Bool) ([]byte, error) {
	_, r, err := conn.Reader(ctx)
	if err != nil {
		return nil, err
	}
	heard.Store(true)
	buffer := f.small[:]
	n := 0
	for {
		if n == len(buffer) {
			larger := make([]byte, 4*len(buffer))
			copy(larger, buffer)
			buffer = larger
		}
		got, err := r.Read(buffer[n:])
		n += got
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		heard.Store(true)
	}
	if len(buffer) == len(f.small) {
		return append(make([]byte, 0, n), buffer[:n]...), nil
	}
	return buffer[:n:n], nil
}
