package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// repeatEvery is how often a failure that goes on is logged again.
const repeatEvery = 30 * time.Second

// Repeated logs a failure that may come again and again: the first time, then
// at most every 30 seconds with a count, and once when it is over. The zero value is not usable; each
// kind of failure has one of its own. Safe for concurrent use.
type Repeated struct {
	log *slog.Logger

	mu     sync.Mutex
	count  int
	since  time.Time
	logged time.Time
}

// NewRepeated returns a Repeated that logs to log.
func NewRepeated(log *slog.Logger) *Repeated { return &Repeated{log: log} }

// Failed notes one failure.
func (r *Repeated) Failed(ctx context.Context, message string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.count == 0 {
		r.since = now
	}
	r.count++
	if r.count > 1 && now.Sub(r.logged) < repeatEvery {
		return
	}
	r.logged = now
	r.log.WarnContext(ctx, message, "error", err, "times", r.count, "for", now.Sub(r.since).Round(time.Second)) //nolint:sloglint // the caller's message is a constant
}

// Recovered notes that it works again; without a failure before it does nothing.
func (r *Repeated) Recovered(ctx context.Context, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 {
		return
	}
	r.log.InfoContext(ctx, message, "times", r.count, "for", time.Since(r.since).Round(time.Second)) //nolint:sloglint // the caller's message is a constant
	r.count = 0
}
