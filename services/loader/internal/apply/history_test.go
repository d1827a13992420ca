package apply_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

const source = "shop"

// loader is a file, the stream it is loaded from, and an Applier between them.
type loader struct {
	t      *testing.T
	dir    string
	stream [][]byte
	file   *live.File
	conn   *duck.Conn
	book   *schema.Book
	*apply.Applier
}

func newLoader(t *testing.T) *loader {
	l := &loader{t: t, dir: t.TempDir()}
	l.open()
	t.Cleanup(l.close)
	return l
}

func (l *loader) open() {
	l.t.Helper()
	var err error
	if l.file, err = live.Open(l.dir, source, live.Options{Threads: 2}); err != nil {
		l.t.Fatal(err)
	}
	if l.conn, err = l.file.DB.Connect(); err != nil {
		l.t.Fatal(err)
	}
	if l.book, err = schema.Open(l.conn, source); err != nil {
		l.t.Fatal(err)
	}
	l.Applier = apply.New(l.conn, l.book, l.file.Catalog(), func() {}, slog.New(slog.DiscardHandler))
}

func (l *loader) close() {
	if l.file == nil {
		return
	}
	defer func() { l.file = nil }()
	l.Applier.Close()
	l.conn.Close()
	l.file.Close()
}

// put adds a frame to the stream, as bytes, so that nothing is shared with its maker.
func (l *loader) put(f *cdcv1.Frame) {
	data, err := frame.Marshal(f)
	if err != nil {
		l.t.Fatal(err)
	}
	l.stream = append(l.stream, data)
}

// add applies the next frame of the stream.
func (l *loader) add() error {
	l.t.Helper()
	return l.deliver(l.Seq() + 1)
}

// deliver hands the Applier a frame of the stream, whether it is the next one or not.
func (l *loader) deliver(seq uint64) error {
	l.t.Helper()
	f, err := frame.Unmarshal(slices.Clone(l.stream[seq-1]))
	if err != nil {
		return err
	}
	_, err = l.Add(seq, fmt.Sprint("m", seq), f)
	return err
}

// catchUp applies all frames, in batches of random size.
func (l *loader) catchUp(r *rand.Rand) {
	l.t.Helper()
	for int(l.Seq()) < len(l.stream) {
		if err := l.add(); err != nil {
			l.t.Fatalf("frame %d: %v", l.Seq(), err)
		}
		if !l.Open() && r.IntN(4) == 0 {
			l.commit()
		}
	}
	l.commit()
}

func (l *loader) commit() {
	l.t.Helper()
	if _, err := l.Commit(); err != nil {
		l.t.Fatalf("committing at frame %d: %v", l.Seq(), err)
	}
}

// equal compares every followed table of the source with DuckDB.
func (l *loader) equal(s *frametest.Source) {
	l.t.Helper()
	followed := 0
	for name, want := range s.Tables {
		if !want.Followed {
			continue
		}
		followed++
		t := l.book.Table(name)
		if t == nil || t.Live == nil {
			l.t.Fatalf("table %s is missing", name)
		}
		if t.Stale != "" || t.Frozen || t.Ask != "" || t.Copy != nil {
			l.t.Fatalf("table %s is not level: %+v", name, t)
		}
		got, err := frametest.Read(l.conn, duck.Identifier(t.Name), want.Def)
		if err != nil {
			l.t.Fatal(err)
		}
		if lines := want.Lines(); !slices.Equal(got, lines) {
			l.t.Fatalf("table %s: got %d rows\n%s\nwant %d\n%s", name, len(got), strings.Join(got, "\n"), len(lines), strings.Join(lines, "\n"))
		}
		if t.Rows != int64(len(got)) {
			l.t.Fatalf("table %s has %d rows and is said to have %d", name, len(got), t.Rows)
		}
	}
	if n := len(l.book.Tables()); n != followed {
		l.t.Fatalf("there are %d tables and %d are followed", n, followed)
	}
	if m := l.Stats().Mismatches; m != 0 {
		l.t.Fatalf("%d rows to be changed were not there", m)
	}
}

// Frames that come again, one or many, in order or not, before or after a commit or a restart, change nothing.
func TestRedeliveredFrames(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newLoader(t)
			s := frametest.New(100+seed, source, l.put)
			s.Add(1, 100)
			s.Add(0, 40)
			for range 100 {
				s.Step()
			}
			s.Finish()
			r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // repeatable on purpose
			for int(l.Seq()) < len(l.stream) {
				l.must(l.add())
				for range r.IntN(5) {
					if err := l.deliver(1 + r.Uint64N(l.Seq())); err != nil {
						t.Fatalf("after frame %d an old one: %v", l.Seq(), err)
					}
				}
				switch n := r.IntN(100); {
				case n < 25 && !l.Open():
					l.commit()
				case n < 28:
					l.close()
					l.open()
				}
			}
			l.commit()
			l.equal(s)
			if l.Stats().Redelivered == 0 {
				t.Fatal("nothing was delivered again")
			}
		})
	}
}

// Random histories, applied in random batches by a loader that is stopped dead
// at random, lead to what the source holds.
func TestHistoriesAreAppliedExactlyOnce(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newLoader(t)
			s := frametest.New(seed, source, l.put)
			s.Add(1, 100)
			s.Add(2, 60)
			s.Add(0, 40)
			for range 120 {
				s.Step()
			}
			s.Finish()
			r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable on purpose
			for int(l.Seq()) < len(l.stream) {
				if err := l.add(); err != nil {
					t.Fatalf("frame %d: %v", l.Seq(), err)
				}
				switch n := r.IntN(100); {
				case n < 25 && !l.Open():
					l.commit()
				case n < 30:
					l.close()
					l.open()
				}
			}
			l.commit()
			l.equal(s)
			l.close()
			l.open()
			l.equal(s)
		})
	}
}
