package source

import (
	"fmt"
	"testing"
)

const orders = `CREATE TABLE orders (
	id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, total DECIMAL(12,2) NOT NULL,
	state ENUM('new','paid','sent') NOT NULL DEFAULT 'new', note VARCHAR(200), at DATETIME(3) NOT NULL)`

// fill inserts n rows with growing ids.
func fill(n int) string {
	return fmt.Sprintf(`INSERT INTO orders (customer, total, state, note, at)
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		SELECT i %% 97, i / 7, 1 + i %% 3, IF(i %% 5 = 0, NULL, REPEAT('é', i %% 40)), '2020-01-01' + INTERVAL i SECOND FROM n`, n)
}

func deep(n int) string { return fmt.Sprintf("SET SESSION %s = %d", "cte_max_recursion_depth", n) }

func (r *rig) fill(n int) {
	r.t.Helper()
	if r.mysql.Flavor == "mariadb" {
		r.exec(fmt.Sprintf("SET SESSION max_recursive_iterations = %d", n+1), fill(n))
		return
	}
	r.exec(deep(n+1), fill(n))
}

func TestCopyThenStream(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders, "CREATE TABLE none_yet (a INT PRIMARY KEY)", "CREATE TABLE log (line VARCHAR(50))", "INSERT INTO log VALUES ('a'), ('a'), (NULL)")
		r.fill(5000)
		stop := r.start()
		r.converge()
		r.exec("INSERT INTO orders (customer, total, at) VALUES (1, 2.50, '2024-02-03 04:05:06.789')",
			"UPDATE orders SET total = total + 1 WHERE id < 100",
			"UPDATE orders SET id = id + 1000000 WHERE id < 50",
			"DELETE FROM orders WHERE id BETWEEN 200 AND 300",
			"DELETE FROM log WHERE line = 'a' LIMIT 1", "INSERT INTO log VALUES ('b'), ('b')", "UPDATE log SET line = 'c' WHERE line = 'b'",
			"BEGIN", "INSERT INTO none_yet VALUES (1)", "DELETE FROM orders WHERE id = 5", "ROLLBACK",
			"BEGIN", "INSERT INTO none_yet VALUES (2)", "UPDATE orders SET note = 'x' WHERE id = 400", "INSERT INTO log VALUES ('d')", "COMMIT")
		r.converge()
		stop()
		r.exec("INSERT INTO none_yet VALUES (3)", "DELETE FROM orders WHERE id = 400")
		r.start()
		r.converge()
		if n := r.model.begun["orders"]; n != 1 {
			t.Errorf("orders was copied %d times, want once", n)
		}
	})
}

func TestDefinitionsChange(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders)
		r.fill(100)
		r.start()
		r.converge()
		copies := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.model.begun["orders"] }

		r.exec("CREATE TABLE later (id INT PRIMARY KEY, v VARCHAR(10))", "INSERT INTO later VALUES (1, 'x')")
		r.exec("ALTER TABLE orders ADD COLUMN grade INT NOT NULL DEFAULT 7 AFTER customer, ADD tag VARCHAR(5) DEFAULT 'a''b', ADD free DECIMAL(5,2)",
			"INSERT INTO orders (customer, total, at, grade) VALUES (1, 1, '2024-01-01', 3)")
		r.converge()
		if n := copies(); n != 1 {
			t.Errorf("added columns led to %d copies, want none beside the first", n-1)
		}
		r.exec("RENAME TABLE later TO earlier, orders TO bought, earlier TO orders", "INSERT INTO orders VALUES (2, 'y')", "UPDATE bought SET grade = 1 WHERE id < 10")
		r.converge()
		r.exec("RENAME TABLE orders TO later, bought TO orders", "ALTER TABLE later RENAME TO latest", "TRUNCATE latest", "INSERT INTO latest VALUES (9, 'z')")
		r.converge()
		r.exec("ALTER TABLE orders DROP COLUMN tag, ADD extra INT", "UPDATE orders SET grade = 2, extra = 3 WHERE id = 11")
		r.converge()
		if n := copies(); n != 1 {
			t.Errorf("a dropped column led to %d copies, want none beside the first", n-1)
		}
		r.exec("ALTER TABLE orders DROP extra, ADD extra INT DEFAULT 5")
		r.converge()
		r.exec("ALTER TABLE orders DROP extra", "ALTER TABLE orders ADD extra INT DEFAULT 6")
		r.converge()
		r.exec("ALTER TABLE orders RENAME COLUMN extra TO additional", "UPDATE orders SET additional = 7 WHERE id = 13")
		r.converge()
		r.exec("ALTER TABLE orders MODIFY total DECIMAL(20,4) NOT NULL", "DELETE FROM orders WHERE id = 12")
		r.converge()
		r.exec("DROP TABLE latest", "CREATE TABLE latest (id INT)", "INSERT INTO latest VALUES (1), (1)")
		r.converge()
	})
}
