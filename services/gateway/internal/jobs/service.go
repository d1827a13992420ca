// Package jobs runs statements whose results are fetched later, for reports that take longer than a client wants to wait.
// Results are files in a directory of this process: they are bounded in number and size, expire, and do not outlive the gateway.
package jobs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// Limits bound what jobs may take.
type Limits struct {
	// Dir is where results are kept. It is made, and removed at the end with all that is in it.
	Dir string
	// Running is how many jobs run at once, Jobs how many there may be in all, and PerKey of these for one key.
	Running, Jobs, PerKey int
	// Bytes is what all results may take together.
	Bytes int64
	// Timeout is how long a job may run, Expiry how long its result is kept.
	Timeout, Expiry time.Duration
}

// Request is what a job is to do.
type Request struct {
	Database  string
	Statement query.Statement // its Key says whose job it is
	Format    encode.Format
	Options   encode.Options
	BOM       bool
}

// Service has all jobs. It is safe for concurrent use.
type Service struct {
	queries *query.Service
	limits  Limits
	metrics *Metrics
	log     *slog.Logger
	turns   chan struct{} // places for running jobs
	running sync.WaitGroup

	mu      sync.Mutex      // guards the fields below, and the fields of jobs that say so
	ctx     context.Context //nolint:containedctx // Run's, for the jobs that are started meanwhile
	jobs    map[string]*job
	bytes   int64
	closing bool
}

// New makes a Service. Its Run is to run as long as it is used.
func New(queries *query.Service, limits Limits, metrics *Metrics, log *slog.Logger) *Service {
	s := &Service{queries: queries, limits: limits, metrics: metrics, log: log, turns: make(chan struct{}, limits.Running), jobs: make(map[string]*job)}
	metrics.service = s
	return s
}

// sweep is how often expired jobs are looked for.
const sweep = time.Second

// Run takes jobs until ctx ends. Then it stops those that run and removes all results.
func (s *Service) Run(ctx context.Context) error {
	if err := os.MkdirAll(s.limits.Dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of results: %w", err)
	}
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.close()
		case now := <-tick.C:
			s.expire(now)
		}
	}
}

func (s *Service) close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.running.Wait()
	if err := os.RemoveAll(s.limits.Dir); err != nil {
		return fmt.Errorf("removing the directory of results: %w", err)
	}
	return nil
}

func (s *Service) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, j := range s.jobs {
		if j.finished != nil && now.Sub(*j.finished) > s.limits.Expiry {
			s.forget(id)
		}
	}
}

// forget removes a job and its result. A client that is reading the file goes on reading it. s.mu is held.
func (s *Service) forget(id string) {
	j := s.jobs[id]
	if j == nil {
		return
	}
	delete(s.jobs, id)
	s.bytes -= j.bytes
	j.bytes = 0
	if err := os.Remove(j.path); err != nil && !os.IsNotExist(err) {
		s.log.Warn("result of a job cannot be removed", "job", id, "error", err)
	}
}

// Submit takes a job, which runs when there is a place for it. Errors are of type *query.Error.
func (s *Service) Submit(r Request) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.closing {
		return Status{}, &query.Error{Code: query.CodeNotReady, Message: "jobs are not taken at this moment", RetryAfter: time.Second}
	}
	mine := 0
	for _, j := range s.jobs {
		if j.request.Statement.Key == r.Statement.Key {
			mine++
		}
	}
	switch {
	case mine >= s.limits.PerKey:
		s.metrics.count("rejected")
		return Status{}, &query.Error{Code: query.CodeLimit, Message: fmt.Sprintf("this key has %d jobs already (JOBS_PER_KEY); delete some", mine)}
	case len(s.jobs) >= s.limits.Jobs:
		s.metrics.count("rejected")
		return Status{}, &query.Error{Code: query.CodeBusy, Message: fmt.Sprintf("there are %d jobs already (JOBS_MAX)", len(s.jobs)), RetryAfter: 5 * time.Second}
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails; it ends the process instead
	id := hex.EncodeToString(random[:])
	ctx, cancel := context.WithCancel(s.ctx)
	j := &job{service: s, id: id, request: r, path: filepath.Join(s.limits.Dir, id), created: time.Now().UTC(), state: Queued, cancel: cancel}
	s.jobs[id] = j
	s.running.Go(func() { j.run(ctx) })
	return j.status(), nil
}

// Status describes a job of a key; an empty key sees all. The error is of type *query.Error.
func (s *Service) Status(key, id string) (Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(key, id)
	if err != nil {
		return Status{}, err
	}
	return j.status(), nil
}

// List describes all jobs of a key; an empty key sees all.
func (s *Service) List(key string) []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Status{}
	for _, j := range s.jobs {
		if key == "" || j.request.Statement.Key == key {
			all = append(all, j.status())
		}
	}
	return all
}

// Delete stops a job, if it has not ended, and removes it and its result.
func (s *Service) Delete(key, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.find(key, id)
	if err != nil {
		return err
	}
	j.cancel()
	s.forget(id)
	return nil
}

func (s *Service) find(key, id string) (*job, error) {
	j := s.jobs[id]
	if j == nil || key != "" && j.request.Statement.Key != key {
		return nil, &query.Error{Code: query.CodeUnknownName, Message: "there is no such job; it may have expired, or belong to another gateway"}
	}
	return j, nil
}
