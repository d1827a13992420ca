package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// State is how far a job is.
type State string

// The states.
const (
	Queued  State = "queued"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Status is what is told of a job.
type Status struct {
	ID         string        `json:"id"`
	State      State         `json:"state"`
	Database   string        `json:"database"`
	Format     encode.Format `json:"format"`
	CreatedAt  time.Time     `json:"createdAt"`
	StartedAt  *time.Time    `json:"startedAt,omitempty"`
	FinishedAt *time.Time    `json:"finishedAt,omitempty"`
	ExpiresAt  *time.Time    `json:"expiresAt,omitempty"`
	// Rows and Bytes are what has been made so far.
	Rows       int64      `json:"rows"`
	Bytes      int64      `json:"bytes"`
	Generation uint64     `json:"generation,omitempty"`
	AsOf       *time.Time `json:"asOf,omitempty"`
	Error      string     `json:"error,omitempty"`
	Code       query.Code `json:"code,omitempty"`
}

// job is one job. The fields from state on are guarded by the service's mutex.
type job struct {
	service *Service
	id      string
	request Request
	path    string
	created time.Time
	cancel  context.CancelFunc

	state             State
	started, finished *time.Time
	rows, bytes       int64
	freshness         query.Freshness
	err               *query.Error
	// marks say at which byte of the file certain rows begin, so that a page is found without reading what is before it.
	marks []mark
}

type mark struct{ row, offset int64 }

func (j *job) status() Status {
	s := Status{
		ID: j.id, State: j.state, Database: j.request.Database, Format: j.request.Format, CreatedAt: j.created, StartedAt: j.started, FinishedAt: j.finished,
		Rows: j.rows, Bytes: j.bytes, Generation: j.freshness.Generation, AsOf: j.freshness.AsOf,
	}
	if j.finished != nil {
		expires := j.finished.Add(j.service.limits.Expiry)
		s.ExpiresAt = &expires
	}
	if j.err != nil {
		s.Error, s.Code = j.err.Message, j.err.Code
	}
	return s
}

func (j *job) run(ctx context.Context) {
	defer j.cancel()
	err := j.wait(ctx)
	if err == nil {
		err = j.work(ctx)
		<-j.service.turns
	}
	j.end(err)
}

// wait takes a turn.
func (j *job) wait(ctx context.Context) error {
	select {
	case j.service.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	j.service.mu.Lock()
	defer j.service.mu.Unlock()
	now := time.Now().UTC()
	j.state, j.started = Running, &now
	return nil
}

func (j *job) end(err error) {
	s := j.service
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	j.finished, j.state = &now, Done
	if err != nil {
		j.state, j.err = Failed, query.Explain(err)
		if j.err.Code == query.CodeInternal {
			s.log.Error("job failed", "job", j.id, "error", err)
		}
		// What was written is not a result.
		s.bytes -= j.bytes
		j.bytes = 0
		if err := os.Remove(j.path); err != nil && !os.IsNotExist(err) {
			s.log.Warn("file of a job cannot be removed", "job", j.id, "error", err)
		}
	}
	if s.jobs[j.id] == nil { // it was deleted meanwhile
		s.bytes -= j.bytes
		j.bytes = 0
		_ = os.Remove(j.path) // Delete has removed it, unless it was made after that
	}
	s.metrics.count(string(j.state))
}

// work runs the statement into the file.
func (j *job) work(ctx context.Context) error {
	snapshot, err := j.service.queries.Snapshot(j.request.Database)
	if err != nil {
		return err
	}
	defer snapshot.Release()
	freshness := query.AsOf(snapshot.Manifest(), time.Now())
	j.service.mu.Lock()
	j.freshness = freshness
	j.service.mu.Unlock()
	statement := j.request.Statement
	statement.Kind, statement.Timeout = query.KindJob, j.service.limits.Timeout
	rows, err := snapshot.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	file, err := os.OpenFile(j.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making a result's file: %w", err)
	}
	return errors.Join(j.write(file, rows, freshness), file.Close())
}

func (j *job) write(file *os.File, rows *query.Rows, freshness query.Freshness) error {
	out := &bounded{job: j, file: file}
	writer, err := encode.NewWriter(out, j.request.Format, rows.Columns(), j.request.Options, j.request.BOM)
	if err != nil {
		return explain(err)
	}
	var count int64
	for {
		chunk, err := rows.Next()
		if err != nil {
			return err
		}
		if chunk == nil {
			break
		}
		out.mark(count)
		if err := writer.Write(chunk); err != nil {
			return explain(err)
		}
		count += int64(chunk.Rows())
		out.progress(count)
	}
	fields, err := json.Marshal(freshness)
	if err != nil {
		return fmt.Errorf("ending a result: %w", err)
	}
	return explain(writer.Close(encode.Summary{Rows: count, Fields: fields[1 : len(fields)-1]}))
}

func explain(err error) error {
	var beyond *encode.RangeError
	if errors.As(err, &beyond) {
		return &query.Error{Code: query.CodeInvalid, Message: beyond.Error()}
	}
	return err
}

// bounded writes a job's file within the bounds of the service.
type bounded struct {
	job    *job
	file   *os.File
	offset int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if err := b.reserve(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := b.file.Write(p)
	b.offset += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing a result's file: %w", err)
	}
	return n, nil
}

func (b *bounded) reserve(n int64) error {
	s := b.job.service
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.jobs[b.job.id] == nil:
		return context.Canceled
	case s.bytes+n > s.limits.Bytes:
		return &query.Error{Code: query.CodeTooLarge, Message: fmt.Sprintf("the results of all jobs take more than %d bytes (JOBS_MAX_BYTES); delete some, or ask for less", s.limits.Bytes)}
	}
	s.bytes += n
	b.job.bytes += n
	return nil
}

func (b *bounded) mark(row int64) {
	if b.job.request.Format != encode.FormatNDJSON {
		return
	}
	b.job.service.mu.Lock()
	defer b.job.service.mu.Unlock()
	b.job.marks = append(b.job.marks, mark{row, b.offset})
}

func (b *bounded) progress(rows int64) {
	b.job.service.mu.Lock()
	defer b.job.service.mu.Unlock()
	b.job.rows = rows
}
