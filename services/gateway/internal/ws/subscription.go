package ws

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
)

// subscription sends a statement's result whenever it has changed.
type subscription struct {
	session  *session
	call     *call
	feed     *feed
	diff     bool
	interval time.Duration
	cancel   context.CancelFunc

	mu        sync.Mutex // guards the fields below, and that nothing is sent once ended is set
	ended     bool
	cancelled bool
}

// maxInterval bounds minIntervalMs, as a longer one says nothing.
const maxInterval = 24 * time.Hour

func (s *session) subscribe(f *frame, began time.Time) error {
	st, options, err := s.statement(f, query.KindSubscribe)
	if err != nil {
		return err
	}
	// A subscription outlives the span that it was made in and shares its runs with others.
	st.Parent = tracing.Parent{}
	if f.MinIntervalMs < 0 {
		return problem(query.CodeInvalidRequest, "minIntervalMs must not be negative")
	}
	if err := s.take(&s.subscriptions, s.server.limits.Subscriptions, "subscriptions"); err != nil {
		return err
	}
	c, err := s.open(f, began)
	if err != nil {
		s.give(&s.subscriptions)
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	interval := min(time.Duration(f.MinIntervalMs)*time.Millisecond, maxInterval)
	sub := &subscription{session: s, call: c, diff: f.Diff, interval: interval, cancel: cancel}
	s.mu.Lock()
	c.sub, c.cancel = sub, sub.stop
	s.mu.Unlock()
	s.server.hub.join(sub, s.database, st, options)
	s.server.metrics.subscriptions.Inc()
	go func() {
		err := sub.run(ctx)
		cancel()
		s.server.hub.leave(sub)
		s.give(&s.subscriptions)
		s.server.metrics.subscriptions.Dec()
		sub.finish(err)
	}()
	return nil
}

// stop ends the subscription as cancel does: with a reply.
func (sub *subscription) stop() bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.ended {
		return false
	}
	sub.cancelled = true
	sub.ended = true
	sub.cancel()
	return true
}

// unsubscribe ends the subscription without a word: after the reply nothing carries its id.
func (s *session) unsubscribe(f *frame) {
	s.mu.Lock()
	c := s.calls[f.Target]
	s.mu.Unlock()
	done := false
	if c != nil && c.sub != nil {
		c.sub.mu.Lock()
		done = !c.sub.ended
		c.sub.ended = true
		c.sub.mu.Unlock()
		c.sub.cancel()
	}
	if done {
		s.close(c) // the client may use the id again
	}
	s.out.send(rowReply(f.ID, `{"unsubscribed":`+strconv.FormatBool(done)+`}`))
}

// finish answers a subscription that has ended by itself or was cancelled.
func (sub *subscription) finish(err error) {
	sub.mu.Lock()
	unsubscribed := sub.ended && !sub.cancelled
	sub.ended = true
	if sub.cancelled {
		err = &query.Error{Code: query.CodeCancelled, Message: "Query cancelled"}
	}
	sub.mu.Unlock()
	if unsubscribed {
		sub.session.working.Done()
		return
	}
	sub.session.replyFailure(sub.call, err)
}

// run sends updates until the statement fails or ctx ends.
func (sub *subscription) run(ctx context.Context) error {
	var sent *version
	var at time.Time
	for seq := 0; ; seq++ {
		if _, err := sub.feed.newer(ctx, sent); err != nil {
			return err
		}
		if err := sub.rest(ctx, at); err != nil {
			return err
		}
		// Only the newest is sent; it may have become what was sent last again.
		v, err := sub.feed.newer(ctx, sent)
		if err != nil {
			return err
		}
		at = time.Now()
		if !sub.send(sub.update(seq, v, sent)) {
			return errUnsubscribed
		}
		sent = v
	}
}

// rest waits until the last update is an interval ago and has been read.
func (sub *subscription) rest(ctx context.Context, last time.Time) error {
	if left := sub.interval - time.Since(last); left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return errUnsubscribed
		case <-timer.C:
		}
	}
	const little = 64 << 10
	if read := sub.session.out.below(little); read != nil {
		select {
		case <-ctx.Done():
			return errUnsubscribed
		case <-read:
		}
	}
	return nil
}

// send sends an update, unless the subscription has ended.
func (sub *subscription) send(b *buffer) bool {
	sub.mu.Lock()
	if sub.ended {
		sub.mu.Unlock()
		b.recycle()
		return false
	}
	sub.session.server.metrics.updates.Inc() // before the client can see it
	flush := sub.session.out.put(b)
	sub.mu.Unlock()
	if flush {
		sub.session.out.flush()
	}
	return true
}

func (sub *subscription) update(seq int, v, sent *version) *buffer {
	b := newBuffer()
	b.bytes = append(begin(b.bytes, sub.call.id, true), `,"type":"update","seq":`...)
	b.bytes = strconv.AppendInt(b.bytes, int64(seq), 10)
	whole := true
	if sub.diff && sent != nil {
		b.bytes, whole = appendDifference(b.bytes, sent, v)
	}
	if whole {
		b.bytes = append(b.bytes, `,"result":`...)
		b.bytes = append(b.bytes, v.rows...)
	}
	b.bytes = appendMeta(b.bytes, v.columns, v.manifest, time.Now())
	b.bytes = append(appendDuration(b.bytes, v.took), '}')
	return b
}
