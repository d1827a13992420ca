// Package replica keeps one database's DuckDB file level with its stream: it
// reads frames, applies them in batches, publishes generations and answers questions about both.
package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

// Config says what to keep where, and how eagerly.
type Config struct {
	Database string
	DataDir  string
	DuckDB   live.Options
	// BatchRows is how many rows a batch has before it is committed, BatchDelay how long its first
	// row waits at most.
	BatchRows  int
	BatchDelay time.Duration
	// PublishInterval is the least time from one generation to the next.
	PublishInterval time.Duration
	// StreamKeep is how long frames stay in the stream after they were committed.
	StreamKeep time.Duration
	// CheckEvery is how often a table is compared with its source, RebuildEvery how often it is copied anew; 0 is never.
	CheckEvery, RebuildEvery time.Duration
	// CheckRows is about how many rows of a table are compared at once; 0 is all.
	CheckRows int
}

const (
	firstPause = 500 * time.Millisecond
	lastPause  = 10 * time.Second
)

// Replica runs the loader of one database.
type Replica struct {
	cfg     Config
	bus     *bus.Bus
	log     *slog.Logger
	metrics *Metrics

	status  atomic.Pointer[Status]
	resyncs chan recopy
	orders  chan order
}

// New makes a Replica; nothing happens before Run.
func New(cfg Config, b *bus.Bus, metrics *Metrics, log *slog.Logger) *Replica {
	r := &Replica{cfg: cfg, bus: b, metrics: metrics, log: log.With("database", cfg.Database), resyncs: make(chan recopy), orders: make(chan order)}
	r.status.Store(&Status{Database: cfg.Database, Condition: "starting"})
	return r
}

// Run works until ctx ends, then commits what is whole and returns nil. What
// can heal, as a full disk or a lost NATS, shows in Status and is tried again, and a damaged file is replaced by the newest generation. It
// returns an error for what cannot: a file that another loader holds, that is damaged and has no generation, or that is not this database's.
func (r *Replica) Run(ctx context.Context) error {
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer stop()
		served <- r.serve(ctx)
	}()
	err := r.persist(ctx)
	stop()
	return errors.Join(err, <-served)
}

func (r *Replica) persist(ctx context.Context) error {
	pause := firstPause
	// A file that is damaged again soon after it was replaced is damaged by something that replacing does not mend.
	var recovered time.Time
	for {
		began := time.Now()
		err := r.attempt(ctx)
		if err == nil && ctx.Err() == nil {
			continue // the file was compacted
		}
		if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return nil
		}
		var damaged *live.DamagedError
		if errors.As(err, &damaged) && time.Since(recovered) > lastPause {
			recovered = time.Now()
			cannot := r.recover(damaged)
			if cannot == nil {
				continue
			}
			err = fmt.Errorf("%w; no generation can take its place: %w", err, cannot)
		}
		if final(err) {
			return fmt.Errorf("loading database %s: %w", r.cfg.Database, err)
		}
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		r.condition(err.Error())
		if errors.Is(err, bus.ErrNoStream) {
			// Nothing is wrong yet: the loader was started before ingest.
			pause = firstPause
			r.log.Debug("waiting for ingest to make the stream")
		} else {
			r.log.Error("loading stopped and is tried again", "error", err, "pause", pause)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// final tells what waiting does not heal.
func final(err error) bool {
	var held *live.HeldError
	var locked *duck.LockedError
	var damaged *live.DamagedError
	var format *live.FormatError
	var foreign *foreignError
	return errors.As(err, &held) || errors.As(err, &locked) || errors.As(err, &damaged) || errors.As(err, &format) || errors.As(err, &foreign)
}

// foreignError says that the file is not this loader's to work on.
type foreignError struct{ error }

func (e *foreignError) Unwrap() error { return e.error }

// attempt opens the file and works on it until something fails, ctx ends, or the file has been compacted, which is no error.
func (r *Replica) attempt(ctx context.Context) error {
	file, err := live.Open(r.cfg.DataDir, r.cfg.Database, r.cfg.DuckDB)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := r.work(ctx, file); !errors.Is(err, errWasteful) {
		return file.Damaged(err)
	}
	start := time.Now()
	if err := file.Compact(); err != nil {
		return err
	}
	r.log.Info("file was mostly free blocks and has been compacted", "took", time.Since(start))
	return nil
}

func (r *Replica) work(ctx context.Context, file *live.File) error {
	s, err := r.open(file)
	if err != nil {
		return err
	}
	defer s.close()
	r.condition("")
	return s.run(ctx)
}
