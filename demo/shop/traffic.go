package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Traffic is what goes on in the shop: new orders, orders that move on, prices that change,
// cancellations and new users, one transaction after the other on one connection.
//
// Given the same rows and seed it makes the same transactions in the same order; only the
// times in them are the server's. Run several with different seeds for more than one
// connection can do.
type Traffic struct {
	db   *sql.DB
	rate float64
	seed uint64
	log  *slog.Logger

	counts [kinds]atomic.Int64
	errors atomic.Int64
}

// NewTraffic makes traffic of rate transactions a second against the shop that db is
// opened on. It does not connect yet.
func NewTraffic(db *sql.DB, rate float64, seed uint64, log *slog.Logger) (*Traffic, error) {
	if rate <= 0 {
		return nil, fmt.Errorf("a rate of %g transactions a second is no traffic", rate)
	}
	return &Traffic{db: db, rate: rate, seed: seed, log: log}, nil
}

// Stats count the transactions that changed rows and were committed, and those that failed.
type Stats struct {
	NewOrders, StatusChanges, PriceChanges, Cancellations, NewUsers int64
	Errors                                                          int64
}

// Commits is the number of transactions that were committed.
func (s Stats) Commits() int64 {
	return s.NewOrders + s.StatusChanges + s.PriceChanges + s.Cancellations + s.NewUsers
}

// Stats may be called at any time, also while Run runs.
func (t *Traffic) Stats() Stats {
	return Stats{
		NewOrders:     t.counts[newOrder].Load(),
		StatusChanges: t.counts[statusChange].Load(),
		PriceChanges:  t.counts[priceChange].Load(),
		Cancellations: t.counts[cancellation].Load(),
		NewUsers:      t.counts[newUser].Load(),
		Errors:        t.errors.Load(),
	}
}

type kind int

const (
	newOrder kind = iota
	statusChange
	priceChange
	cancellation
	newUser
	kinds
)

func drawKind(r *rand.Rand) kind {
	switch p := r.IntN(100); {
	case p < 45:
		return newOrder
	case p < 82:
		return statusChange
	case p < 91:
		return priceChange
	case p < 95:
		return cancellation
	default:
		return newUser
	}
}

// Run makes traffic until ctx ends, then returns nil. It fails only when the shop cannot be
// read at the start. A transaction that fails later is rolled back and counted, the first
// of a row of them logged, and the traffic goes on: the database may be back in a moment.
func (t *Traffic) Run(ctx context.Context) error {
	s, err := openShop(ctx, t.db, t.seed)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for
		}
		return fmt.Errorf("reading the shop before its traffic: %w", err)
	}
	pace := newPace(t.rate)
	failing := false
	for pace.wait(ctx) {
		k := drawKind(s.random)
		err := s.transact(ctx, k)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end was asked for
		case errors.Is(err, errNothingToDo):
		case err != nil:
			t.errors.Add(1)
			if !failing {
				t.log.WarnContext(ctx, "shop traffic fails", "error", err)
			}
			failing = true
			pace.rest(ctx)
		default:
			t.counts[k].Add(1)
			if failing {
				t.log.InfoContext(ctx, "shop traffic recovered", "failed_transactions", t.errors.Load())
			}
			failing = false
		}
	}
	return nil
}

// pace spaces transactions evenly. After a delay it catches up by at most a second's worth.
type pace struct {
	interval time.Duration
	next     time.Time
	timer    *time.Timer
}

func newPace(rate float64) *pace {
	return &pace{interval: time.Duration(float64(time.Second) / rate), next: time.Now(), timer: time.NewTimer(0)}
}

// wait returns true at the next transaction's time, false when ctx has ended.
func (p *pace) wait(ctx context.Context) bool {
	now := time.Now()
	if behind := now.Add(-time.Second); p.next.Before(behind) {
		p.next = behind
	}
	delay := p.next.Sub(now)
	p.next = p.next.Add(p.interval)
	return p.sleep(ctx, delay)
}

// rest waits a little after a failure, for one that fails at once would keep a core busy.
func (p *pace) rest(ctx context.Context) { p.sleep(ctx, 100*time.Millisecond) }

func (p *pace) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	p.timer.Reset(d)
	select {
	case <-ctx.Done():
		return false
	case <-p.timer.C:
		return true
	}
}
