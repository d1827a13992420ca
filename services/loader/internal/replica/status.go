package replica

import (
	"errors"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

// Status is what a replica says of itself.
type Status struct {
	Database string `json:"database"`
	// Condition says what keeps it from being ready, or is empty.
	Condition string `json:"condition,omitempty"`
	// Generation is the newest one, 0 before the first.
	Generation uint64 `json:"generation"`
	Epoch      uint64 `json:"epoch"`
	// Seq is the last frame committed.
	Seq      uint64              `json:"seq"`
	Position generation.Position `json:"position"`
	// SourceTime is how far in the source's time the rows are known to be complete.
	SourceTime time.Time `json:"sourceTime"`
	// LagSeconds is by this machine's clock against the source's.
	LagSeconds float64 `json:"lagSeconds"`
	Batches    uint64  `json:"batches"`
	Rows       uint64  `json:"rows"`
	Copied     uint64  `json:"copiedRows"`
	Ignored    uint64  `json:"ignoredRows"`
	Mismatches uint64  `json:"mismatchedRows"`
	Tables     []Table `json:"tables"`
	// Resync is the comparison with the source that is under way.
	Resync Resync `json:"resync"`
}

// Table is what a Status says of a table.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	// Stale says why the rows may be older than Position, or is empty.
	Stale string `json:"stale,omitempty"`
	// Kept names the columns that the source has dropped and that stay.
	Kept []string  `json:"kept,omitempty"`
	Copy *Progress `json:"copy,omitempty"`
	// CopyCancelled is when a copy was given up that the table did without; the next one that ends forgets it.
	CopyCancelled *time.Time  `json:"copyCancelled,omitempty"`
	Check         *TableCheck `json:"check,omitempty"`
	// Comparing is how far a comparison in parts got, between two parts too.
	Comparing *Comparing `json:"comparing,omitempty"`
}

// Comparing is what the parts that were compared since found together.
type Comparing struct {
	Since     time.Time `json:"since"`
	Parts     int       `json:"parts"`
	Rows      int64     `json:"rows"`
	Differing int64     `json:"differing"`
}

// Progress is how far a copy got.
type Progress struct {
	Rows      int64 `json:"rows"`
	Estimated int64 `json:"estimatedRows"`
	// RowsPerSecond is the mean since this process saw the copy first.
	RowsPerSecond float64 `json:"rowsPerSecond"`
	// ETASeconds is 0 when it cannot be told.
	ETASeconds float64 `json:"etaSeconds"`
}

type copyStart struct {
	at   time.Time
	rows int64
}

// Status tells how the replica stands, as of a moment ago.
func (r *Replica) Status() Status {
	s := *r.status.Load()
	if !s.SourceTime.IsZero() {
		s.LagSeconds = max(0, time.Since(s.SourceTime).Seconds())
	}
	return s
}

// Ready returns nil when readers get what the stream brings, else why not.
func (r *Replica) Ready() error {
	if c := r.status.Load().Condition; c != "" {
		return errors.New(c)
	}
	if !r.bus.Connected() {
		return bus.ErrDisconnected
	}
	return nil
}

func (r *Replica) condition(text string) {
	r.update(func(s *Status) { s.Condition = text })
}

func (r *Replica) published(n uint64) {
	r.update(func(s *Status) { s.Generation, s.Condition = n, "" })
}

// update changes the status; the session's goroutine is the only one to do so.
func (r *Replica) update(change func(*Status)) {
	s := *r.status.Load()
	change(&s)
	r.status.Store(&s)
}

// snapshot brings the status up to date.
func (s *session) snapshot() {
	p, stats := s.book.Progress, s.applier.Stats()
	tables := make([]Table, 0, len(s.book.Tables()))
	seen := map[uint64]copyStart{}
	for _, t := range s.book.Tables() {
		row := Table{Name: t.Source, Rows: t.Rows, Stale: staleness(t), Kept: t.KeptNames()}
		if at := t.Cancelled; !at.IsZero() {
			row.CopyCancelled = &at
		}
		if report, ok := s.sync.last[t.Source]; ok {
			if row.Stale == "" { // the copy it needs is not in the book yet
				row.Stale = s.sync.toCopy[t.Source]
			}
			row.Check = &TableCheck{At: report.At, Differing: report.Differing, Mending: report.Mending, Error: report.Error}
		}
		if p := s.sync.partial[t.Source]; p != nil {
			row.Comparing = &Comparing{Since: p.Began, Parts: p.Report.Parts, Rows: p.Report.SourceRows, Differing: p.Report.Differing}
		}
		if c := t.Copy; c != nil {
			start, ok := s.copies[c.ID]
			if !ok {
				start = copyStart{time.Now(), c.Received}
			}
			seen[c.ID] = start
			row.Copy = &Progress{Rows: c.Received, Estimated: c.Estimated}
			if rate := float64(c.Received-start.rows) / time.Since(start.at).Seconds(); rate > 0 {
				row.Copy.RowsPerSecond = rate
				row.Copy.ETASeconds = max(0, float64(c.Estimated-c.Received)/rate)
			}
		}
		tables = append(tables, row)
	}
	s.copies = seen
	s.update(func(out *Status) {
		out.Epoch, out.Seq, out.Position = p.Epoch, p.Seq, position(p)
		out.SourceTime = time.UnixMicro(s.applier.Progress().SourceTimeUS).UTC()
		out.Batches, out.Rows, out.Copied = stats.Batches, stats.Rows, stats.CopiedRows
		out.Ignored, out.Mismatches, out.Tables = stats.IgnoredRows, stats.Mismatches, tables
		out.Resync = s.sync.status()
	})
	s.metrics.state(s.Status())
}

// content is what a manifest says of what is committed now.
func (s *session) content() publish.Content {
	p := s.book.Progress
	c := publish.Content{Position: position(p), SourceTime: time.UnixMicro(p.SourceTimeUS).UTC(), Tables: []generation.Table{}}
	for _, t := range s.book.Tables() {
		if t.Live != nil {
			c.Tables = append(c.Tables, generation.Table{Name: t.Name, Rows: t.Rows, Stale: staleness(t)})
		}
	}
	return c
}
