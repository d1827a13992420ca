package generation_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// The test binary also is a reader in another process: it opens a file, says so
// and keeps it open until its standard input ends.
func TestMain(m *testing.M) {
	path := os.Getenv("DUCKLING_TEST_READ")
	if path == "" {
		os.Exit(m.Run())
	}
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	var locked *duck.LockedError
	switch {
	case errors.As(err, &locked):
		os.Stdout.WriteString("locked\n")
		os.Exit(0)
	case err != nil:
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("open\n")
	_, _ = new(bytes.Buffer).ReadFrom(os.Stdin)
	db.Close()
	os.Exit(0)
}

// reader starts a reader and returns what it said and how to end it.
func reader(t *testing.T, path string) (said string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DUCKLING_TEST_READ="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line := make([]byte, 16)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n])), func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

func database(t *testing.T, path string) {
	t.Helper()
	db, err := duck.Open(path, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec("CREATE TABLE t AS SELECT 1 AS x; CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
}

// A claim and a reader's lock exclude each other, in both orders, and readers do not exclude readers.
func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gen-1.duckdb")
	database(t, path)
	said, stop := reader(t, path)
	if said != "open" {
		t.Fatalf("the first reader said %q", said)
	}
	if second, stopSecond := reader(t, path); second != "open" {
		t.Fatalf("the second reader said %q", second)
	} else {
		stopSecond()
	}
	if _, err := generation.TakeClaim(path, false); !errors.Is(err, generation.ErrHeld) {
		t.Fatalf("claiming a generation that is read gave %v", err)
	}
	stop()
	claim, err := generation.TakeClaim(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := generation.TakeClaim(path, false); !errors.Is(err, generation.ErrHeld) {
		t.Fatalf("claiming twice gave %v", err)
	}
	said, stop = reader(t, path)
	if stop(); said != "locked" {
		t.Fatalf("the reader of a claimed generation said %q", said)
	}
	claim.Close()
	said, stop = reader(t, path)
	if stop(); said != "open" {
		t.Fatalf("after the claim the reader said %q", said)
	}
	if _, err := generation.TakeClaim(path+"x", false); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("claiming nothing gave %v", err)
	}
}

func publish(t *testing.T, dir string, n uint64) *generation.Manifest {
	t.Helper()
	path := filepath.Join(dir, generation.FileName(n))
	database(t, path)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := generation.HeaderSum(f)
	if err != nil {
		t.Fatal(err)
	}
	m := &generation.Manifest{
		Database: "shop", Generation: n, File: generation.FileName(n), Size: info.Size(), HeaderSHA256: sum,
		SourceTime: time.UnixMicro(int64(n) * 1_000_000).UTC(), Tables: []generation.Table{{Name: "t", Rows: 1, Stale: "why"}},
	}
	if err := generation.Write(dir, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestManifestRoundTripAndDamage(t *testing.T) {
	dir := t.TempDir()
	if _, err := generation.Read(dir); !errors.Is(err, generation.ErrNone) {
		t.Fatalf("an empty directory gave %v", err)
	}
	want := publish(t, dir, 7)
	m, err := generation.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Generation != 7 || m.File != want.File || !m.SourceTime.Equal(want.SourceTime) || m.Tables[0] != want.Tables[0] {
		t.Fatalf("%+v came back", m)
	}
	if err := m.Check(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, m.File)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[5000]++
	for name, data := range map[string][]byte{"truncated": good[:len(good)-1], "longer": append(bytes.Clone(good), 0), "header": flipped} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var damaged *generation.DamagedError
		if err := m.Check(dir); !errors.As(err, &damaged) || damaged.Path != path {
			t.Errorf("a generation that is %s gave %v", name, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a generation that is gone gave %v", err)
	}
}

func TestDamagedManifest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "manifest.json")
	for text, want := range map[string]string{
		"":                               "not valid JSON",
		`{"format":1,"file":`:            "not valid JSON",
		`{"format":1,"file":"../x"}`:     "names no file",
		`{"format":1}`:                   "names no file",
		`{"format":9,"file":"x.duckdb"}`: "format 9",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := generation.Read(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q gave %v", text, err)
		}
	}
}

// Follow tells new generations from news of the same one, and reports trouble once.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not there yet")
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- generation.Follow(ctx, dir,
			func(m *generation.Manifest) { seen <- m.File },
			func(m *generation.Manifest) { seen <- "refreshed " + m.File },
			func(err error) { seen <- "failed " + err.Error() })
	}()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-seen:
			if !strings.HasPrefix(got, want) {
				t.Fatalf("got %q, wanted %q", got, want)
			}
		case <-time.After(3 * time.Minute):
			t.Fatalf("waited for %q in vain", want)
		}
	}
	expect("failed " + generation.ErrNone.Error())
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := publish(t, dir, 1)
	expect("gen-1")
	m.SourceTime = m.SourceTime.Add(time.Millisecond)
	if err := generation.Write(dir, m); err != nil {
		t.Fatal(err)
	}
	expect("refreshed gen-1")
	m.Waiting = true
	if err := generation.Write(dir, m); err != nil {
		t.Fatal(err)
	}
	expect("refreshed gen-1")
	publish(t, dir, 2)
	expect("gen-2")
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("failed ")
	publish(t, dir, 3)
	expect("gen-3")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(seen) > 0 {
		t.Fatalf("there was more: %q", <-seen)
	}
}
