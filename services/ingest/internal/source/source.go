// Package source follows one database of one MySQL or MariaDB server: it streams the
// binlog, copies tables into the same stream, and starts again from the stream's end whenever
// anything fails. It keeps no state but what is in the stream.
package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 30 * time.Second
	// settled is how long a run must have lasted for the next failure to count as the first.
	settled = time.Minute
)

// Config says what to follow.
type Config struct {
	// ID is the database's id, which names its stream.
	ID     string
	Server server.Config
	// ServerID identifies this replica to the source; it must differ from that of every other.
	ServerID uint32
	// Follow says whether a table is to be followed; nil follows all.
	Follow func(table string) bool
	// Destructive is for tables and columns that are dropped, and for changes by which values may be lost.
	Destructive Destructive
	// ResyncRate is how many rows a second are read at most for checks and scheduled rebuilds; 0 means as many as can be.
	ResyncRate int
	// CopyRate bounds all copies together likewise, beside ResyncRate where that applies too.
	CopyRate int
	// CopyConnections is how many connections read tables at once; at least one does.
	CopyConnections int
	// Rules are what becomes of columns. What was sent before a mask was set stays as it was until the table is copied anew; where
	// Dates has changed, the tables that it concerns are.
	mysqltype.Rules
}

// Destructive says what becomes of readers' tables by a change at the source that loses values.
type Destructive uint8

const (
	// FollowDestructive makes the same change.
	FollowDestructive Destructive = iota
	// PauseDestructive leaves the table as it was until somebody asks for a copy of it.
	PauseDestructive
	// KeepDropped leaves dropped tables and columns to the readers, and follows everything else.
	KeepDropped
)

// Source follows one database.
type Source struct {
	cfg     Config
	bus     *bus.Bus
	log     *slog.Logger
	metrics *Metrics

	// requests are handed to the run under way.
	requests chan request
	status   statusBoard

	// condemned are tables that a run found it cannot follow; the next one quarantines them before it goes on.
	condemned map[string]string
	// copiesPaused is kept here so that it outlives a lost connection.
	copiesPaused bool
	// lost says why the binlog can no longer be read from the stream's position.
	lost string
}

// New returns a source that is not running yet.
func New(cfg Config, b *bus.Bus, log *slog.Logger, metrics *Metrics) *Source {
	s := &Source{
		cfg:       cfg,
		bus:       b,
		log:       log.With("database", cfg.ID),
		metrics:   metrics,
		requests:  make(chan request),
		condemned: map[string]string{},
	}
	metrics.boards.add(cfg.ID, &s.status)
	return s
}

// Run follows the database until ctx ends, and serves requests about it. Whatever fails is logged, and tried again
// after a pause that grows while it keeps failing.
func (s *Source) Run(ctx context.Context) error {
	var control sync.WaitGroup
	defer control.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	control.Go(func() { s.serveControl(ctx) })

	pause := firstPause
	for {
		began := time.Now()
		err := s.runOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.metrics.restarts.WithLabelValues(s.cfg.ID).Inc()
		if s.remember(err) {
			continue
		}
		if time.Since(began) > settled {
			pause = firstPause
		}
		s.status.failed(err)
		wait := pause/2 + rand.N(pause)
		s.log.ErrorContext(ctx, "following the source failed", "error", err, "retry_in", wait.Round(time.Millisecond).String())
		pause = min(2*pause, longestPause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// remember keeps what the next run must do about an error. It returns true when that run is to begin at once.
func (s *Source) remember(err error) bool {
	var condemned *condemnedError
	var purged *binlog.PurgedError
	var incident *binlog.IncidentError
	switch {
	case errors.As(err, &condemned):
		for _, table := range condemned.tables {
			s.condemned[table] = condemned.reason
		}
	case errors.As(err, &purged):
		s.lost = purged.Error()
	case errors.As(err, &incident):
		s.lost = incident.Error()
	default:
		return false
	}
	s.log.Warn("rows must be copied anew", "reason", err)
	return true
}

// condemnedError: the rows of tables can no longer be followed. The run ends, and the next one begins with
// telling so, at the position where the stream is complete.
type condemnedError struct {
	tables []string
	reason string
}

func (e *condemnedError) Error() string {
	return fmt.Sprintf("cannot follow %q: %s", e.tables, e.reason)
}
