package source

import (
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A statement that a session logs as text may write to any table by a trigger, whatever it looks like: all are copied anew. One that a
// server writes for a table in memory, which its restart has emptied, concerns that table.
func TestStatementsWithTriggers(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		for name, write := range map[string]string{
			"delete all": "DELETE FROM part", "quoted": "DELETE FROM `part`", "update": "UPDATE part SET b = b + 1", "insert": "INSERT INTO part (id) VALUES (77)",
			"delete some": "DELETE FROM part WHERE id = 1",
		} {
			t.Run(name+" "+string(flavor), func(t *testing.T) {
				r := newRig(t, flavor)
				r.exec("CREATE TABLE part (id INT PRIMARY KEY, b INT)", "INSERT INTO part VALUES (1, 1), (2, 2)",
					"CREATE TABLE trail (n INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20), id INT)",
					"CREATE TRIGGER gone AFTER DELETE ON part FOR EACH ROW INSERT INTO trail (what, id) VALUES ('deleted', OLD.id)",
					"CREATE TRIGGER changed AFTER UPDATE ON part FOR EACH ROW INSERT INTO trail (what, id) VALUES ('updated', OLD.id)",
					"CREATE TRIGGER come AFTER INSERT ON part FOR EACH ROW INSERT INTO trail (what, id) VALUES ('inserted', NEW.id)")
				r.start()
				r.converge()
				r.exec("DELETE FROM part WHERE id = 2") // logged as rows, the trigger's too
				r.converge()
				r.recopied(nil, []string{"part", "trail"}, "")
				r.exec("SET SESSION binlog_format = 'STATEMENT'", write)
				r.converge()
				r.recopied([]string{"part", "trail"}, nil, "binlog_format=ROW")
				r.exec("INSERT INTO part VALUES (5, 5)", "UPDATE part SET b = 6", "DELETE FROM part")
				r.converge()
			})
		}
	}
}

func TestTableInMemoryIsEmptiedByRestart(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			r.exec(orders, "CREATE TABLE mem (id INT PRIMARY KEY) ENGINE=MEMORY", "INSERT INTO mem VALUES (1), (2)")
			r.fill(100)
			r.start()
			r.converge()
			if err := r.mysql.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.exec("SELECT COUNT(*) FROM mem", "INSERT INTO mem VALUES (3)", "UPDATE orders SET total = 5 WHERE id < 10")
			r.converge()
			r.recopied(nil, []string{"orders"}, "")
		})
	}
}
