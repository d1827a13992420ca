// Package resync compares a table with its source by hashes that ingest sends in the stream, and finds the rows to be mended.
//
// The argument is the copy's. Every row at the source was hashed after the place at which the check began, so at the place where it ends each
// is as it was hashed, unless the stream brought a change of its key in between. DuckDB is read at exactly that end, in a snapshot that
// lets batches go on; keys that the stream changed are not judged.
package resync

import "time"

// Kind says how a row of DuckDB differs from the source's.
type Kind string

// The kinds.
const (
	Changed Kind = "changed" // other values under the same key
	Lost    Kind = "lost"    // at the source only
	Extra   Kind = "extra"   // in DuckDB only
	Doubled Kind = "doubled" // more often in DuckDB than at the source
)

// Finding is one row, or one key, that differs.
type Finding struct {
	Kind Kind `json:"kind"`
	// Key is written for people; of a table without a key it is the row. Empty where it is not known.
	Key string `json:"key,omitempty"`
	// Chunk is the number of the source's chunk that has it, -1 for none.
	Chunk int `json:"chunk"`

	sum uint64
}

// Range is a part of the table, in the order of its key, in which rows differ.
type Range struct {
	Chunk int `json:"chunk"`
	// After and Upto are the keys before its first row and of its last, for people.
	After string `json:"after,omitempty"`
	Upto  string `json:"upto,omitempty"`
	Rows  int64  `json:"rows"`
	// Differing is how many keys of it do.
	Differing int64 `json:"differing"`
}

// Mending is what was done about differences.
type Mending string

// What can be done about them.
const (
	MendedNot    Mending = ""       // nothing differed
	MendedByRows Mending = "rows"   // rows that differed were replaced
	MendedByCopy Mending = "copied" // the table is copied again
)

// Report is the result of one comparison.
type Report struct {
	Table string `json:"table"`
	// Parts is in how many parts the table was compared one after the other, each at a place of its own in the source's binlog; 0 is as a whole.
	Parts int `json:"parts,omitempty"`
	// At is when it ended, Took how long it was under way.
	At          time.Time `json:"at"`
	TookSeconds float64   `json:"tookSeconds"`
	// Asked is false for a scheduled one.
	Asked bool `json:"asked"`
	// GTIDSet, File and Offset are the place in the source's binlog at which both sides were compared, of the last part.
	GTIDSet string `json:"gtidSet,omitempty"`
	File    string `json:"file,omitempty"`
	Offset  uint64 `json:"offset,omitempty"`
	// SourceRows were read at the source and Rows in DuckDB. Skipped keys changed meanwhile and were not judged.
	SourceRows int64 `json:"sourceRows"`
	Rows       int64 `json:"rows"`
	Skipped    int64 `json:"skippedKeys"`
	// Differing keys, by kind.
	Differing int64 `json:"differing"`
	Changed   int64 `json:"changed"`
	Lost      int64 `json:"lost"`
	Extra     int64 `json:"extra"`
	Doubled   int64 `json:"doubled"`
	// Ranges and Findings are the first of them.
	Ranges   []Range   `json:"ranges,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Mending is what was done; of the rows Deleted went and Inserted came, and Left keys changed meanwhile and wait for the next comparison.
	Mending  Mending `json:"mending,omitempty"`
	Deleted  int64   `json:"deletedRows,omitempty"`
	Inserted int64   `json:"insertedRows,omitempty"`
	Left     int64   `json:"leftKeys,omitempty"`
	// Error says why there is no result, after several tries.
	Error string `json:"error,omitempty"`
}

// Add joins what a later part of the same table found, whose chunks come after that many.
func (r *Report) Add(part *Report, chunks int) {
	r.Parts++
	r.GTIDSet, r.File, r.Offset = part.GTIDSet, part.File, part.Offset
	r.SourceRows += part.SourceRows
	r.Rows += part.Rows
	r.Skipped += part.Skipped
	r.Differing += part.Differing
	r.Changed += part.Changed
	r.Lost += part.Lost
	r.Extra += part.Extra
	r.Doubled += part.Doubled
	r.Deleted += part.Deleted
	r.Inserted += part.Inserted
	r.Left += part.Left
	if part.Mending != MendedNot {
		r.Mending = part.Mending
	}
	for _, found := range part.Ranges[:min(len(part.Ranges), mostRanges-len(r.Ranges))] {
		found.Chunk += chunks
		r.Ranges = append(r.Ranges, found)
	}
	for _, f := range part.Findings[:min(len(part.Findings), mostFindings-len(r.Findings))] {
		if f.Chunk >= 0 {
			f.Chunk += chunks
		}
		r.Findings = append(r.Findings, f)
	}
}
