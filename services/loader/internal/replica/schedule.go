package replica

import (
	"context"
	"slices"
	"time"

	"github.com/chittihq/duckling/services/loader/internal/resync"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// schedule queues the tables whose comparison is due, and has one at a time rebuilt when there is nothing else to do.
func (r *reconciler) schedule(ctx context.Context) {
	now := time.Now()
	for _, t := range r.book.Tables() {
		if t.Live == nil || t.Copy != nil || t.Frozen {
			continue
		}
		since, known := r.rebuilt[t.Source]
		if !known { // by this release; from here on it is counted
			since = now
			r.counted(t.Source)
		}
		if every := r.cfg.CheckEvery; every > 0 && now.Sub(latest(since, r.last[t.Source].At)) >= every && !r.waits(t.Source) {
			r.want(wish{table: t.Source})
		}
	}
	if r.stage == resting && len(r.wishes) == 0 {
		r.rebuild(ctx)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *reconciler) waits(table string) bool {
	return r.stage != resting && r.now.table == table || slices.ContainsFunc(r.wishes, func(w wish) bool { return w.table == table })
}

// rebuild has the table copied anew whose last copy is the longest ago, if that is due and no copy is under way. It returns true when it has
// asked for one.
func (r *reconciler) rebuild(ctx context.Context) bool {
	if r.cfg.RebuildEvery <= 0 {
		return false
	}
	var next *schema.Table
	for _, t := range r.book.Tables() {
		if t.Copy != nil || t.Ask != "" {
			return false
		}
		if t.Live != nil && !t.Gone && (next == nil || r.settled(t).Before(r.settled(next))) {
			next = t
		}
	}
	now := time.Now()
	if next == nil || now.Sub(r.settled(next)) < r.cfg.RebuildEvery || now.Sub(r.rebuildAsks[next.Source]) < askAgain {
		return false
	}
	r.rebuildAsks[next.Source] = now
	r.request(ctx, next.Source, command{Op: "copy", Table: next.Source, Reason: "it is rebuilt every " + r.cfg.RebuildEvery.String(), Slowly: true})
	return true
}

// settled is when the table was copied last, or a copy of it was cancelled: then too the next one is due an interval later.
func (r *reconciler) settled(t *schema.Table) time.Time {
	return latest(r.rebuilt[t.Source], t.Cancelled)
}

// counted notes that a table counts as copied just now.
func (r *reconciler) counted(table string) {
	at := time.Now().UTC()
	r.rebuilt[table] = at
	r.notes = append(r.notes, schema.Resync{Source: table, At: at, Rebuilt: true})
}

// Validation is what is known of how tables compare with their source.
type Validation struct {
	Results []Validated       `json:"validationResults"`
	Summary ValidationSummary `json:"summary"`
}

// Validated is one table of a Validation. Match is null before the first comparison; then the counts are null too.
type Validated struct {
	Table       string `json:"table"`
	SourceCount *int64 `json:"mysqlCount"`
	DuckDBCount *int64 `json:"duckdbCount"`
	Match       *bool  `json:"match"`
	// Difference is how many keys differed when they were compared last; they have been mended since, as the report says.
	Difference *int64         `json:"difference"`
	LastSync   *time.Time     `json:"lastSync"`
	RebuiltAt  *time.Time     `json:"rebuiltAt,omitempty"`
	Error      string         `json:"error,omitempty"`
	Report     *resync.Report `json:"report,omitempty"`
}

// ValidationSummary counts tables and rows of a Validation.
type ValidationSummary struct {
	Tables     int   `json:"totalTables"`
	Matching   int   `json:"matchingTables"`
	Mismatched int   `json:"mismatchedTables"`
	Failed     int   `json:"errorTables"`
	Unchecked  int   `json:"uncheckedTables"`
	SourceRows int64 `json:"totalMysqlRecords"`
	DuckDBRows int64 `json:"totalDuckdbRecords"`
}

func (r *reconciler) validation() Validation {
	v := Validation{Results: []Validated{}}
	for _, t := range r.book.Tables() {
		one := Validated{Table: t.Source}
		if at, ok := r.rebuilt[t.Source]; ok {
			one.RebuiltAt = &at
		}
		report, ok := r.last[t.Source]
		switch {
		case !ok:
			v.Summary.Unchecked++
		case report.Error != "":
			one.Error, one.LastSync = report.Error, &report.At
			v.Summary.Failed++
		default:
			match := report.Differing == 0
			one.SourceCount, one.DuckDBCount, one.Match, one.Difference = &report.SourceRows, &report.Rows, &match, &report.Differing
			one.LastSync, one.Report = &report.At, &report
			v.Summary.SourceRows += report.SourceRows
			v.Summary.DuckDBRows += report.Rows
			if match {
				v.Summary.Matching++
			} else {
				v.Summary.Mismatched++
			}
		}
		v.Results = append(v.Results, one)
	}
	v.Summary.Tables = len(v.Results)
	return v
}

// Resync is what a Status says of comparisons.
type Resync struct {
	// Table is at hand, empty when none is; Stage is asked, reading, comparing or mending.
	Table string `json:"table,omitempty"`
	Stage string `json:"stage,omitempty"`
	// Rows of the source were read so far, of about Estimated.
	Rows      int64 `json:"rows,omitempty"`
	Estimated int64 `json:"estimatedRows,omitempty"`
	// Parts of the table are compared already, where it is done in parts, and Differing keys were found in them.
	Parts     int      `json:"parts,omitempty"`
	Differing int64    `json:"differing,omitempty"`
	Waiting   []string `json:"waiting,omitempty"`
}

// TableCheck is what a Status says of a table's last comparison; the whole report is in a Validation.
type TableCheck struct {
	At        time.Time      `json:"at"`
	Differing int64          `json:"differing"`
	Mending   resync.Mending `json:"mending,omitempty"`
	Error     string         `json:"error,omitempty"`
}

func (r *reconciler) status() Resync {
	var s Resync
	for _, w := range r.wishes {
		s.Waiting = append(s.Waiting, w.table)
	}
	if r.stage != resting {
		s.Table, s.Stage = r.now.table, string(r.stage)
	}
	if r.check != nil {
		s.Rows, s.Estimated = r.check.Sent, r.check.Estimated
	}
	if p := r.partial[s.Table]; p != nil {
		s.Parts, s.Differing = p.Report.Parts, p.Report.Differing
		s.Rows += p.Report.SourceRows
		s.Estimated = max(s.Estimated, s.Rows)
	}
	return s
}
