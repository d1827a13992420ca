package source

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A RENAME that has one of its tables to itself waits for the copy of another, that copy for the stream, and the stream for whoever asks
// what the first table is: the run ends, the RENAME goes on, and the next run follows it.
func TestRenameWaitsForACopyThatWaitsForIt(t *testing.T) {
	for name, c := range map[string]struct {
		flavor mysqltest.Flavor
		args   []string
	}{"mariadb": {mysqltest.MariaDB, nil}, "mysql without gtid": {mysqltest.MySQL, mysqltest.WithoutGTID()}} {
		t.Run(name, func(t *testing.T) {
			was := loopWait
			loopWait = time.Second
			defer func() { loopWait = was }()
			r := newRig(t, c.flavor, c.args...)
			r.config.CopyRate = 2_000 // a copy that lasts until the stream stands still
			var armed atomic.Bool
			asked, release := make(chan struct{}), make(chan struct{})
			r.config.Follow = func(string) bool {
				if armed.CompareAndSwap(true, false) { // the loop is at the statement, and about to ask
					close(asked)
					<-release
				}
				return true
			}
			r.exec("CREATE TABLE a_first (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO a_first VALUES (1, 'x')", orders, "CREATE TABLE bag (id INT, v VARCHAR(200))")
			r.fill(30_000)
			r.exec("INSERT INTO bag SELECT id, REPEAT('x', 100) FROM orders", "TRUNCATE orders")
			stop := r.start()
			r.eventually("the copy without a key is under way", func(m *model) bool {
				return m.underWay()["bag"] > 0 && m.tables["a_first"] != nil && m.tables["orders"] != nil
			})
			armed.Store(true)
			r.exec("ALTER TABLE a_first ADD COLUMN w INT DEFAULT 5")
			<-asked
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var renaming errgroup.Group
			renaming.Go(func() error {
				_, err := r.db.ExecContext(ctx, "RENAME TABLE a_first TO swap, bag TO a_first, swap TO bag")
				return err
			})
			const waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME TABLE %' AND STATE LIKE 'Waiting for table%'"
			for r.column(waits)[0] == "0" && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			close(release)
			if err := renaming.Wait(); err != nil { // without the bound it would wait for ever
				t.Fatal(err)
			}
			stop()
			r.config.CopyRate = 0
			r.start()
			r.converge()
		})
	}
}
