package source

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// deadlock is what a write may end with while the table is copied by a statement.
const deadlock = 1213

// write changes orders until the returned function is called, which tells how many statements there were.
func (r *rig) write() (stop func() int) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	var n int
	var failed error
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil && failed == nil {
			n++
			statement := fmt.Sprintf("UPDATE orders SET total = total + 1 WHERE id = %d", n%90+1)
			if n%3 == 0 {
				statement = fmt.Sprintf("INSERT INTO orders (customer, total, at) VALUES (%d, 1, '2024-01-01')", n)
			}
			if _, err := r.db.ExecContext(ctx, statement); err != nil && ctx.Err() == nil && !server.Is(err, deadlock) {
				failed = err
			}
		}
	})
	return func() int {
		cancel()
		writing.Wait()
		if failed != nil {
			r.t.Fatal(failed)
		}
		return n
	}
}

// The ways of gh-ost (which writes to the new table from the binlog) and of pt-online-schema-change (which does so by
// triggers) to alter a table while it is written to.
func TestOnlineSchemaChanges(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders)
		r.fill(500)
		r.start()
		r.converge()
		stop := r.write()
		r.exec("CREATE TABLE _orders_ghc (id INT PRIMARY KEY, hint VARCHAR(64))", "INSERT INTO _orders_ghc VALUES (1, 'state')",
			"CREATE TABLE _orders_gho LIKE orders", "ALTER TABLE _orders_gho ADD COLUMN grade INT NOT NULL DEFAULT 3, DROP COLUMN note",
			"INSERT IGNORE INTO _orders_gho (id, customer, total, state, at) SELECT id, customer, total, state, at FROM orders WHERE id <= 250 LOCK IN SHARE MODE",
			"INSERT IGNORE INTO _orders_gho (id, customer, total, state, at) SELECT id, customer, total, state, at FROM orders WHERE id > 250 LOCK IN SHARE MODE",
			"LOCK TABLES orders WRITE, _orders_gho WRITE", "REPLACE INTO _orders_gho (id, customer, total, state, at) SELECT id, customer, total, state, at FROM orders", "UNLOCK TABLES",
			"RENAME TABLE orders TO _orders_del, _orders_gho TO orders", "DROP TABLE _orders_ghc, _orders_del")
		if n := stop(); n < 3 {
			t.Fatalf("only %d writes happened beside", n)
		}
		r.converge()
		stop = r.write()
		r.exec("CREATE TABLE _orders_new LIKE orders", "ALTER TABLE _orders_new MODIFY total DECIMAL(20,4) NOT NULL",
			"CREATE TRIGGER osc_ins AFTER INSERT ON orders FOR EACH ROW REPLACE INTO _orders_new VALUES (NEW.id, NEW.customer, NEW.total, NEW.state, NEW.at, NEW.grade)",
			"CREATE TRIGGER osc_upd AFTER UPDATE ON orders FOR EACH ROW REPLACE INTO _orders_new VALUES (NEW.id, NEW.customer, NEW.total, NEW.state, NEW.at, NEW.grade)",
			"INSERT IGNORE INTO _orders_new SELECT * FROM orders LOCK IN SHARE MODE",
			"RENAME TABLE orders TO _orders_old, _orders_new TO orders", "DROP TABLE _orders_old")
		stop()
		r.converge()
	})
}

func TestDestructiveChangesPause(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Destructive = PauseDestructive
		r.exec(orders, "CREATE TABLE gone (id INT PRIMARY KEY)", "INSERT INTO gone VALUES (1)", "CREATE TABLE away LIKE gone", "INSERT INTO away VALUES (1)", "CREATE TABLE other (id INT PRIMARY KEY)")
		r.fill(20)
		stop := r.start()
		r.converge()
		r.exec("ALTER TABLE orders DROP COLUMN note", "DELETE FROM orders", "DROP TABLE gone", "RENAME TABLE away TO "+r.otherSchema()+".away", "INSERT INTO other VALUES (1)")
		passed := func() {
			r.t.Helper()
			r.eventually("the other table goes on", func(m *model) bool { return len(m.tables["other"].rows) == len(r.tableRows("other")) })
		}
		passed()
		stop()
		r.start()
		r.exec("INSERT INTO other VALUES (2)", "ALTER TABLE orders ADD later INT")
		passed()
		r.mu.Lock()
		for name, rows := range map[string]int{"orders": 20, "gone": 1, "away": 1} {
			if table := r.model.tables[name]; table == nil || len(table.rows) != rows {
				t.Errorf("of %s readers see %+v, want the %d rows that were there", name, table, rows)
			}
		}
		if reason := r.model.quarantined["orders"]; !strings.Contains(reason, "a column was dropped") || r.model.begun["orders"] != 1 {
			t.Errorf("the reason is %q, copied %d times", reason, r.model.begun["orders"])
		}
		r.mu.Unlock()
		for _, name := range []string{"orders", "gone", "away"} {
			r.control(ControlRequest{Op: "copy", Table: name})
		}
		r.converge()
	})
}
