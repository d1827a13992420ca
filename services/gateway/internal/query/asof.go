package query

import (
	"time"

	"github.com/chittihq/duckling/pkg/generation"
)

// Freshness says which state of the source an answer reflects.
type Freshness struct {
	Database   string              `json:"database"`
	Generation uint64              `json:"generation"`
	Position   generation.Position `json:"position"`
	// AsOf is when the source committed the newest transaction in the answer, by its own clock; nil before the first one.
	AsOf *time.Time `json:"asOf"`
	// LagMs is how long ago the answer held all that was committed, in milliseconds. It is less than the age of
	// AsOf when the source has committed nothing since.
	LagMs int64 `json:"lagMs"`
}

// AsOf describes a generation's freshness at a time.
func AsOf(m *generation.Manifest, now time.Time) Freshness {
	f := Freshness{
		Database: m.Database, Generation: m.Generation, Position: m.Position,
		LagMs: max(0, now.Sub(m.SourceTime).Milliseconds()),
	}
	if committed := m.Position.CommitTime.UTC(); !committed.IsZero() {
		f.AsOf = &committed
	}
	return f
}
