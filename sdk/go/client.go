package duckling

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Client is one connection to a gateway, made when it is needed and made again when it is
// lost. Any number of goroutines may use it at the same time: their requests are in
// flight together on the one connection and are answered in whatever order they finish.
//
// Nothing a Client started outlives Close.
type Client struct {
	cfg      Config
	inFlight atomic.Int64
	keepers  sync.WaitGroup

	mu     sync.Mutex
	link   *link // nil while nothing is or tries to be connected
	cancel context.CancelFunc
	closed bool
}

// New checks the configuration and returns a client that connects at its first request.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, cancel: func() {}}, nil
}

// Open returns a client that is connected and authenticated. ctx bounds only the opening.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	c, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Connect waits until the client is connected. It does nothing when it is already, joins an
// attempt that is going on, and otherwise makes one.
func (c *Client) Connect(ctx context.Context) error {
	w := c.patience(ctx, 0)
	defer w.stop()
	_, err := c.acquire(w)
	return err
}

// Close says goodbye to the server and fails every request in flight with ErrClosed. It
// returns when all goroutines of the client have ended, within seconds even if the server
// does not answer. Closing twice is harmless.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	cancel := c.cancel
	c.mu.Unlock()
	cancel()
	c.keepers.Wait()
}

// Connected reports whether the connection is up at this moment.
func (c *Client) Connected() bool {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return false
	}
	select {
	case <-l.ready:
		return l.err == nil
	default:
		return false
	}
}

// InFlight is how many requests wait for an answer, open streams and subscriptions included.
func (c *Client) InFlight() int { return int(c.inFlight.Load()) }

// acquire returns the open session, waiting for the one that is being made.
func (c *Client) acquire(w *patience) (*session, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	if c.link == nil {
		c.connectLocked()
	}
	l := c.link
	c.mu.Unlock()

	select {
	case <-l.ready:
		return l.session, l.err
	default:
	}
	select {
	case <-l.ready:
		return l.session, l.err
	case <-w.ctx.Done():
		return nil, fmt.Errorf("waiting for a connection: %w", w.ctx.Err())
	case <-w.expired:
		return nil, timedOut(w.limit)
	}
}

// connectLocked begins a connection. It belongs to all requests that will use it, and so
// lives under a context of its own.
//
//nolint:contextcheck,nolintlint // as said; the linter takes the directive here but reports it as unused
func (c *Client) connectLocked() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.link = newLink()
	l := c.link
	c.keepers.Go(func() {
		defer cancel()
		c.keep(ctx, l)
	})
}

// replace makes l what requests wait for from now on.
func (c *Client) replace(l *link) {
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
}

// drop gives up on l: those who wait for it fail, and the next request starts afresh.
func (c *Client) drop(l *link, err error) {
	c.replace(nil)
	l.resolve(nil, err)
	if CodeOf(err) != CodeClosed {
		c.cfg.OnEvent(Event{Kind: GaveUp, Err: err})
	}
}

// patience is how long a caller waits: until its context ends or its time is up.
type patience struct {
	ctx     context.Context //nolint:containedctx // lives as long as one call
	limit   time.Duration
	timer   *time.Timer
	expired <-chan time.Time
}

// patience starts the clock for one request; limit zero means Config.RequestTimeout.
func (c *Client) patience(ctx context.Context, limit time.Duration) *patience {
	if limit == 0 {
		limit = c.cfg.RequestTimeout
	}
	w := &patience{ctx: ctx, limit: limit}
	if limit > 0 {
		w.timer = time.NewTimer(limit)
		w.expired = w.timer.C
	}
	return w
}

func (w *patience) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// restart gives the next step of a longer exchange its own full time.
func (w *patience) restart() {
	if w.timer != nil {
		w.timer.Reset(w.limit)
	}
}

// relax waits from now on for as long as the context lasts.
func (w *patience) relax() {
	w.stop()
	w.expired = nil
}

// call is a request that has one answer.
type call struct{ answer chan answer }

type answer struct {
	frame []byte
	err   error
}

func (c call) deliver(frame []byte) bool {
	c.answer <- answer{frame: frame}
	return false
}

func (c call) lost(err error) { c.answer <- answer{err: err} }

// exchange sends one request over s and waits for its answer. When the wait ends early the
// server is told to stop, and exchange returns at once.
func (s *session) exchange(w *patience, body wire.Body) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, fmt.Errorf("before sending the request: %w", w.ctx.Err())
	}
	c := call{make(chan answer, 1)}
	id, err := s.start(body, c)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-c.answer:
		return a.frame, a.err
	case <-w.ctx.Done():
		s.abandon(id, wire.Cancel(id))
		return nil, fmt.Errorf("waiting for the answer: %w", w.ctx.Err())
	case <-w.expired:
		s.abandon(id, wire.Cancel(id))
		return nil, timedOut(w.limit)
	}
}

// maxResends bounds how often a request that is allowed to be sent again really is: one that
// brings the server down would otherwise do so for ever.
const maxResends = 3

// send runs exchange on whatever connection there is, and again on the next one when the
// request may be repeated and its connection was lost.
func (c *Client) send(w *patience, body wire.Body, retry bool) (wire.Reply, error) {
	c.inFlight.Add(1)
	defer c.inFlight.Add(-1)
	for resends := 0; ; {
		s, err := c.acquire(w)
		if err != nil {
			return wire.Reply{}, err
		}
		frame, err := s.exchange(w, body)
		switch {
		case err == nil:
			return readReply(frame)
		case errors.Is(err, errNotSent):
			// Too late for that connection, which has been replaced: nothing happened yet.
		case CodeOf(err) == CodeConnectionLost && (retry || c.cfg.RetryLost) && resends < maxResends:
			resends++
		default:
			return wire.Reply{}, err
		}
	}
}

// readReply reads an answer; one that reports a failure becomes an *Error.
func readReply(frame []byte) (wire.Reply, error) {
	reply, err := wire.Parse(frame)
	if err != nil {
		return wire.Reply{}, protocolError(err)
	}
	if !reply.Success {
		return wire.Reply{}, failure(reply.Failure)
	}
	return reply, nil
}
