package source

import (
	"fmt"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// An XA transaction shows at its commit and not before, and one that is rolled back never; also when ingest starts
// anew between the phases.
func TestXA(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders, "CREATE TABLE mark (id INT PRIMARY KEY)", "CREATE TABLE log (line VARCHAR(50))")
		r.fill(100)
		stop := r.start()
		r.converge()
		marks := 0
		check := func(when string) { // another table's row says how far the stream is
			r.t.Helper()
			marks++
			r.exec(fmt.Sprintf("INSERT INTO mark VALUES (%d)", marks))
			r.converge()
			if t.Failed() {
				t.Fatal(when)
			}
		}
		prepare := func(xid string, statements ...string) {
			r.exec(append(append([]string{"XA START '" + xid + "'"}, statements...), "XA END '"+xid+"'", "XA PREPARE '"+xid+"'")...)
		}
		prepare("a", "UPDATE orders SET total = 111 WHERE id < 5", "INSERT INTO log VALUES ('a'), ('a')")
		check("prepared")
		prepare("b", "DELETE FROM orders WHERE id > 90", "INSERT INTO log VALUES ('b')")
		check("two prepared")
		r.exec("XA ROLLBACK 'b'")
		check("the second rolled back")
		r.exec("XA COMMIT 'a'")
		check("the first committed")
		r.exec("XA START 'c'", "DELETE FROM orders WHERE id = 10", "XA END 'c'", "XA COMMIT 'c' ONE PHASE")
		check("one phase")
		if n := r.model.begun["orders"]; n != 1 {
			t.Errorf("orders was copied %d times, want once: %v", n, r.model.reasons)
		}
		prepare("d", "UPDATE orders SET total = 222 WHERE id < 15")
		prepare("e", "DELETE FROM orders WHERE id > 80")
		check("prepared before a restart")
		stop()
		stop = r.start()
		check("prepared since before the restart")
		r.exec("XA COMMIT 'd'", "XA ROLLBACK 'e'")
		check("committed after a restart")
		if n := r.model.begun["orders"]; n != 1 && r.mysql.Flavor == mysqltest.MySQL && t.Name() == "TestXA/mysql" {
			t.Errorf("orders was copied %d times, want once: %v", n, r.model.reasons)
		}
		stop()
		r.start()
		prepare("f", "UPDATE orders SET note = REPEAT('x', 200)", "INSERT INTO orders (customer, total, note, at) SELECT 1, 1, REPEAT('y', 200), '2024-01-01' FROM orders a, orders b LIMIT 4000")
		check("a large one prepared")
		r.exec("XA COMMIT 'f'")
		check("a large one committed")
	})
}
