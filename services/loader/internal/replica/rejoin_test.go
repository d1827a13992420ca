package replica_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// run runs a replica in this process until the returned function is called.
func run(t *testing.T, data string, st *stream) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- newReplica(data, st.bus, slog.New(slog.DiscardHandler)).Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// ingest stands for the other side: it takes requests for copies.
func ingest(t *testing.T, st *stream) <-chan string {
	t.Helper()
	asked := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- st.bus.Serve(ctx, bus.IngestControl(database), func(_ context.Context, request []byte) ([]byte, error) {
			var q struct{ Op, Table string }
			if err := json.Unmarshal(request, &q); err != nil || q.Op != "copy" {
				return nil, &bus.ControlError{Code: "bad_request", Message: string(request)}
			}
			asked <- q.Table
			return []byte("{}"), nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return asked
}

func source(st *stream, seed uint64) *frametest.Source {
	s := frametest.New(seed, database, st.put)
	s.Add(1, 200)
	s.Add(0, 40)
	copyAll(s)
	return s
}

func copyAll(s *frametest.Source) {
	for name := range s.Tables {
		s.CopyBegin(name, false)
	}
	s.Finish()
}

func steps(s *frametest.Source, n int) {
	for range n {
		s.Transaction(1 + s.Rand.IntN(5))
	}
}

// stale tells whether the newest generation marks every table as stale, and still holds them.
func stale(data string, tables int) bool {
	m, err := generation.Read(generation.Dir(data, database))
	if err != nil || len(m.Tables) != tables {
		return false
	}
	for _, table := range m.Tables {
		if table.Stale == "" {
			return false
		}
	}
	return true
}

// A stream that was made anew by an ingest that began again: from the first
// frame of the new epoch, whether the new stream is shorter or longer than the old one.
func TestStreamMadeAnew(t *testing.T) {
	for name, more := range map[string]int{"shorter": 0, "longer": 60} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			st := newStream(t)
			s := source(st, 3)
			steps(s, 30)
			stop := run(t, data, st)
			st.awaitApplied()
			stop()

			st = newStream(t)
			ingest(t, st)
			s.Out, s.Epoch = st.put, 2
			steps(s, more) // on tables that are not copied yet: the rows are not to be applied
			stop = run(t, data, st)
			st.awaitApplied()
			await(t, "stale tables", func() bool { return stale(data, 2) })
			copyAll(s)
			steps(s, 10)
			st.awaitApplied()
			stop()
			compare(t, data, s)
		})
	}
}

// An epoch that begins amid a stream.
func TestNewEpochInTheSameStream(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 4)
	steps(s, 30)
	stop := run(t, data, st)
	st.awaitApplied()
	s.Epoch = 2
	copyAll(s)
	steps(s, 10)
	st.awaitApplied()
	stop()
	compare(t, data, s)
}

// A stream that lost its tail, which the loader had applied, and was written on
// by the same ingest with other rows.
func TestStreamLostItsTail(t *testing.T) {
	for name, more := range map[string]int{"shorter": 0, "longer": 40} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			st := newStream(t)
			s := source(st, 5)
			steps(s, 10)
			st.flush()
			// The server's files as they would be after a power cut.
			backup := t.TempDir()
			st.restart(func() { copyDir(t, st.dir, backup) })
			steps(s, 20)
			stop := run(t, data, st)
			st.awaitApplied()
			stop()
			st.restart(func() {
				if err := os.RemoveAll(st.dir); err != nil {
					t.Fatal(err)
				}
				copyDir(t, backup, st.dir)
			})
			asked := ingest(t, st)
			steps(s, more)
			st.flush()
			stop = run(t, data, st)
			if table := <-asked; table != "" {
				t.Fatalf("a copy of %q was asked for and not of everything", table)
			}
			await(t, "stale tables", func() bool { return stale(data, 2) })
			copyAll(s)
			steps(s, 10)
			st.awaitApplied()
			stop()
			compare(t, data, s)
		})
	}
}

// A loader without a file on a stream that has forgotten its beginning.
func TestGapAtTheBeginning(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 6)
	steps(s, 20)
	st.flush()
	if err := st.bus.Purge(t.Context(), database, st.last-5); err != nil {
		t.Fatal(err)
	}
	asked := ingest(t, st)
	stop := run(t, data, st)
	if table := <-asked; table != "" {
		t.Fatalf("a copy of %q was asked for and not of everything", table)
	}
	copyAll(s)
	st.awaitApplied()
	stop()
	compare(t, data, s)
}

// Rows that cannot be applied stop their own table and no other, and have it copied again.
func TestBadRowsStopOneTable(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 7)
	asked := ingest(t, st)
	stop := run(t, data, st)
	st.awaitApplied()
	bad := s.Tables["T1"]
	rows := frame.NewRows(bad.Def)
	rows.Column(0).Int(1 << 40)
	rows.Column(1).String("not \xff UTF-8")
	rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
	st.put(&cdcv1.Frame{Source: database, Epoch: 1, Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Transactions: 1, Tables: []*cdcv1.TableRows{rows.Message()}}}})
	steps(s, 20)
	if table := <-asked; table != "T1" {
		t.Fatalf("a copy of %q was asked for", table)
	}
	st.awaitApplied()
	for _, table := range st.status().Tables {
		if isStale := strings.Contains(table.Stale, "UTF-8"); isStale != (table.Name == "T1") {
			t.Fatalf("table %s: stale %q", table.Name, table.Stale)
		}
	}
	s.CopyBegin("T1", false)
	s.Finish()
	steps(s, 10)
	st.awaitApplied()
	stop()
	compare(t, data, s)
}

// A damaged message may have held anything, so all is copied again; nothing else is.
func TestDamagedMessage(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 8)
	asked := ingest(t, st)
	stop := run(t, data, st)
	st.awaitApplied()
	if _, err := st.pub.Publish(t.Context(), "junk", []byte("junk")); err != nil {
		t.Fatal(err)
	}
	steps(s, 5)
	if table := <-asked; table != "" {
		t.Fatalf("a copy of %q was asked for and not of everything", table)
	}
	copyAll(s)
	st.awaitApplied()
	stop()
	compare(t, data, s)
}

// An idle source's sign of life reaches readers without a new generation.
func TestIdleSourceStaysFresh(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	source(st, 9)
	stop := run(t, data, st)
	defer stop()
	st.awaitApplied()
	dir := generation.Dir(data, database)
	var first *generation.Manifest
	await(t, "a generation with all tables", func() bool {
		var err error
		first, err = generation.Read(dir)
		return err == nil && len(first.Tables) == 2
	})
	now := time.Now().Truncate(time.Microsecond)
	await(t, "a newer source time", func() bool {
		now = now.Add(time.Millisecond)
		st.put(&cdcv1.Frame{
			Source: database, Epoch: 1, Position: &cdcv1.Position{File: "binlog.000009", Offset: 1, Server: "s1"},
			Body: &cdcv1.Frame_State{State: &cdcv1.State{SourceTimeUs: now.UnixMicro()}},
		})
		m, err := generation.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if m.Generation != first.Generation {
			first = m
		}
		return m.SourceTime.After(now.Add(-time.Minute)) && m.Position.File == "binlog.000009"
	})
	m, err := generation.Read(dir)
	if err != nil || m.Generation != first.Generation || m.File != first.File || m.Check(dir) != nil {
		t.Fatalf("the manifest became %+v, %v", m, err)
	}
}

// Requests are answered, and wrong ones say what is right.
func TestControl(t *testing.T) {
	st := newStream(t)
	s := source(st, 10)
	asked := ingest(t, st)
	stop := run(t, t.TempDir(), st)
	defer stop()
	status := st.awaitApplied()
	if len(status.Tables) != 2 || status.Position.File != "binlog.000001" || status.Condition != "" {
		t.Fatalf("status is %+v", status)
	}
	for _, table := range status.Tables {
		if int(table.Rows) != len(s.Tables[table.Name].Rows) {
			t.Fatalf("table %s is said to have %d rows", table.Name, table.Rows)
		}
	}
	request := func(body string) (string, error) {
		data, err := st.bus.Request(t.Context(), bus.LoaderControl(database), []byte(body))
		return string(data), err
	}
	if answer, err := request(`{"op":"resync","table":"T1"}`); err != nil || answer != `{"accepted":true}` {
		t.Fatalf("resync gave %s, %v", answer, err)
	}
	if table := <-asked; table != "T1" {
		t.Fatalf("a copy of %q was asked for", table)
	}
	for body, want := range map[string]string{
		`{"op":"resync","table":"nope"}`: `there is no table "nope"`,
		`{"op":"dance"}`:                 `op "dance" is unknown`,
		`dance`:                          "not JSON",
	} {
		if _, err := request(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%s gave %v", body, err)
		}
	}
}

// restart stops the server, runs fn and starts it again on the same port and directory.
func (s *stream) restart(fn func()) {
	s.t.Helper()
	s.pub.Close()
	s.bus.Close()
	if err := s.server.Stop(); err != nil {
		s.t.Fatal(err)
	}
	fn()
	log := slog.New(slog.DiscardHandler)
	var err error
	if s.server, err = embedded.Start(embedded.Config{StoreDir: s.dir, Logger: log}); err != nil {
		s.t.Fatal(err)
	}
	server := s.server
	s.t.Cleanup(func() { _ = server.Stop() })
	if s.bus, err = bus.Connect(s.t.Context(), bus.Config{URL: s.server.ClientURL(), Name: "test", Logger: log}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.bus.Close)
	s.resume()
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
