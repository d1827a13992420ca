package publish_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/publish"
)

const database = "shop"

// The test binary is also the second process that tries to write to a file, and
// the one that reads a generation.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv("DUCKLING_TEST_WRITE") != "":
		var db *duck.DB
		if db, err = duck.Open(os.Getenv("DUCKLING_TEST_WRITE"), duck.Options{}); err == nil {
			db.Close()
		}
	case os.Getenv("DUCKLING_TEST_READ") != "":
		err = read(os.Getenv("DUCKLING_TEST_READ"))
	default:
		os.Exit(m.Run())
	}
	var locked *duck.LockedError
	switch {
	case errors.As(err, &locked):
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// read opens a generation and answers each line on standard input with the sum of its rows.
func read(path string) error {
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		conn, err := db.Connect()
		if err != nil {
			return err
		}
		n, err := query(conn)
		conn.Close()
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

// child is a reader in another process.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func newChild(t *testing.T, path string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), "DUCKLING_TEST_READ="+path)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

func (c *child) sum() string {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in); err != nil {
		c.t.Fatal(err)
	}
	if !c.out.Scan() {
		c.t.Fatal("the reader ended")
	}
	return c.out.Text()
}

func (c *child) close() {
	c.t.Helper()
	c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatal(err)
	}
}

// lockedOut tells whether another process is kept from writing to path.
func lockedOut(t *testing.T, path string) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DUCKLING_TEST_WRITE="+path)
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		t.Fatalf("the second process failed: %v", err)
	}
	return err != nil
}

type bed struct {
	t    *testing.T
	data string
	file *live.File
	conn *duck.Conn
	pub  *publish.Publisher
	n    int
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, data: t.TempDir()}
	b.open()
	b.exec("CREATE TABLE t AS SELECT i AS id, i AS v, 'text ' || hash(i) AS s FROM range(200000) r(i)")
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
	b.newPublisher()
}

func (b *bed) newPublisher() {
	b.t.Helper()
	var err error
	if b.pub, err = publish.New(b.file, b.conn, b.data, database, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
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

// change changes a few rows everywhere and commits.
func (b *bed) change() {
	b.n++
	b.exec(fmt.Sprintf("BEGIN; DELETE FROM t WHERE id %% 20011 = %d; INSERT INTO t SELECT i, %d, 'new ' || hash(i) FROM range(%d) r(i) WHERE i %% 20011 = %d; COMMIT",
		b.n%20011, b.n, 200000, b.n%20011))
}

func (b *bed) publish() publish.Result {
	b.t.Helper()
	if err := b.pub.Checkpoint(); err != nil {
		b.t.Fatal(err)
	}
	r, err := b.pub.Publish(publish.Content{})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// sum is a value that depends on every row and column.
const sum = "SELECT (coalesce(sum(hash(id, v, s)), 0) % 1000000007)::BIGINT + count(*) * 1000000007 FROM t"

func number(t *testing.T, conn *duck.Conn) int64 {
	t.Helper()
	n, err := query(conn)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func query(conn *duck.Conn) (int64, error) {
	res, err := conn.Query(context.Background(), sum)
	if err != nil {
		return 0, err
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return 0, err
	}
	return duck.Slice[int64](chunk.Column(0))[0], nil
}

// reader opens the newest generation as gateways do.
func (b *bed) reader() (*duck.DB, *duck.Conn) {
	b.t.Helper()
	dir := generation.Dir(b.data, database)
	m, err := generation.Read(dir)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := m.Check(dir); err != nil {
		b.t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, m.File+".wal")); !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal("a generation has a log")
	}
	db, err := duck.Open(filepath.Join(dir, m.File), duck.Options{ReadOnly: true})
	if err != nil {
		b.t.Fatal(err)
	}
	conn, err := db.Connect()
	if err != nil {
		b.t.Fatal(err)
	}
	return db, conn
}

// same makes sure that the newest generation holds what the live file does.
func (b *bed) same() {
	b.t.Helper()
	db, conn := b.reader()
	defer db.Close()
	defer conn.Close()
	if got, want := number(b.t, conn), number(b.t, b.conn); got != want {
		b.t.Fatalf("generation has sum %d, the live file %d", got, want)
	}
}

func (b *bed) files() []string {
	b.t.Helper()
	entries, err := os.ReadDir(generation.Dir(b.data, database))
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
