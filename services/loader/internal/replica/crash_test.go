package replica_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// fragile is a stream on a NATS server of its own process, and a writer that goes on from the stream's tail after each
// failure, as ingest does.
type fragile struct {
	*stream
	data, addr   string
	nats, loader *exec.Cmd
	// frames are all there are, sent is how many of them the stream holds for sure.
	frames [][]byte
	sent   int
}

func newFragile(t *testing.T) *fragile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fragile{stream: &stream{t: t, dir: t.TempDir()}, data: t.TempDir(), addr: l.Addr().String()}
	l.Close()
	f.startNATS()
	await(t, "NATS", func() bool {
		f.bus, err = bus.Connect(t.Context(), bus.Config{URL: "nats://" + f.addr, Name: "test", Logger: slog.New(slog.DiscardHandler)})
		return err == nil
	})
	t.Cleanup(f.bus.Close)
	if err := f.bus.EnsureStream(t.Context(), database, bus.StreamOptions{}); err != nil {
		t.Fatal(err)
	}
	f.rewind()
	f.startLoader()
	return f
}

func (f *fragile) startNATS()   { f.nats, _ = process(f.t, "nats", f.dir, f.addr) }
func (f *fragile) startLoader() { f.loader, _ = process(f.t, "loader", f.data, "nats://"+f.addr) }

// note adds a frame to what is to be sent.
func (f *fragile) note(m *cdcv1.Frame) {
	data, err := frame.Marshal(m)
	if err != nil {
		f.t.Fatal(err)
	}
	f.frames = append(f.frames, data)
}

// send sends what is left, until it is all stored or NATS fails.
func (f *fragile) send() error {
	for ; f.sent < len(f.frames); f.sent++ {
		var err error
		if f.last, err = f.pub.Publish(f.t.Context(), fmt.Sprintf("f-%d", f.sent), f.frames[f.sent]); err != nil {
			return err
		}
	}
	return f.pub.Flush(f.t.Context())
}

// rewind goes on from what the stream holds.
func (f *fragile) rewind() {
	f.t.Helper()
	await(f.t, "the stream's tail", func() bool {
		tail, err := f.bus.Tail(f.t.Context(), database)
		if err != nil {
			return false
		}
		f.sent = 0
		if tail.Last != nil {
			id, _, _ := strings.Cut(strings.TrimPrefix(tail.Last.ID, "f-"), "/")
			n, err := strconv.Atoi(id)
			if err != nil {
				f.t.Fatal(err)
			}
			f.sent, f.last = n+1, tail.LastSeq
		}
		if f.pub != nil {
			f.pub.Close()
		}
		f.pub, err = f.bus.Publisher(database, tail, bus.PublisherOptions{})
		return err == nil
	})
	f.t.Cleanup(f.pub.Close)
}

// Loader, NATS or both are killed at random moments while frames are sent and applied. In the end the file holds what the
// source does, and no row to be changed was ever missing or doubled.
func TestKilledLoaderAndNATS(t *testing.T) {
	f := newFragile(t)
	s := frametest.New(21, database, f.note)
	s.Add(1, 300)
	s.Add(2, 100)
	s.Add(0, 60)
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // repeatable on purpose
	for range 24 {
		for range 20 {
			s.Step()
		}
		which := 1 + r.IntN(3)
		killed := make(chan struct{})
		// The moment is random on purpose: amid the writing, the applying, or after both.
		time.AfterFunc(time.Duration(r.IntN(300))*time.Millisecond, func() {
			defer close(killed)
			if which&1 != 0 {
				_ = f.nats.Process.Signal(syscall.SIGKILL)
			}
			if which&2 != 0 {
				_ = f.loader.Process.Signal(syscall.SIGKILL)
			}
		})
		err := f.send()
		<-killed
		if which&1 != 0 {
			_ = f.nats.Wait()
			f.startNATS()
		} else if err != nil {
			t.Fatalf("sending failed although NATS was there: %v", err)
		}
		if which&2 != 0 {
			_ = f.loader.Wait()
			f.startLoader()
		}
		if which&1 != 0 {
			f.rewind()
		}
	}
	s.Finish()
	await(t, "all frames to be stored", func() bool {
		if f.send() == nil {
			return true
		}
		f.rewind()
		return false
	})
	status := f.awaitApplied()
	if status.Mismatches != 0 {
		t.Fatalf("%d rows to be changed were not there", status.Mismatches)
	}
	_ = f.loader.Process.Signal(syscall.SIGTERM)
	if err := f.loader.Wait(); err != nil {
		t.Fatalf("stopping the loader: %v", err)
	}
	compare(t, f.data, s)
}
