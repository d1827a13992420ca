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
	// AsOf is the time, by the source's clock, up to which the answer holds all that was committed.
	AsOf time.Time `json:"asOf"`
	// LagMs is how long ago that was, in milliseconds.
	LagMs int64 `json:"lagMs"`
}

// AsOf describes a generation's freshness at a time.
func AsOf(m *generation.Manifest, now time.Time) Freshness {
	return Freshness{
		Database: m.Database, Generation: m.Generation, Position: m.Position,
		AsOf: m.SourceTime.UTC(), LagMs: max(0, now.Sub(m.SourceTime).Milliseconds()),
	}
}
