package reader

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/pkg/generation"
)

// scan is how often the data directory is searched for databases that were added.
const scan = 500 * time.Millisecond

// Set serves every database of a data directory: each folder that has generations in it.
type Set struct {
	data    string
	engine  *Engine
	log     *slog.Logger
	health  *daemon.Health
	metrics *Metrics

	scanned chan struct{} // closed when the data directory was searched for the first time

	mu        sync.RWMutex // guards databases
	databases map[string]*Database
}

// NewSet makes a Set for the data directory; engine must not change any more. In health it keeps a condition
// for each database: that some generation of it is served.
func NewSet(data string, engine *Engine, health *daemon.Health, metrics *Metrics, log *slog.Logger) *Set {
	s := &Set{data: data, engine: engine, log: log, health: health, metrics: metrics, scanned: make(chan struct{}), databases: make(map[string]*Database)}
	metrics.databases = s
	return s
}

// Run serves until ctx ends and returns when every query in flight has.
func (s *Set) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer s.engine.close()
	defer running.Wait()
	tick := time.NewTicker(scan)
	defer tick.Stop()
	failing := daemon.NewRepeated(s.log)
	searched := sync.OnceFunc(func() { close(s.scanned) })
	for {
		added, err := s.discover()
		if err != nil {
			failing.Failed(ctx, "data directory cannot be read", err)
		} else {
			failing.Recovered(ctx, "data directory can be read again")
		}
		s.health.Set(anyDatabase, s.empty(err))
		for _, d := range added {
			s.log.Info("serving database", "database", d.ID)
			running.Go(func() {
				if err := d.Run(ctx); err != nil {
					cancel(err)
				}
			})
		}
		searched()
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); err != ctx.Err() { //nolint:errorlint // identity tells a failure from a stop
				return err
			}
			return nil
		case <-tick.C:
		}
	}
}

// Settle waits until every database that was there when Run began serves a generation, or ctx ends. One whose first
// generation is still to come is not waited for.
func (s *Set) Settle(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.scanned:
	}
	for _, id := range s.IDs() {
		s.lookup(id).settle(ctx)
	}
}

const anyDatabase = "data directory"

func (s *Set) empty(err error) error {
	if err == nil && len(s.IDs()) == 0 {
		return fmt.Errorf("no database in %s yet; the loader makes it with its first publication", s.data)
	}
	return err
}

// discover adds the databases that have appeared.
func (s *Set) discover() ([]*Database, error) {
	entries, err := os.ReadDir(s.data)
	if err != nil {
		return nil, fmt.Errorf("reading data directory: %w", err)
	}
	var added []*Database
	for _, e := range entries {
		id := e.Name()
		dir := generation.Dir(s.data, id)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() || s.lookup(id) != nil {
			continue
		}
		d := newDatabase(s, id, dir)
		s.mu.Lock()
		s.databases[id] = d
		s.mu.Unlock()
		added = append(added, d)
	}
	return added, nil
}

func (s *Set) lookup(id string) *Database {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.databases[id]
}

// UnknownError reports a database that does not exist, with the names of those that do.
type UnknownError struct {
	Database  string
	Available []string
}

func (e *UnknownError) Error() string {
	available := "none yet"
	if len(e.Available) > 0 {
		available = strings.Join(e.Available, ", ")
	}
	return fmt.Sprintf("Database '%s' not found. Available databases: %s", e.Database, available)
}

// Get returns the named database or an *UnknownError.
func (s *Set) Get(id string) (*Database, error) {
	if d := s.lookup(id); d != nil {
		return d, nil
	}
	return nil, &UnknownError{Database: id, Available: s.IDs()}
}

// IDs are the names of the databases, sorted.
func (s *Set) IDs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]string, 0, len(s.databases))
	for id := range s.databases {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
