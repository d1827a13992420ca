package source

import (
	"fmt"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Copies go on after the source's end and return, each with the chunk it had got to, one without a key from its beginning; paused ones stay so.
func TestCopiesOutliveTheSource(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			r.config.CopyRate = 20_000
			r.exec(orders, "CREATE TABLE beside (id INT PRIMARY KEY)", "CREATE TABLE bag (v VARCHAR(200), n INT)")
			r.fill(30_000)
			r.exec("INSERT INTO bag SELECT REPEAT('x', 100), id % 5000 FROM orders")
			stop := r.start()
			for round, paused := range []bool{false, true} {
				r.eventually("both copies are under way", func(m *model) bool {
					return len(m.underWay()) == 2 && m.begun["bag"] == round+1 && m.tables["beside"] != nil
				})
				if paused {
					r.control(ControlRequest{Op: "pause"})
				}
				if err := r.mysql.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := r.mysql.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				r.exec("UPDATE orders SET total = total + 1 WHERE id % 1000 = 0", "DELETE FROM bag WHERE n = 7 LIMIT 2", fmt.Sprintf("INSERT INTO beside VALUES (%d)", round))
				r.eventually("changes go on", func(m *model) bool { return len(m.tables["beside"].rows) == round+1 })
				if paused {
					r.mu.Lock()
					if n := r.model.begun["bag"]; n != 2 || len(r.model.underWay()) != 2 {
						t.Errorf("paused, the copy without a key was begun %d times; under way are %v", n, r.model.underWay())
					}
					r.mu.Unlock()
					r.control(ControlRequest{Op: "resume"})
				}
			}
			r.eventually("the copy without a key begins again", func(m *model) bool { return m.begun["bag"] == 3 })
			stop()
			r.config.CopyRate = 0
			r.start()
			r.converge()
			if n := r.model.begun["orders"]; n != 1 {
				t.Errorf("the copy of orders was begun %d times", n)
			}
		})
	}
}
