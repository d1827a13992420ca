package replica_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

const database = "shop"

// The test binary also is the loader and the reader of the tests that need
// another process.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var err error
	switch os.Getenv("DUCKLING_TEST_ROLE") {
	case "loader":
		err = runLoader(ctx)
	case "nats":
		err = runNATS(ctx)
	case "reader":
		err = runReader(ctx)
	case "writer":
		err = openForWriting()
	default:
		os.Exit(filetest.Main(m))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func config(data string) replica.Config {
	return replica.Config{Database: database, DataDir: data, DuckDB: live.Options{Threads: 2}, BatchRows: 2000, BatchDelay: 5 * time.Millisecond, CheckRows: 100}
}

func newReplica(data string, b *bus.Bus, log *slog.Logger) *replica.Replica {
	return replica.New(config(data), b, replica.NewMetrics(prometheus.NewRegistry()), log)
}

func runLoader(ctx context.Context) error {
	if err := filetest.DieAtLimit(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := bus.Connect(ctx, bus.Config{URL: os.Getenv("DUCKLING_TEST_NATS"), Name: "loader", Logger: log})
	if err != nil {
		return err
	}
	defer b.Close()
	return newReplica(os.Getenv("DUCKLING_TEST_DATA"), b, log).Run(ctx)
}

// runNATS is a NATS server at an address, with its files in the data directory.
func runNATS(ctx context.Context) error {
	host, port, err := net.SplitHostPort(os.Getenv("DUCKLING_TEST_NATS"))
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	server, err := embedded.Start(embedded.Config{StoreDir: os.Getenv("DUCKLING_TEST_DATA"), Host: host, Port: number, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return server.Stop()
}

// runReader opens every generation it can, and prints a line for each.
func runReader(ctx context.Context) error {
	dir := generation.Dir(os.Getenv("DUCKLING_TEST_DATA"), database)
	found := func(m *generation.Manifest) {
		line, err := readGeneration(ctx, dir, m)
		var locked *duck.LockedError
		switch {
		case errors.As(err, &locked), errors.Is(err, os.ErrNotExist):
			// It has been replaced since; the manifest names another one by now.
		case err != nil:
			fmt.Println("failed:", err)
		default:
			fmt.Println(line)
		}
	}
	err := generation.Watch(ctx, dir, found, func(error) {})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// readGeneration returns the generation's number and the rows and sum of the table of steps.
func readGeneration(ctx context.Context, dir string, m *generation.Manifest) (string, error) {
	if err := m.Check(dir); err != nil {
		return "", err
	}
	db, err := duck.Open(dir+"/"+m.File, duck.Options{ReadOnly: true, Config: []duck.Setting{{Name: "threads", Value: "1"}}})
	if err != nil {
		return "", err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	res, err := conn.Query(ctx, `SELECT count(*), coalesce(min(step), -1), coalesce(max(step), -1), count(DISTINCT id),
		(SELECT count(*) FROM filler) FROM steps`)
	if err != nil {
		return "", err
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return "", err
	}
	out := []string{fmt.Sprint(m.Generation)}
	for i := range 5 {
		out = append(out, fmt.Sprint(duck.Slice[int64](chunk.Column(i))[0]))
	}
	return strings.Join(out, " "), nil
}

// openForWriting tries to become a second writer of the live file, past the loader's own lock.
func openForWriting() error {
	db, err := duck.Open(generation.LivePath(os.Getenv("DUCKLING_TEST_DATA"), database), duck.Options{})
	if err != nil {
		return err
	}
	db.Close()
	return nil
}

// process starts this binary in a role.
func process(t *testing.T, role, data, nats string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DUCKLING_TEST_ROLE="+role, "DUCKLING_TEST_DATA="+data, "DUCKLING_TEST_NATS="+nats)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// stream is a NATS server with the database's stream.
type stream struct {
	t      *testing.T
	server *embedded.Server
	bus    *bus.Bus
	pub    *bus.Publisher
	dir    string
	last   uint64
}

func newStream(t *testing.T) *stream {
	t.Helper()
	s := &stream{t: t, dir: t.TempDir()}
	log := slog.New(slog.DiscardHandler)
	var err error
	if s.server, err = embedded.Start(embedded.Config{StoreDir: s.dir, Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.server.Stop() })
	if s.bus, err = bus.Connect(t.Context(), bus.Config{URL: s.server.ClientURL(), Name: "test", Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.bus.Close)
	s.resume()
	return s
}

// resume makes the stream if need be, and a publisher at its end.
func (s *stream) resume() {
	s.t.Helper()
	if err := s.bus.EnsureStream(s.t.Context(), database, bus.StreamOptions{}); err != nil {
		s.t.Fatal(err)
	}
	tail, err := s.bus.Tail(s.t.Context(), database)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.pub, err = s.bus.Publisher(database, tail, bus.PublisherOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.pub.Close)
}

// put publishes a frame.
func (s *stream) put(f *cdcv1.Frame) {
	data, err := frame.Marshal(f)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.last, err = s.pub.Publish(s.t.Context(), "f", data); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) flush() {
	s.t.Helper()
	if err := s.pub.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// status asks a loader, nil while there is none.
func (s *stream) status() *replica.Status {
	data, err := s.bus.Request(s.t.Context(), bus.LoaderControl(database), []byte(`{"op":"status"}`))
	if err != nil {
		return nil
	}
	st := new(replica.Status)
	if err := json.Unmarshal(data, st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// await polls until what is asked for holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s took too long", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// awaitApplied waits until a loader has committed everything.
func (s *stream) awaitApplied() *replica.Status {
	s.t.Helper()
	s.flush()
	var st *replica.Status
	await(s.t, fmt.Sprintf("frame %d", s.last), func() bool {
		st = s.status()
		return st != nil && st.Seq == s.last
	})
	return st
}

// compare reads the newest generation and compares it with the source.
func compare(t *testing.T, data string, s *frametest.Source) {
	t.Helper()
	dir := generation.Dir(data, database)
	m, err := generation.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(dir); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(dir+"/"+m.File, duck.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows := map[string]int64{}
	for _, table := range m.Tables {
		if table.Stale != "" {
			t.Fatalf("table %s is stale: %s", table.Name, table.Stale)
		}
		rows[table.Name] = table.Rows
	}
	for name, want := range s.Tables {
		if !want.Followed {
			continue
		}
		got, err := frametest.Read(conn, duck.Identifier(name), want.Def)
		if err != nil {
			t.Fatal(err)
		}
		if lines := want.Lines(); !slices.Equal(got, lines) {
			t.Fatalf("table %s has %d rows, the source %d, or they differ", name, len(got), len(lines))
		}
		if rows[name] != int64(len(got)) {
			t.Fatalf("table %s has %d rows and the manifest says %d", name, len(got), rows[name])
		}
	}
}
