package source

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// shelf makes n tables of some rows each, and returns their names.
func (r *rig) shelf(n, rows int) (names []string) {
	r.t.Helper()
	for i := range n {
		name := fmt.Sprintf("shelf_%02d", i)
		r.exec("CREATE TABLE "+name+" (id INT PRIMARY KEY, v VARCHAR(40))", "INSERT INTO "+name+
			fmt.Sprintf(" WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, 'a thing on the shelf' FROM n", rows))
		names = append(names, name)
	}
	return names
}

// underWay is how many rows each copy has got of those that have got any and are not over.
func (m *model) underWay() map[string]int {
	rows := map[string]int{}
	for name, c := range m.copies {
		if n := len(c.table.rows); n > 0 {
			rows[name] = n
		}
	}
	return rows
}

// Tables are copied beside one another, with and without a key, by no more connections than there may be; all become
// what the source has, though it is written to.
func TestTablesAreCopiedTogether(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		const connections = 3
		r.config.CopyConnections = connections
		r.config.CopyRate = 40_000 // slow enough that copies are seen beside each other
		names := r.shelf(12, 900)
		r.exec(orders, "CREATE TABLE bag (v INT)", "INSERT INTO bag SELECT id FROM shelf_00", "CREATE TABLE sack LIKE bag", "INSERT INTO sack SELECT * FROM bag")
		r.fill(20_000)
		name := "c_" + r.schema
		if err := r.mysql.CreateUser(t.Context(), name, "pw", "ALL ON *.*"); err != nil {
			t.Fatal(err)
		}
		r.config.Server.User, r.config.Server.Password = name, "pw"
		watch := r.watchConnections(name)
		r.start()
		r.eventually("the copies of several tables are under way", func(m *model) bool { return len(m.copies) == connections })
		for _, table := range names {
			r.exec("UPDATE "+table+" SET v = 'changed' WHERE id % 7 = 0", "DELETE FROM "+table+" WHERE id % 50 = 1", "INSERT INTO "+table+" VALUES (100000, 'new')")
		}
		r.exec("DELETE FROM bag WHERE v < 10", "INSERT INTO sack VALUES (1), (1)", "UPDATE orders SET total = 0 WHERE id % 100 = 0")
		r.converge()
		// Beside those that read there is one for questions, one that locks a table without a key while it is frozen, and one of a
		// frozen table that the server has not ended yet.
		if most := watch(); most < connections || most > connections+3 {
			t.Errorf("up to %d connections, want no more than %d and all of them used", most, connections+3)
		}
		for _, table := range append(names, "orders", "bag", "sack") {
			if n := r.model.begun[table]; n != 1 {
				t.Errorf("%s was copied %d times, want once", table, n)
			}
		}
	})
}

// watchConnections counts a user's connections until the returned function is called, which tells the most there were, but for the one
// that reads the binlog.
func (r *rig) watchConnections(user string) (most func() int) {
	r.t.Helper()
	db, err := r.mysql.Open("")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	var top int
	var failed error
	var watching sync.WaitGroup
	watching.Go(func() {
		defer db.Close()
		for failed == nil {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var n int
			failed = db.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND NOT LIKE 'Binlog%' AND COMMAND <> 'Connect'", user).Scan(&n)
			top = max(top, n)
		}
	})
	stop := sync.OnceFunc(func() { close(done); watching.Wait() })
	r.t.Cleanup(stop)
	return func() int {
		r.t.Helper()
		stop()
		if failed != nil {
			r.t.Fatal(failed)
		}
		return top
	}
}

// Killed while several tables are being copied, each goes on with the chunk it had got to.
func TestCopiesTogetherGoOnAfterKill(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	names := r.shelf(4, 900)
	for _, name := range names {
		r.exec("ALTER TABLE "+name+" MODIFY v TEXT", "UPDATE "+name+" SET v = REPEAT('x', 1000)",
			"INSERT INTO "+name+" SELECT id + 900, v FROM "+name, "INSERT INTO "+name+" SELECT id + 1800, v FROM "+name)
	}
	t.Setenv(childRate, "5000")
	kills := 0
	for kill := r.startProcess(); kills < 3; kill = r.startProcess() {
		var before int
		r.eventually("the copies have got somewhere", func(m *model) bool { before = m.frames; return len(m.underWay()) > 1 || len(m.tables) == len(names) })
		r.exec("UPDATE shelf_00 SET v = 'changed' WHERE id % 10 = 0", "DELETE FROM shelf_03 WHERE id % 10 = 5")
		r.eventually("there is more", func(m *model) bool { return m.frames > before })
		kill()
		kills++
	}
	r.converge()
	for _, name := range names {
		if n := r.model.begun[name]; n != 1 {
			t.Errorf("the copy of %s was begun %d times, want once", name, n)
		}
	}
}

// The rate holds for all that read together.
func TestPaceIsShared(t *testing.T) {
	p := newPace(1_000_000)
	before := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if err := p.wait(t.Context(), 100); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if owed := p.next.Sub(before); owed < 4*10*100*time.Microsecond {
		t.Errorf("4000 rows at a million a second were let through in %v", owed)
	}
}
