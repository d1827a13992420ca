package source

import (
	"testing"

	"golang.org/x/sync/errgroup"

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
