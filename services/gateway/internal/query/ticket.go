package query

import (
	"sync"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

// state is where a statement is on its way.
type state int

const (
	waiting state = iota // for a place
	running              // in DuckDB, or being encoded
	paused               // open, for the client to take what there is; it has no place and its time stands still
	ended
)

// ticket is one statement from its arrival to its end. It is how a statement is stopped: by its client, its time
// limit, an administrator or the end of the service.
type ticket struct {
	service    *Service
	generation *reader.Generation
	statement  Statement
	id         uint64
	began      time.Time
	span       *tracing.Span
	plan       *plan         // when it is known
	took       time.Duration // from its arrival to its end, when it has ended

	mu       sync.Mutex         // guards the fields below
	anew     *reader.Generation // the generation in another instance, when the first one has failed
	state    state
	conn     *reader.Conn // while it runs or is paused
	waiter   *waiter
	deadline time.Time
	pausedAt time.Time
	cause    *Error // why it was stopped, or nil
	stopped  time.Time
	stuck    bool          // it was given up: its place is another's
	signal   chan struct{} // is closed by stop; made by those who wait for it
	// abandoned is told when the statement is given up while it runs, so that the client need not wait.
	abandoned func(error)
}

// stop ends the statement with a reason. It is false when it had ended, or had been stopped already.
func (t *ticket) stop(why *Error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == ended || t.cause != nil {
		return false
	}
	t.cause, t.stopped = why, time.Now()
	if t.signal != nil {
		close(t.signal)
	}
	switch t.state {
	case waiting:
		if t.waiter != nil && t.service.admission.abandon(t.waiter) {
			t.waiter.granted <- why
		}
	case running:
		if t.conn != nil {
			t.conn.Interrupt()
		}
	}
	return true
}

// stopping returns a channel that is closed when the statement is stopped.
func (t *ticket) stopping() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == nil {
		t.signal = make(chan struct{})
		if t.cause != nil {
			close(t.signal)
		}
	}
	return t.signal
}

// reason is why the statement was stopped, as an error, or nil.
func (t *ticket) reason() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause == nil {
		return nil
	}
	return t.cause
}

// enter waits for a place.
func (t *ticket) enter() error {
	w, err := t.service.admission.enter(t.statement.Key)
	if err != nil {
		return err
	}
	if w != nil {
		err := t.await(w)
		t.span.Waited(w.since)
		if err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiter = nil
	if t.cause != nil {
		t.service.admission.leave(t.statement.Key)
		return t.cause
	}
	t.state = running
	return nil
}

func (t *ticket) await(w *waiter) error {
	t.mu.Lock()
	t.waiter = w
	stopped := t.cause
	t.mu.Unlock()
	if stopped != nil && t.service.admission.abandon(w) {
		return stopped
	}
	return <-w.granted
}

// use tells on which connection the statement runs, so that it can be interrupted.
func (t *ticket) use(conn *reader.Conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = conn
	if t.cause != nil {
		return t.cause
	}
	return nil
}

// pause gives the place to others until resume.
func (t *ticket) pause() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state, t.pausedAt = paused, time.Now()
	t.leave()
}

func (t *ticket) resume() error {
	t.mu.Lock()
	t.state = waiting
	t.deadline = t.deadline.Add(time.Since(t.pausedAt))
	t.mu.Unlock()
	if err := t.enter(); err != nil {
		t.mu.Lock()
		t.state = paused // it holds no place
		t.mu.Unlock()
		return err
	}
	return nil
}

// leave gives the place back, unless that was done for it.
func (t *ticket) leave() {
	if !t.stuck {
		t.service.admission.leave(t.statement.Key)
	}
}

// end is the last thing that is done with a ticket.
func (t *ticket) end() {
	t.mu.Lock()
	if t.state == running {
		t.leave()
	}
	t.state, t.conn = ended, nil
	stuck, anew := t.stuck, t.anew
	t.mu.Unlock()
	if stuck {
		t.service.stuck.Add(-1)
	}
	t.service.active.remove(t)
	t.generation.Release()
	if anew != nil {
		anew.Release()
	}
}

// check is the watchdog's look at the statement. It returns true when the statement has been given up by this look.
func (t *ticket) check(now time.Time, grace time.Duration) bool {
	t.mu.Lock()
	overdue := t.cause == nil && t.state != paused && now.After(t.deadline)
	t.mu.Unlock()
	if overdue {
		t.service.metrics.rejected(rejectedTimeout)
		t.stop(timedOut(t.statement.Timeout))
	}
	t.mu.Lock()
	if t.cause == nil || t.state != running || t.conn == nil || t.stuck {
		t.mu.Unlock()
		return false
	}
	// An interrupt that comes before the statement has begun is lost, so it is repeated.
	t.conn.Interrupt()
	if now.Sub(t.stopped) < grace {
		t.mu.Unlock()
		return false
	}
	t.stuck = true
	t.service.stuck.Add(1)
	t.service.admission.leave(t.statement.Key)
	tell, cause := t.abandoned, t.cause
	t.mu.Unlock()
	t.instance().Retire()
	if tell != nil {
		tell(cause)
	}
	return true
}
