package filetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// role is set in the environment of the test binary when it is to be the other process.
const role = "DUCKLING_TEST_READER"

// Main runs a package's tests, or is the Reader that they have started. It returns the exit code.
func Main(m *testing.M) int {
	if os.Getenv(role) == "" {
		return m.Run()
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve does what is asked on standard input, a line each, until its end.
func serve() error {
	open := map[string]*duck.DB{}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		what, path, _ := strings.Cut(in.Text(), " ")
		answer, err := do(open, what, path)
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return nil
}

func do(open map[string]*duck.DB, what, path string) (string, error) {
	switch what {
	case "open":
		db, err := duck.Open(path, duck.Options{ReadOnly: true, Config: []duck.Setting{{Name: "threads", Value: "1"}}})
		open[path] = db
		return "opened", err
	case "sum":
		conn, err := open[path].Connect()
		if err != nil {
			return "", err
		}
		defer conn.Close()
		n, err := sum(conn)
		return fmt.Sprint(n), err
	case "close":
		open[path].Close()
		delete(open, path)
		return "closed", nil
	default: // write
		db, err := duck.Open(path, duck.Options{})
		var locked *duck.LockedError
		if errors.As(err, &locked) {
			return "locked", nil
		}
		if err == nil {
			db.Close()
		}
		return "written", err
	}
}

// Reader is another process that opens generations.
type Reader struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// NewReader starts one. The test's binary has to call Main.
func NewReader(t testing.TB) *Reader {
	t.Helper()
	r := &Reader{t: t, cmd: exec.Command(os.Args[0])}
	r.cmd.Env = append(os.Environ(), role+"=1")
	r.cmd.Stderr = os.Stderr
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewScanner(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
	})
	return r
}

func (r *Reader) ask(what, path string) string {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, what, path); err != nil {
		r.t.Fatal(err)
	}
	if !r.out.Scan() {
		r.t.Fatal("the reader ended")
	}
	return r.out.Text()
}

// Open opens a generation and keeps it open.
func (r *Reader) Open(path string) { r.t.Helper(); r.ask("open", path) }

// Sum is Bed.Sum of an open generation.
func (r *Reader) Sum(path string) string { r.t.Helper(); return r.ask("sum", path) }

// Close lets go of a generation.
func (r *Reader) Close(path string) { r.t.Helper(); r.ask("close", path) }

// LockedOut tells whether the process is kept from opening a file for writing.
func (r *Reader) LockedOut(path string) bool { r.t.Helper(); return r.ask("write", path) == "locked" }

// End ends the process in order.
func (r *Reader) End() {
	r.t.Helper()
	r.in.Close()
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatal(err)
	}
}
