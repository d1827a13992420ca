// Package generation is the hand-over between the loader, which publishes
// immutable copies of its database file, and the gateways that read them.
//
// A data directory holds one directory a database:
//
//	<data>/<database>/live.duckdb              the loader's own, nobody else opens it
//	<data>/<database>/generations/manifest.json names the newest generation
//	<data>/<database>/generations/gen-<n>.duckdb
//
// The manifest is replaced by rename, so a reader sees the old or the new one
// and never a part. A name is never used for two generations, because DuckDB
// would serve the old one's pages to whoever still has the name open.
package generation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Format is the version of the manifest this package writes and reads.
const Format = 1

// HeaderSize is the part of a DuckDB file that says which blocks are in use:
// a main header and two database headers of 4 KiB each, used in turn.
const HeaderSize = 3 * 4096

const manifestName = "manifest.json"

// Manifest describes the newest generation of a database.
type Manifest struct {
	Format   int    `json:"format"`
	Database string `json:"database"`
	// Generation grows by one with each publication, over restarts too.
	Generation uint64 `json:"generation"`
	// File is the generation's name in the manifest's directory.
	File string `json:"file"`
	Size int64  `json:"size"`
	// HeaderSHA256 is the checksum of the first HeaderSize bytes, in hex.
	HeaderSHA256 string `json:"headerSha256"`
	// Position is what the generation holds: every transaction of the source up
	// to here and nothing after.
	Position Position `json:"position"`
	// SourceTime is the latest time at the source of which the loader knew that
	// nothing was committed after Position: how fresh the answer is. By the source's clock.
	SourceTime  time.Time `json:"sourceTime"`
	PublishedAt time.Time `json:"publishedAt"`
	Tables      []Table   `json:"tables"`
	// Waiting is true while the next generation waits until readers let go of older ones.
	Waiting bool `json:"waiting,omitempty"`
	// DuckDB is the release that wrote the file, as "v1.5.6".
	DuckDB string `json:"duckdb"`
}

// Position is a point between two transactions of the source.
type Position struct {
	GTIDSet string `json:"gtidSet,omitempty"`
	File    string `json:"file,omitempty"`
	Offset  uint64 `json:"offset,omitempty"`
	Server  string `json:"server,omitempty"`
	// CommitTime is when the source committed the last transaction before this point.
	CommitTime time.Time `json:"commitTime"`
}

// Table is what a manifest says of one table.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
	// Stale says why the table's rows may be older than Position, or is empty.
	Stale string `json:"stale,omitempty"`
}

// Dir is where the generations of a database are.
func Dir(data, database string) string { return filepath.Join(data, database, "generations") }

// LivePath is the loader's own file of a database.
func LivePath(data, database string) string { return filepath.Join(data, database, "live.duckdb") }

// FileName is the name of generation n.
func FileName(n uint64) string { return fmt.Sprintf("gen-%d.duckdb", n) }

// ErrNone says that nothing has been published yet.
var ErrNone = errors.New("no generation has been published yet")

// DamagedError reports a manifest or a generation that is not what was published.
type DamagedError struct {
	Path   string
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged (%s); the loader replaces it with its next publication", e.Path, e.Reason)
}

// Read returns the manifest in dir. It returns ErrNone before the first
// publication and a *DamagedError for one that cannot be used.
func Read(dir string) (*Manifest, error) {
	path := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, &DamagedError{Path: path, Reason: "not valid JSON"}
	}
	if m.Format != Format {
		return nil, fmt.Errorf("manifest %s has format %d, this release reads format %d: run the same release of loader and gateway", path, m.Format, Format)
	}
	if m.File != filepath.Base(m.File) || m.File == "" || m.File == "." {
		return nil, &DamagedError{Path: path, Reason: "names no file"}
	}
	return m, nil
}

// Write makes m the manifest of dir, atomically.
func Write(dir string, m *Manifest) error {
	m.Format = Format
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding manifest: %w", err)
	}
	temp := filepath.Join(dir, manifestName+".tmp")
	if err := os.WriteFile(temp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing manifest: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(dir, manifestName)); err != nil {
		return fmt.Errorf("publishing manifest: %w", err)
	}
	return nil
}

// Check compares the generation's size and header with the manifest. It must be called before DuckDB opens the
// file in this process: closing any descriptor of a file gives up the process's locks on it.
func (m *Manifest) Check(dir string) error {
	path := filepath.Join(dir, m.File)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening generation: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading generation: %w", err)
	}
	if info.Size() != m.Size {
		return &DamagedError{Path: path, Reason: fmt.Sprintf("%d bytes, published with %d", info.Size(), m.Size)}
	}
	sum, err := HeaderSum(f)
	if err != nil {
		return err
	}
	if sum != m.HeaderSHA256 {
		return &DamagedError{Path: path, Reason: "its header is not the published one"}
	}
	return nil
}

// HeaderSum is the checksum of a DuckDB file's headers, for Manifest.HeaderSHA256.
func HeaderSum(f io.ReaderAt) (string, error) {
	header := make([]byte, HeaderSize)
	if _, err := f.ReadAt(header, 0); err != nil {
		return "", fmt.Errorf("reading header of generation: %w", err)
	}
	return SumHeader(header), nil
}

// SumHeader is HeaderSum of a header that has been read already.
func SumHeader(header []byte) string {
	sum := sha256.Sum256(header)
	return hex.EncodeToString(sum[:])
}
