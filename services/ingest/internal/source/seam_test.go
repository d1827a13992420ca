package source

import (
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A copy that begins while the very rows it reads are written, by transactions which the stream has brought and a SELECT does not
// show yet for half a second: a row read as it had been before the copy's mark would stay so.
func TestCopiesWaitForWhatTheStreamHasPassed(t *testing.T) {
	for name, args := range map[string][]string{"gtid": nil, "file and offset": mysqltest.WithoutGTID()} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mysqltest.MySQL, append(args, "--binlog-group-commit-sync-delay=500000", "--sync-binlog=0")...)
			r.exec(orders)
			r.fill(40)
			r.start()
			r.converge()
			for round := 1; round <= 4; round++ {
				frames, copies := 0, 0
				r.eventually("anything", func(m *model) bool { frames, copies = m.rowFrames, m.begun["orders"]; return true })
				var writing errgroup.Group
				for id := 1; id <= 40; id += 5 {
					writing.Go(func() error {
						_, err := r.db.ExecContext(t.Context(), "UPDATE orders SET total = total + 1000 WHERE id BETWEEN ? AND ? + 4", id, id)
						return err
					})
				}
				r.eventually("the stream brings what is not committed yet", func(m *model) bool { return m.rowFrames > frames })
				r.control(ControlRequest{Op: "copy", Table: "orders"})
				r.eventually("the table is copied again", func(m *model) bool { return m.begun["orders"] > copies && m.copies["orders"] == nil })
				if err := writing.Wait(); err != nil {
					t.Fatal(err)
				}
				r.converge() // before another copy could mend it
			}
		})
	}
}

// MariaDB sends a transaction to readers of its binlog before it is in any snapshot. One for a table without a key that was older than
// what the stream has passed would lack rows for ever; so it is not taken until it has them.
func TestSnapshotsAreNoOlderThanTheStream(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB)
	r.exec("CREATE TABLE bag (v VARCHAR(2000))")
	srv, err := server.Connect(t.Context(), r.config.Server)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	passed, err := srv.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	passed.Offset += 5_000 // several of the transactions below
	reader, err := srv.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var freezing errgroup.Group
	frozen := make(chan struct{})
	var at binlog.Position
	freezing.Go(func() (err error) {
		defer close(frozen)
		at.File, at.Offset, err = srv.Frozen(t.Context(), reader, passed, "bag", true)
		return err
	})
	for written := false; !written; {
		r.exec("INSERT INTO bag VALUES (REPEAT('a', 1000))")
		select {
		case <-frozen:
			written = true
		default:
		}
	}
	if err := freezing.Wait(); err != nil {
		t.Fatal(err)
	}
	if !at.Reached(passed.File, passed.Offset) {
		t.Errorf("the snapshot is of %s:%d, the stream had passed %s:%d", at.File, at.Offset, passed.File, passed.Offset)
	}
}

// A position that went back when reading begins would be behind the place of a snapshot until the next transaction has been read,
// which the snapshot would then be taken to hold.
func TestPositionDoesNotGoBackWithinAFile(t *testing.T) {
	r := &run{
		position: binlog.Position{File: "binlog.000002", Offset: 1000}, status: &statusBoard{},
		reader: binlog.NewReader(binlog.Config{}), writer: publish.NewWriter(publish.Config{}),
	}
	for _, step := range []struct {
		file         string
		offset, want uint64
	}{{"binlog.000002", 256, 1000}, {"binlog.000002", 2000, 2000}, {"binlog.000003", 256, 256}} {
		if err := r.event(t.Context(), &binlog.Event{Kind: binlog.Passed, File: step.file, Offset: step.offset}); err != nil {
			t.Fatal(err)
		}
		if r.position.File != step.file || r.position.Offset != step.want {
			t.Errorf("after %s:%d the position is %s:%d, want offset %d", step.file, step.offset, r.position.File, r.position.Offset, step.want)
		}
	}
}
