// Package reader serves the newest generation of each database. It follows the
// loader's manifests, opens each new generation in a DuckDB instance of its own and puts it in the
// old one's place in one step. Queries finish on the generation they began with; the last one to end closes it.
package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/pkg/generation"
)

// retry is how long the reader waits after a generation could not be opened before it reads the manifest again.
const retry = 50 * time.Millisecond

// Database is one database of the data directory.
type Database struct {
	ID string

	dir     string
	engine  *Engine
	health  *daemon.Health
	metrics *Metrics
	failing *daemon.Repeated
	log     *slog.Logger
	recent  *recent

	current atomic.Pointer[Generation]
	failure atomic.Pointer[error]
	open    sync.WaitGroup // generations that are not closed yet
	retired chan *Generation

	renewing sync.Mutex // held while an instance that DuckDB gave up is replaced

	mu      sync.Mutex // guards changed
	changed chan struct{}
}

func newDatabase(s *Set, id, dir string) *Database {
	return &Database{
		ID: id, dir: dir, engine: s.engine, health: s.health, metrics: s.metrics,
		failing: daemon.NewRepeated(s.log.With("database", id)), log: s.log.With("database", id),
		recent:  &recent{most: s.engine.Ahead, used: make(map[string]time.Time)},
		retired: make(chan *Generation, 1), changed: make(chan struct{}),
	}
}

// Run follows the manifest until ctx ends, then waits for the queries in flight and closes what is open.
func (d *Database) Run(ctx context.Context) error {
	var replacing sync.WaitGroup
	replacing.Go(func() { d.replace(ctx) })
	err := generation.Follow(ctx, d.dir, func(m *generation.Manifest) { d.follow(ctx, m) }, d.refresh, func(err error) { d.failed(ctx, err) })
	replacing.Wait()
	if g := d.current.Swap(nil); g != nil {
		g.Release()
	}
	d.open.Wait()
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end was asked for
	}
	return fmt.Errorf("watching generations of database %s: %w", d.ID, err)
}

// Pin returns the newest generation and keeps it open until its Release. It
// returns a *NotReadyError while there is none.
func (d *Database) Pin() (*Generation, error) {
	for {
		g := d.current.Load()
		if g == nil {
			return nil, d.notReady()
		}
		if g.pin() {
			return g, nil
		}
	}
}

// Changed returns a channel that is closed when the next generation is served.
func (d *Database) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *Database) settle(ctx context.Context) {
	if _, err := generation.Read(d.dir); errors.Is(err, generation.ErrNone) {
		return
	}
	served := d.Changed() // taken before the look, so that no generation comes between
	if d.current.Load() != nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-served:
	}
}

// refresh notes a newer manifest of the generation that is served.
func (d *Database) refresh(m *generation.Manifest) {
	if g := d.current.Load(); g != nil && g.Number == m.Generation && g.Manifest().File == m.File {
		g.manifest.Store(m)
	}
}

func (d *Database) retire(g *Generation) {
	select {
	case d.retired <- g:
	default: // one is being replaced; its successor is asked for again when it is stuck too
	}
}

// replace opens retired generations anew.
func (d *Database) replace(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case old := <-d.retired:
			if d.current.Load() != old {
				continue
			}
			d.log.Warn("a statement cannot be stopped; its generation is opened anew", "generation", old.Number)
			if err := d.serveAnew(ctx, old); err != nil {
				d.log.Error("generation cannot be opened anew", "generation", old.Number, "error", err)
			}
		}
	}
}

// renew is for users of old, which they have pinned.
func (d *Database) renew(old *Generation) *Generation {
	d.renewing.Lock()
	defer d.renewing.Unlock()
	if d.current.Load() == old {
		if old.sound() {
			return nil
		}
		if err := d.serveAnew(context.Background(), old); err != nil {
			d.log.Error("generation cannot be opened anew", "generation", old.Number, "error", err)
			return nil
		}
	}
	g, err := d.Pin()
	if err != nil {
		return nil
	}
	if g.Number != old.Number || g.Manifest().File != old.Manifest().File {
		g.Release()
		return nil
	}
	return g
}

func (d *Database) serveAnew(ctx context.Context, old *Generation) error {
	if !old.pin() { // keeps the lease, which the new instance joins
		return nil
	}
	defer old.Release()
	g, err := d.engine.reopen(d.dir, old)
	if err != nil {
		return err
	}
	if err := d.adopt(ctx, g); err != nil {
		return err
	}
	d.metrics.retired.Inc()
	if !d.current.CompareAndSwap(old, g) {
		g.Release() // a newer generation came
		return nil
	}
	old.Release()
	return nil
}

// Failure is why the newest generation is not being served, or nil.
func (d *Database) Failure() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// NotReadyError reports a database that has nothing to serve yet.
type NotReadyError struct {
	Database string
	Cause    error
}

func (e *NotReadyError) Error() string {
	return fmt.Sprintf("database '%s' has no data yet: %v", e.Database, e.Cause)
}

func (e *NotReadyError) Unwrap() error { return e.Cause }

func (d *Database) notReady() error {
	cause := d.Failure()
	if cause == nil {
		cause = generation.ErrNone
	}
	return &NotReadyError{Database: d.ID, Cause: cause}
}

// patience is how many tries in a row may fail before anyone hears of it: the loader may take
// a file back in the moment in which it is opened, and the next try finds the newer one.
const patience = 4

// follow serves m or, when m is gone by now, the generation that took its place.
func (d *Database) follow(ctx context.Context, m *generation.Manifest) {
	for tries := 1; ; tries++ {
		err := d.serve(ctx, m)
		if err == nil {
			d.failure.Store(nil)
			d.health.Set(d.condition(), nil)
			d.failing.Recovered(ctx, "newest generation is served again")
			return
		}
		err = fmt.Errorf("opening generation %d: %w", m.Generation, err)
		if tries >= patience {
			d.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry):
		}
		if newest, err := generation.Read(d.dir); err == nil {
			m = newest
		}
	}
}

func (d *Database) condition() string { return "database " + d.ID }

// failed notes why the newest generation is not served. With an older one the database stays ready.
func (d *Database) failed(ctx context.Context, err error) {
	d.failure.Store(&err)
	if d.current.Load() == nil {
		d.health.Set(d.condition(), err)
	}
	if !errors.Is(err, generation.ErrNone) {
		d.failing.Failed(ctx, "newest generation is not served", err)
	}
}

func (d *Database) serve(ctx context.Context, m *generation.Manifest) error {
	if m.Database != d.ID {
		return fmt.Errorf("the manifest in %s is of database %q", d.dir, m.Database)
	}
	if g := d.current.Load(); g != nil && g.Number == m.Generation && g.Manifest().File == m.File {
		return nil
	}
	began := time.Now()
	g, err := d.engine.open(d.dir, m)
	if err != nil {
		return err
	}
	if err := d.adopt(ctx, g); err != nil {
		return err
	}
	d.metrics.swapped(d.ID, time.Since(began))
	old := d.current.Swap(g)
	d.mu.Lock()
	close(d.changed)
	d.changed = make(chan struct{})
	d.mu.Unlock()
	if old != nil {
		old.Release()
	}
	d.engine.prepare()
	return nil
}

// adopt makes a generation this database's and warms it. A generation that fails is released.
func (d *Database) adopt(ctx context.Context, g *Generation) error {
	g.served = d
	d.open.Add(1)
	g.ended = func() {
		d.metrics.open.Dec()
		d.open.Done()
	}
	d.metrics.open.Inc()
	if err := g.warm(ctx); err != nil {
		g.Release()
		return err
	}
	return nil
}
