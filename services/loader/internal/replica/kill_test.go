package replica_test

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// A loader that is killed at random moments leads to what the source holds.
func TestKilledLoaderAppliesEachFrameOnce(t *testing.T) {
	st := newStream(t)
	data := t.TempDir()
	s := frametest.New(11, database, st.put)
	s.Add(1, 300)
	s.Add(2, 100)
	s.Add(0, 60)
	r := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // repeatable on purpose
	kills := 0
	for round := range 25 {
		cmd, _ := process(t, "loader", data, st.server.ClientURL())
		for range 20 {
			s.Step()
		}
		st.flush()
		// The moment is random on purpose: from before the file is open to after all is published.
		killed := make(chan struct{})
		time.AfterFunc(time.Duration(r.IntN(600))*time.Millisecond, func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			close(killed)
		})
		<-killed
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) && !exit.Exited() {
			kills++
		} else {
			t.Fatalf("round %d: the loader ended by itself: %v", round, err)
		}
	}
	s.Finish()
	cmd, _ := process(t, "loader", data, st.server.ClientURL())
	status := st.awaitApplied()
	if status.Mismatches != 0 {
		t.Fatalf("%d rows to be changed were not there", status.Mismatches)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("stopping the loader: %v", err)
	}
	compare(t, data, s)
	t.Logf("%d frames, %d kills", st.last, kills)
}

// Readers in another process see whole transactions only, in their order, while
// the loader writes.
func TestReadersSeeWholeBatchesInOrder(t *testing.T) {
	t.Run("copied blocks", func(t *testing.T) { readersSeeWholeBatches(t, t.TempDir()) })
	t.Run("shared blocks", func(t *testing.T) { readersSeeWholeBatches(t, filetest.XFS(t, true)) })
}

func readersSeeWholeBatches(t *testing.T, data string) {
	st := newStream(t)
	s := frametest.New(1, database, st.put)
	defs := s.CreateSteps()
	process(t, "loader", data, st.server.ClientURL())
	st.put(s.Steps(defs, 0, 10))
	await(t, "a generation with both tables", func() bool {
		m, err := generation.Read(generation.Dir(data, database))
		return err == nil && len(m.Tables) == 2 && m.Tables[1].Rows == 10
	})
	_, lines := process(t, "reader", data, "")

	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			st.put(s.Steps(defs, n, 10))
			if err := st.pub.Flush(t.Context()); err != nil {
				return
			}
		}
	}()
	opened, last := 0, [2]int64{-1, -1}
	for opened < 60 && lines.Scan() {
		last = checkSeen(t, lines.Text(), last)
		opened++
	}
	close(stop)
	<-done
	if opened < 60 {
		t.Fatalf("the reader ended after %d generations", opened)
	}
	if last[1] < 60 {
		t.Fatalf("after %d generations the newest step was %d", opened, last[1])
	}
}

// checkSeen checks one line of the reader against the one before, and returns its generation and step.
func checkSeen(t *testing.T, line string, last [2]int64) [2]int64 {
	t.Helper()
	var v [6]int64
	for i, f := range strings.Fields(line) {
		var err error
		if v[i], err = strconv.ParseInt(f, 10, 64); err != nil {
			t.Fatalf("reader said %q", line)
		}
	}
	number, rows, low, high, ids, filler := v[0], v[1], v[2], v[3], v[4], v[5]
	if rows != 10 || ids != 10 || low != high || filler != 10*(high+1) {
		t.Fatalf("generation %d holds part of a transaction: %s", number, line)
	}
	if number <= last[0] || high < last[1] {
		t.Fatalf("generation %d (step %d) came after generation %d (step %d)", number, high, last[0], last[1])
	}
	return [2]int64{number, high}
}
