package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// hub runs each statement that is subscribed to once for all its subscribers.
type hub struct {
	queries *query.Service
	metrics *Metrics

	mu    sync.Mutex // guards feeds, and the subscribers of each feed
	feeds map[string]*feed
}

func newHub(queries *query.Service, metrics *Metrics) *hub {
	return &hub{queries: queries, metrics: metrics, feeds: make(map[string]*feed)}
}

// feed runs one statement whenever a new generation is there. Which tables a generation changed is not known, so each may
// have changed the result.
type feed struct {
	hub       *hub
	key       string
	database  string
	statement query.Statement
	options   encode.Options
	stop      context.CancelFunc

	// Guarded by hub.mu:
	subscribers map[*subscription]struct{}
	latest      *version
	failure     error         // why the feed has ended
	changed     chan struct{} // is closed with the next latest or failure
	joined      chan struct{} // has an item when a subscriber has joined
}

// version is one result.
type version struct {
	rows     []byte // a JSON array
	columns  []duck.Column
	manifest *generation.Manifest
	took     time.Duration

	once  sync.Once
	split [][]byte
}

// each returns the rows one by one.
func (v *version) each() [][]byte {
	v.once.Do(func() { v.split = splitRows(v.rows) })
	return v.split
}

// join makes a subscription one of the subscribers of its statement.
func (h *hub) join(sub *subscription, database string, st query.Statement, options encode.Options) {
	key := fmt.Sprintf("%q %q %q %q %q %q %#v", database, st.Dialect, options.Numbers, options.Times, options.JSON, st.SQL, st.Params)
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.feeds[key]
	if f == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f = &feed{
			hub: h, key: key, database: database, statement: st, options: options, stop: cancel,
			subscribers: make(map[*subscription]struct{}), changed: make(chan struct{}), joined: make(chan struct{}, 1),
		}
		h.feeds[key] = f
		h.metrics.feeds.Inc()
		go f.run(ctx)
	}
	f.subscribers[sub] = struct{}{}
	sub.feed = f
	select {
	case f.joined <- struct{}{}:
	default:
	}
}

// leave ends a subscription. A feed ends with its last subscriber.
func (h *hub) leave(sub *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := sub.feed
	delete(f.subscribers, sub)
	if len(f.subscribers) == 0 {
		f.stop()
		h.remove(f)
	}
}

// remove forgets a feed. It is called with mu held.
func (h *hub) remove(f *feed) {
	if h.feeds[f.key] == f {
		delete(h.feeds, f.key)
		h.metrics.feeds.Dec()
	}
}

// run runs the statement now and on new generations, until the feed has no subscriber or the statement fails.
func (f *feed) run(ctx context.Context) {
	for {
		began := time.Now()
		database, err := f.hub.queries.Database(f.database)
		if err != nil {
			f.fail(err)
			return
		}
		changed := database.Changed()
		v, err := f.answer(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			f.publish(v)
		case !f.tolerates(err):
			f.fail(err)
			return
		}
		if !f.wait(ctx, began, changed) {
			return
		}
	}
}

// tolerates tells whether the next generation may be tried: after a failure that passes, when there is a result already.
func (f *feed) tolerates(err error) bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	return f.latest != nil && query.Explain(err).Code.Retryable()
}

// wait returns when the statement is to run again, or false when it is not.
func (f *feed) wait(ctx context.Context, began time.Time, changed <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	}
	for {
		left := f.interval() - time.Since(began)
		if left <= 0 {
			return true
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-f.joined: // it may want its updates sooner
		case <-timer.C:
		}
		timer.Stop()
	}
}

// interval is the shortest that a subscriber wants.
func (f *feed) interval() time.Duration {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	shortest := time.Duration(-1)
	for sub := range f.subscribers {
		if shortest < 0 || sub.interval < shortest {
			shortest = sub.interval
		}
	}
	return max(shortest, 0)
}

func (f *feed) answer(ctx context.Context) (*version, error) {
	snapshot, err := f.hub.queries.Snapshot(f.database)
	if err != nil {
		return nil, err
	}
	defer snapshot.Release()
	f.hub.metrics.reruns.Inc()
	began := time.Now()
	answered := make(chan query.Answer, 1)
	handle := snapshot.Go(f.statement, f.options, nil, func(a query.Answer) { answered <- a })
	defer context.AfterFunc(ctx, func() { handle.Cancel() })()
	a := <-answered
	if a.Err != nil {
		return nil, a.Err
	}
	return &version{rows: a.JSON, columns: a.Columns, manifest: snapshot.Manifest(), took: time.Since(began)}, nil
}

// publish makes v the latest version, if it differs from the one before.
func (f *feed) publish(v *version) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	if f.latest != nil && bytes.Equal(f.latest.rows, v.rows) {
		return
	}
	f.latest = v
	f.tell()
}

func (f *feed) fail(err error) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.failure = err
	f.hub.remove(f)
	f.tell()
}

func (f *feed) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

var errUnsubscribed = errors.New("unsubscribed")

// newer waits for a version other than the one sent last.
func (f *feed) newer(ctx context.Context, sent *version) (*version, error) {
	for {
		f.hub.mu.Lock()
		latest, failure, changed := f.latest, f.failure, f.changed
		f.hub.mu.Unlock()
		switch {
		case failure != nil:
			return nil, failure
		case latest != nil && (sent == nil || !bytes.Equal(latest.rows, sent.rows)):
			return latest, nil
		}
		select {
		case <-ctx.Done():
			return nil, errUnsubscribed
		case <-changed:
		}
	}
}
