package schema

import (
	"fmt"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
)

// Resync is a note of periodic work on a table: that it was compared with its source, or rebuilt.
type Resync struct {
	Source string
	At     time.Time
	// Rebuilt is true for a rebuild; Report and Differing are those of a comparison.
	Rebuilt   bool
	Differing int64
	Report    string
}

// keptReports is how many reports of differences a table keeps, besides the newest of all.
const keptReports = 10

const createResync = `CREATE TABLE IF NOT EXISTS _duckling.resync (source VARCHAR, at_us BIGINT, rebuilt BOOLEAN, differing BIGINT, report VARCHAR);
	CREATE TABLE IF NOT EXISTS _duckling.comparisons (source VARCHAR, state VARCHAR)`

// Resyncs returns all notes, the oldest first.
func (b *Book) Resyncs() ([]Resync, error) {
	rows, err := b.rows("SELECT source, at_us, rebuilt, differing, report FROM _duckling.resync ORDER BY at_us")
	if err != nil {
		return nil, fmt.Errorf("reading notes of comparisons: %w", err)
	}
	out := make([]Resync, len(rows))
	for i, r := range rows {
		out[i] = Resync{Source: r.text(0), At: time.UnixMicro(r.int(1)).UTC(), Rebuilt: r.bool(2), Differing: r.int(3), Report: r.text(4)}
	}
	return out, nil
}

// AddResync stores a note and forgets those that it replaces.
func (b *Book) AddResync(n Resync) error {
	source := duck.Literal(n.Source)
	if err := b.conn.Exec(fmt.Sprintf(`DELETE FROM _duckling.resync WHERE source NOT IN (SELECT source FROM _duckling.tables)
		OR source = %[1]s AND rebuilt = %[2]t AND (differing = 0 OR at_us NOT IN (
			SELECT at_us FROM _duckling.resync WHERE source = %[1]s AND differing > 0 ORDER BY at_us DESC LIMIT %[3]d))`, source, n.Rebuilt, keptReports-1)); err != nil {
		return fmt.Errorf("forgetting notes of comparisons: %w", err)
	}
	if err := b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.resync VALUES (?, ?, ?, ?, ?)", n.Source, n.At.UnixMicro(), n.Rebuilt, n.Differing, n.Report); err != nil {
		return fmt.Errorf("noting a comparison: %w", err)
	}
	return nil
}

// Comparisons returns how far the comparisons got that are made in parts, by table.
func (b *Book) Comparisons() (map[string]string, error) {
	rows, err := b.rows("SELECT source, state FROM _duckling.comparisons")
	if err != nil {
		return nil, fmt.Errorf("reading how far comparisons got: %w", err)
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.text(0)] = r.text(1)
	}
	return out, nil
}

// SaveComparison stores how far a table's comparison got; empty forgets it.
func (b *Book) SaveComparison(source, state string) error {
	err := b.conn.Exec("DELETE FROM _duckling.comparisons WHERE source = " + duck.Literal(source))
	if err == nil && state != "" {
		err = b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.comparisons VALUES (?, ?)", source, state)
	}
	if err != nil {
		return fmt.Errorf("noting how far a comparison got: %w", err)
	}
	return nil
}
