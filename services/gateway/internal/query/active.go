package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// active are the statements that have arrived and not ended.
type active struct {
	mu      sync.Mutex // guards the fields below
	last    uint64
	tickets map[uint64]*ticket
}

func (a *active) add(t *ticket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	t.id = a.last
	a.tickets[t.id] = t
}

func (a *active) remove(t *ticket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tickets, t.id)
}

func (a *active) all() []*ticket {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*ticket, 0, len(a.tickets))
	for _, t := range a.tickets {
		all = append(all, t)
	}
	return all
}

func (a *active) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.tickets)
}

// watch is how often the statements' time is looked at: a limit is kept to within this.
const watch = 20 * time.Millisecond

// ErrStuck says that so many statements could not be stopped that the process should be started anew.
var ErrStuck = errors.New("too many statements cannot be stopped")

// ErrWorn says that one generation was opened anew so often that the process should be started anew, as what was given up stays open until the next one.
var ErrWorn = errors.New("DuckDB was started anew too often on one generation")

// maxInstances is how many instances of a generation there may be.
const maxInstances = 16

// Run stops statements whose time is over until ctx ends. A statement that does not stop within the grace period,
// because DuckDB is inside one call for one vector, is given up: its client is answered, its place is free and its generation is
// opened anew. With more than Limits.Stuck of them it returns ErrStuck, as only a new process gets rid of them, and ErrWorn when a
// generation was opened anew too often.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(watch)
	defer tick.Stop()
	relieved := make(map[string]time.Time)
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			all := s.active.all()
			s.relieve(now, all, relieved)
			for _, t := range all {
				if t.check(now, s.limits.Grace) {
					s.metrics.stuckTotal.Inc()
					t.wear()
					s.log.Warn("statement cannot be stopped and was given up", "statement", t.id, "database", t.generation.Database, "sql", shortened(t.statement.SQL))
				}
			}
			if s.worn.Load() {
				return fmt.Errorf("%w; start the gateway anew (a supervisor does)", ErrWorn)
			}
			if n := s.stuck.Load(); n > int64(s.limits.Stuck) {
				return fmt.Errorf("%d %w; start the gateway anew (a supervisor does)", n, ErrStuck)
			}
		}
	}
}

// Active describes a statement that has not ended.
type Active struct {
	ID          string    `json:"id"`
	Database    string    `json:"database"`
	Generation  uint64    `json:"generation"`
	Key         string    `json:"key,omitempty"`
	Kind        Kind      `json:"kind"`
	State       string    `json:"state"` // waiting, running, paused, stopping or stuck
	SQL         string    `json:"sql"`
	Fingerprint string    `json:"fingerprint"`
	StartedAt   time.Time `json:"startedAt"`
	ElapsedMs   int64     `json:"elapsedMs"`
}

// Active lists the statements that have arrived and not ended, the oldest first.
func (s *Service) Active() []Active {
	list := []Active{}
	for _, t := range s.active.all() {
		t.mu.Lock()
		one := Active{
			ID: strconv.FormatUint(t.id, 10), Database: t.generation.Database, Generation: t.generation.Number, Key: t.statement.Key, Kind: t.statement.Kind,
			State: t.describe(), SQL: shortened(t.statement.SQL), Fingerprint: fingerprint(t.statement.SQL),
			StartedAt: t.began.UTC(), ElapsedMs: time.Since(t.began).Milliseconds(),
		}
		t.mu.Unlock()
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Active) int { return cmp.Compare(b.ElapsedMs, a.ElapsedMs) })
	return list
}

func (t *ticket) describe() string {
	switch {
	case t.stuck:
		return "stuck"
	case t.cause != nil:
		return "stopping"
	case t.state == waiting:
		return "waiting"
	case t.state == paused:
		return "paused"
	default:
		return "running"
	}
}

// Cancel stops the statement with this Active.ID. It is false when there is none.
func (s *Service) Cancel(id string) bool {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return false
	}
	s.active.mu.Lock()
	t := s.active.tickets[n]
	s.active.mu.Unlock()
	return t != nil && t.stop(cancelled())
}
