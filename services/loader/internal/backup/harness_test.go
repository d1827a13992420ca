package backup

import (
	"log/slog"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/s3test"
)

const database = filetest.Database

// bed is a loader's file that publishes generations, and a place for its backups.
type bed struct {
	*filetest.Bed
	t   *testing.T
	cfg *Config
	now time.Time
}

// onBoth runs a test with backups in a directory and on an S3 server.
func onBoth(t *testing.T, test func(b *bed)) {
	t.Run("directory", func(t *testing.T) { test(newBed(t, &Config{To: t.TempDir(), Keep: 7})) })
	t.Run("S3", func(t *testing.T) { test(newBed(t, s3(t))) })
}

func s3(t *testing.T) *Config {
	t.Helper()
	return &Config{To: "s3://" + s3test.Bucket + "/duckling/test", Endpoint: s3test.Start(t), Region: "us-east-1", Keep: 7}
}

func newBed(t *testing.T, cfg *Config) *bed {
	t.Helper()
	b := &bed{Bed: filetest.New(t, t.TempDir()), t: t, cfg: cfg, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.Exec("CREATE TABLE t AS SELECT i AS id, 'text ' || hash(i) AS s FROM range(300000) r(i)")
	return b
}

// set is the backups, at the bed's own time.
func (b *bed) set() *Set {
	b.t.Helper()
	s, err := b.cfg.Open(b.Data, database, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	s.now = func() time.Time { return b.now }
	return s
}

func (b *bed) create() *Info {
	b.t.Helper()
	info, err := b.set().Create(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return info
}

func (b *bed) list() []string {
	b.t.Helper()
	all, err := b.set().List(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, info := range all {
		names = append(names, info.Name)
	}
	return names
}
