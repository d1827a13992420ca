package duckling

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Subscription is a statement whose result is wanted again whenever it changes.
type Subscription struct {
	SQL  string
	Args []any
	// Diff lets the server send the rows that came and went in place of the whole result,
	// where that is shorter.
	Diff bool
	// MinInterval is the least time between two runs of the statement; zero means each new generation.
	MinInterval time.Duration
	// Timeout bounds the wait for the first result, as Request.Timeout does.
	Timeout time.Duration
	// NestJSON is as in Request.
	NestJSON bool
}

// Update is a new result. Either Result is the whole of it, or Added and Removed are the
// rows by which it differs from the update before; as multisets, in no particular order.
type Update struct {
	Result  *Result
	Added   *Result
	Removed *Result
}

// Meta says which state of the source the update brings.
func (u *Update) Meta() Meta {
	if u.Result != nil {
		return u.Result.Meta()
	}
	return u.Added.Meta()
}

// Subscribe iterates over the results of a statement: the present one, then each that
// differs from the one before. It goes on until the loop is left, ctx ends or an error, which is
// the last element. A reader that is slow misses results in between, never the newest.
//
// A lost connection is waited out: the statement is subscribed again on the next one, and a
// whole result follows if it changed meanwhile.
func (c *Client) Subscribe(ctx context.Context, s Subscription) iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) {
		if err := c.subscribe(ctx, s, yield); err != nil {
			yield(nil, err)
		}
	}
}

func (c *Client) subscribe(ctx context.Context, s Subscription, yield func(*Update, error) bool) error {
	statement, err := (Request{SQL: s.SQL, Args: s.Args}).statement()
	if err != nil {
		return err
	}
	body := wire.Subscribe(statement, c.reading(s.NestJSON), s.Diff, s.MinInterval.Milliseconds())
	c.inFlight.Add(1)
	defer c.inFlight.Add(-1)

	var history history
	for {
		err := c.follow(ctx, s, body, &history, yield)
		switch {
		case errors.Is(err, errBehind):
		case CodeOf(err) == CodeConnectionLost && !c.cfg.NoReconnect:
		default:
			return err
		}
	}
}

// follow subscribes on one connection and hands on what comes, until that cannot go on. It
// returns nil when yield had enough.
func (c *Client) follow(ctx context.Context, s Subscription, body wire.Body, h *history, yield func(*Update, error) bool) error {
	w := c.patience(ctx, s.Timeout)
	defer w.stop()
	if h.started {
		w.relax() // how long reconnecting may take is for the client's attempts to say
	}
	box := newMailbox(s.Diff)
	session, id, err := c.begin(w, body, box)
	if err != nil {
		return err
	}
	defer session.abandon(id, wire.Unsubscribe(id))
	for seq := 0; ; seq++ {
		frame, err := box.next(w)
		if err != nil {
			return err
		}
		w.relax()
		reply, err := wire.Parse(frame)
		if err != nil {
			return protocolError(err)
		}
		if !reply.Success {
			session.forget(id)
			return failure(reply.Failure)
		}
		update, err := readUpdate(reply, s.Diff, seq)
		if err != nil {
			return err
		}
		if h.news(update) && !yield(update, nil) {
			return nil
		}
	}
}

func readUpdate(reply wire.Reply, diff bool, seq int) (*Update, error) {
	if reply.Type != wire.TypeUpdate {
		return nil, protocolError(fmt.Errorf("a frame of type %q in a subscription", reply.Type))
	}
	if diff && reply.Seq != seq {
		return nil, protocolError(fmt.Errorf("update %d came where %d was due", reply.Seq, seq))
	}
	var (
		u   Update
		err error
	)
	if reply.Result.Present() {
		u.Result, err = newResult(reply)
		return &u, err
	}
	added, removed := reply, reply
	added.Result, removed.Result = reply.Added, reply.Removed
	if u.Added, err = newResult(added); err != nil {
		return nil, err
	}
	u.Removed, err = newResult(removed)
	return &u, err
}

// history remembers what the reader saw last, so that it is not told the same again after
// a reconnect.
type history struct {
	started bool
	last    []byte // the rows, when they were whole
}

func (h *history) news(u *Update) bool {
	if u.Result == nil {
		h.last = nil
		return true
	}
	rows := u.Result.JSON()
	fresh := !h.started || h.last == nil || !bytes.Equal(h.last, rows)
	h.started, h.last = true, rows
	return fresh
}

// errBehind says that differences were dropped because they were not read in time, so that
// only a whole result can follow.
var errBehind = errors.New("differences were dropped")

// mailbox holds updates until they are read. Of whole results only the newest waits.
// Differences build on each other: when too many wait, all are dropped and a whole result is asked for.
type mailbox struct {
	ready chan struct{}
	most  int

	mu     sync.Mutex
	frames [][]byte
	err    error
}

const mostDifferences = 64

func newMailbox(diff bool) *mailbox {
	m := &mailbox{ready: make(chan struct{}, 1), most: 1}
	if diff {
		m.most = mostDifferences
	}
	return m
}

func (m *mailbox) deliver(frame []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.frames) == m.most {
		m.frames = nil
		if m.most > 1 {
			m.err = errBehind
		}
	}
	if m.err == nil {
		m.frames = append(m.frames, frame)
	}
	m.wake()
	return true
}

func (m *mailbox) lost(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
	m.wake()
}

func (m *mailbox) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

func (m *mailbox) next(w *patience) ([]byte, error) {
	for {
		m.mu.Lock()
		if len(m.frames) > 0 {
			frame := m.frames[0]
			m.frames = m.frames[1:]
			m.mu.Unlock()
			return frame, nil
		}
		err := m.err
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-m.ready:
		case <-w.ctx.Done():
			return nil, fmt.Errorf("waiting for an update: %w", w.ctx.Err())
		case <-w.expired:
			return nil, timedOut(w.limit)
		}
	}
}
