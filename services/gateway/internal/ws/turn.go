package ws

import (
	"context"
	"errors"
	"net"
	"time"
)

// A session's reader runs quick statements itself: for a small statement the way to another goroutine and back takes longer than
// DuckDB does. The session's turn says who reads: it is even while its reader reads, and odd while the reader runs a statement. A
// statement that takes long after all, or a reply that its client does not take, must not keep later frames waiting, a cancel among
// them: then another goroutine takes the next turn, and the one that comes back finds that and leaves.
//
// Where a client sends many statements without waiting, the reader runs those that are brief one after the other, and their replies go out
// together, once no more of their frames have been read. That is told by how many bytes have been read, which is right but for
// fragments and pings among the frames: then it may seem that there is more, and the replies wait for Run.

// errElsewhere says that another goroutine reads the connection now.
var errElsewhere = errors.New("another goroutine reads on")

var endElsewhere = &ending{0, ""}

// inTurn does something in the goroutine of the session's reader.
func (s *session) inTurn(do func()) error {
	mine := s.turn.Add(1)
	do()
	if !s.turn.CompareAndSwap(mine, mine+1) {
		s.out.release() // the one that reads now may wait for the client
		return errElsewhere
	}
	return nil
}

// readOn reads until the connection ends or another goroutine reads it.
func (s *session) readOn() {
	if why := s.read(); why != endElsewhere {
		s.ended <- why
	}
}

// patience is how long a statement may keep its connection's reader, at least. It is twice that at most.
const patience = 20 * time.Millisecond

// Run lets no statement keep a connection's reader for long. It is to run until Stop has returned.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(patience)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.mu.Lock()
		for one := range s.sessions {
			turn := one.turn.Load()
			if turn%2 == 1 && turn == one.seen && one.turn.CompareAndSwap(turn, turn+1) {
				s.metrics.handovers.Inc()
				go one.readOn()
			}
			one.seen = turn
			if one.out.holds() {
				one.relieve()
			}
		}
		s.mu.Unlock()
	}
}

// relieve sends what is held.
func (s *session) relieve() {
	if s.join() {
		go func() {
			defer s.working.Done()
			s.out.release()
		}()
	}
}

// count is how many bytes have come from the client, 0 when that cannot be told.
func (s *session) count() int {
	if s.received == nil {
		return 0
	}
	return s.received()
}

// counting is a connection that counts what is read from it. One goroutine reads at a time.
type counting struct {
	net.Conn
	bytes int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes += n
	return n, err //nolint:wrapcheck // as the connection itself
}

// NetConn is the connection that is counted.
func (c *counting) NetConn() net.Conn { return c.Conn }

// Count makes a listener's connections ones of which a session can tell whether its client has sent more than one frame.
func Count(listener net.Listener) net.Listener { return &countingListener{listener} }

type countingListener struct{ net.Listener }

func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // as the listener itself
	}
	return &counting{Conn: conn}, nil
}

// received is how many bytes have come from the client, or nil when nobody counts them.
func received(conn net.Conn) func() int {
	if hijacked, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		conn = hijacked.UnsafeConn()
	}
	if c, ok := conn.(*counting); ok {
		return func() int { return c.bytes }
	}
	return nil
}

// frameSize is what a client's frame of one piece, not compressed, takes on the wire (RFC 6455, 5.2).
func frameSize(payload int) int {
	switch {
	case payload > 0xffff:
		return payload + 14
	case payload > 125:
		return payload + 8
	default:
		return payload + 6
	}
}
