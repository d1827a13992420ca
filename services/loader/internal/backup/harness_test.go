package backup

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

const database = "shop"

// bed is a loader's file that publishes generations, and a place for its backups.
type bed struct {
	t    *testing.T
	data string
	cfg  *Config
	file *live.File
	conn *duck.Conn
	pub  *publish.Publisher
	now  time.Time
}

// onBoth runs a test with backups in a directory and on an S3 server.
func onBoth(t *testing.T, test func(b *bed)) {
	t.Run("directory", func(t *testing.T) { test(newBed(t, &Config{To: t.TempDir(), Keep: 7})) })
	t.Run("S3", func(t *testing.T) { test(newBed(t, s3(t))) })
}

func newBed(t *testing.T, cfg *Config) *bed {
	t.Helper()
	b := &bed{t: t, data: t.TempDir(), cfg: cfg, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.open()
	b.exec("CREATE TABLE t AS SELECT i AS id, 'text ' || hash(i) AS s FROM range(300000) r(i)")
	t.Cleanup(b.close)
	return b
}

func (b *bed) open() {
	b.t.Helper()
	var err error
	if b.file, err = live.Open(b.data, database, live.Options{Threads: 2}); err != nil {
		b.t.Fatal(err)
	}
	if b.conn, err = b.file.DB.Connect(); err != nil {
		b.t.Fatal(err)
	}
	if b.pub, err = publish.New(b.file, b.conn, b.data, database, slog.New(slog.DiscardHandler)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) close() {
	if b.file != nil {
		b.conn.Close()
		b.file.Close()
		b.file = nil
	}
}

func (b *bed) exec(sql string) {
	b.t.Helper()
	if err := b.conn.Exec(sql); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) publish() {
	b.t.Helper()
	if err := b.pub.Checkpoint(); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.pub.Publish(publish.Content{Position: generation.Position{GTIDSet: "g:1-7"}}); err != nil {
		b.t.Fatal(err)
	}
}

// sum depends on every row.
func (b *bed) sum() int64 {
	b.t.Helper()
	res, err := b.conn.Query(b.t.Context(), "SELECT (sum(hash(id, s)) % 1000000007)::BIGINT + count(*) * 1000000007 FROM t")
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		b.t.Fatal(err)
	}
	return duck.Slice[int64](chunk.Column(0))[0]
}

// set is the backups, at the bed's own time.
func (b *bed) set() *Set {
	b.t.Helper()
	s, err := b.cfg.Open(b.data, database, slog.New(slog.DiscardHandler))
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

const versity = ".bin/versitygw-v1.8.0"

// s3 starts an S3 server with an empty bucket.
func s3(t *testing.T) *Config {
	t.Helper()
	const access, secret = "test-access", "test-secret-key"
	addr := freeAddress(t)
	cmd := exec.Command(tool(t), "--access", access, "--secret", secret, "--port", addr, "--quiet", "posix", "--sidecar", t.TempDir(), t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	cfg := &Config{To: "s3://backups/duckling/test", Endpoint: "http://" + addr, Region: "us-east-1", Keep: 7}
	b, err := newBucket("backups", "", cfg.Endpoint, cfg.Region)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := b.client.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{})
		if err == nil {
			return cfg
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tool finds the S3 server, which the Makefile builds, in the checkout.
func tool(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if path := filepath.Join(dir, versity); executable(path) {
			return path
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("%s is not built; run 'make s3server'", versity)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o100 != 0
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
