// Package backup keeps generations elsewhere, in a directory or an S3-compatible store, and brings them back.
//
// A generation is a consistent copy of the loader's file, its progress row among the rows, so a backup is a
// generation's file, and a restored file goes on where its progress row says. A backup is
//
//	<database>/<name>/generation.duckdb
//	<database>/<name>/backup.json        what it is, with checksums; written last, so that it makes the backup whole
//
// and its name begins with the time it was made, so that names sort by age.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"time"

	"github.com/chittihq/duckling/pkg/generation"
)

// Config says where backups are kept and for how long.
type Config struct {
	// To is a directory, or s3://bucket/prefix.
	To       string `env:"BACKUP_TO"`
	Endpoint string `env:"BACKUP_S3_ENDPOINT" envDefault:"https://s3.amazonaws.com"`
	Region   string `env:"BACKUP_S3_REGION"`
	// Keep is how many backups of a database stay; the newest always does.
	Keep int `env:"BACKUP_KEEP" envDefault:"7"`
	// MaxAge removes older ones, but never the newest; 0 keeps them.
	MaxAge time.Duration `env:"BACKUP_MAX_AGE"`
}

// Problems implements config.Checker.
func (c *Config) Problems() []string {
	var problems []string
	if c.Keep < 1 {
		problems = append(problems, "BACKUP_KEEP must be at least 1")
	}
	if c.MaxAge < 0 {
		problems = append(problems, "BACKUP_MAX_AGE must not be negative")
	}
	return problems
}

// Format is the version of backup.json.
const Format = 1

const (
	dataName = "generation.duckdb"
	infoName = "backup.json"
	stamp    = "20060102T150405Z"
)

// Info describes a backup.
type Info struct {
	Format    int       `json:"format"`
	Database  string    `json:"database"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	SHA256    string    `json:"sha256"`
	// Generation is what was backed up: its size, its position in the source, its tables.
	Generation generation.Manifest `json:"generation"`
}

// ErrDamaged is wrapped by errors about backups that are not what was stored.
var ErrDamaged = errors.New("the backup is damaged")

// Set is the backups of one database.
type Set struct {
	cfg      *Config
	store    store
	data     string
	database string
	log      *slog.Logger
	now      func() time.Time
}

// Open returns the backups of a database whose files are under data.
func (c *Config) Open(data, database string, log *slog.Logger) (*Set, error) {
	s, err := c.open()
	if err != nil {
		return nil, err
	}
	return &Set{cfg: c, store: s, data: data, database: database, log: log, now: time.Now}, nil
}

// Create stores the newest generation, then removes what retention does not cover. The loader may run or not; it
// does not change the generation meanwhile.
func (s *Set) Create(ctx context.Context) (*Info, error) {
	lease, m, err := s.lease()
	if err != nil {
		return nil, fmt.Errorf("backing up database %s: %w", s.database, err)
	}
	defer lease.Close()
	// A store that refuses ends the connection amid a large object, and why is lost: it is asked for something small first.
	if _, _, err := s.names(ctx); err != nil {
		return nil, fmt.Errorf("backing up database %s: %w", s.database, err)
	}
	now := s.now().UTC().Truncate(time.Second)
	info := &Info{
		Format: Format, Database: s.database, Name: fmt.Sprintf("%s-%d", now.Format(stamp), m.Generation), CreatedAt: now, Generation: *m,
	}
	if err := s.upload(ctx, lease, info); err != nil {
		return nil, fmt.Errorf("backing up database %s: %w", s.database, err)
	}
	return info, s.prune(ctx)
}

// attempts bounds how often a generation may be replaced before it is leased.
const attempts = 10

// lease opens the newest generation so that the loader leaves it alone until it is closed.
func (s *Set) lease() (lease *generation.Lease, m *generation.Manifest, err error) {
	for range attempts {
		lease, m, err = leaseNewest(generation.Dir(s.data, s.database))
		if !errors.Is(err, generation.ErrHeld) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// It has been replaced since the manifest was read.
	}
	return lease, m, err
}

func leaseNewest(dir string) (*generation.Lease, *generation.Manifest, error) {
	m, err := generation.Read(dir)
	if err != nil {
		return nil, nil, err
	}
	lease, err := generation.TakeLease(filepath.Join(dir, m.File))
	if err != nil {
		return nil, nil, err
	}
	// Only now can the name not be another generation's any more.
	if err := m.Check(dir); err != nil {
		lease.Close()
		return nil, nil, err
	}
	return lease, m, nil
}

func (s *Set) key(name, file string) string { return path.Join(s.database, name, file) }

// upload reads the file twice: a store that tries again must be able to start over.
func (s *Set) upload(ctx context.Context, file io.ReaderAt, info *Info) error {
	size := info.Generation.Size
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size)); err != nil {
		return fmt.Errorf("reading generation: %w", err)
	}
	if err := s.store.Put(ctx, s.key(info.Name, dataName), io.NewSectionReader(file, 0, size), size); err != nil {
		return fmt.Errorf("storing %s: %w", dataName, err)
	}
	info.SHA256 = hex.EncodeToString(sum.Sum(nil))
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", infoName, err)
	}
	if err := s.store.Put(ctx, s.key(info.Name, infoName), bytes.NewReader(data), int64(len(data))); err != nil {
		return fmt.Errorf("storing %s: %w", infoName, err)
	}
	return nil
}

// Newest returns the name of the newest whole backup.
func (s *Set) Newest(ctx context.Context) (string, error) {
	names, _, err := s.names(ctx)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("there is no backup of database %s in %s", s.database, s.cfg.To)
	}
	return names[len(names)-1], nil
}

// List returns the whole backups, oldest first.
func (s *Set) List(ctx context.Context) ([]*Info, error) {
	names, _, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	var all []*Info
	for _, name := range names {
		info, err := s.Info(ctx, name)
		if errors.Is(err, ErrDamaged) {
			s.log.Warn("backup cannot be read", "backup", name, "error", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

// Info reads what a backup is.
func (s *Set) Info(ctx context.Context, name string) (*Info, error) {
	r, err := s.store.Get(ctx, s.key(name, infoName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no backup %q of database %s in %s: %w", name, s.database, s.cfg.To, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading backup %s: %w", name, err)
	}
	defer r.Close()
	info := new(Info)
	if err := json.NewDecoder(r).Decode(info); err != nil {
		return nil, fmt.Errorf("%w: %s of %s: %w", ErrDamaged, infoName, name, err)
	}
	if info.Format != Format {
		return nil, fmt.Errorf("backup %s has format %d and this release knows %d: restore it with the release that made it", name, info.Format, Format)
	}
	return info, nil
}

// verified copies a backup's file to w and fails unless it is, to the byte, what was stored.
func (s *Set) verified(ctx context.Context, info *Info, w io.Writer) error {
	r, err := s.store.Get(ctx, s.key(info.Name, dataName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s of %s is missing", ErrDamaged, dataName, info.Name)
	}
	if err != nil {
		return fmt.Errorf("reading backup %s: %w", info.Name, err)
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), r)
	if err != nil {
		return fmt.Errorf("reading backup %s: %w", info.Name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != info.SHA256 || n != info.Generation.Size {
		return fmt.Errorf("%w: %s of %s has %d bytes with checksum %s, and was stored with %d and %s: restore another backup",
			ErrDamaged, dataName, info.Name, n, got, info.Generation.Size, info.SHA256)
	}
	return nil
}
