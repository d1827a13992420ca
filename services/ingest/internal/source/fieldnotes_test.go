package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Columns that SELECT * leaves out, or that nobody writes, are the same from the copy and from the stream.
func TestColumnsThatAreHiddenOrComputed(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		rows := func(from int) []string {
			return []string{
				fmt.Sprintf("INSERT INTO hidden (id, seen, unseen) VALUES (%d, 'a', 1), (%d, 'b', NULL)", from, from+1),
				fmt.Sprintf("INSERT INTO computed (id, price, n) VALUES (%d, 2.50, 3), (%d, 0.10, 7)", from, from+1),
				"UPDATE computed SET n = n + 1", "UPDATE hidden SET unseen = id",
			}
		}
		r.exec("CREATE TABLE hidden (id INT PRIMARY KEY, unseen INT INVISIBLE, seen VARCHAR(5))",
			"CREATE TABLE computed (id INT PRIMARY KEY, price DECIMAL(8,2), n INT, total DECIMAL(12,2) AS (price * n) STORED, twice INT AS (n * 2) VIRTUAL, label VARCHAR(20) AS (CONCAT('#', id)) VIRTUAL)")
		if r.mysql.Flavor == mysqltest.MySQL {
			r.exec("SET SESSION sql_generate_invisible_primary_key = ON", "CREATE TABLE nokey (v INT)", "INSERT INTO nokey VALUES (1), (1), (2)")
		}
		r.exec(rows(1)...)
		r.start()
		r.converge()
		r.exec(rows(11)...)
		if r.mysql.Flavor == mysqltest.MySQL {
			r.exec("INSERT INTO nokey VALUES (1), (3)", "UPDATE nokey SET v = 4 WHERE my_row_id = 1", "DELETE FROM nokey WHERE v = 1 LIMIT 1")
		}
		r.exec("ALTER TABLE hidden ADD COLUMN more INT INVISIBLE DEFAULT 5", "UPDATE hidden SET more = 6 WHERE id = 1", "DELETE FROM computed WHERE id = 2")
		r.converge()
	})
}

// A row larger than a message may be, in the copy and in the stream.
func TestWideRows(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			r.exec("CREATE TABLE wide (id INT PRIMARY KEY, v LONGBLOB)", "INSERT INTO wide VALUES (1, REPEAT(x'00FF', 5000000)), (2, 'small')")
			r.start()
			r.converge()
			r.exec("UPDATE wide SET v = REPEAT(x'01', 9000000) WHERE id = 2", "INSERT INTO wide VALUES (3, REPEAT(x'FE', 12000000))")
			r.converge()
			r.recopied(nil, []string{"wide"}, "")
		})
	}
}

// The position moves through transactions of which nothing is followed, so that binlogs with nothing else may be purged.
func TestPositionMovesPastWhatIsLeftOut(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			r.config.Follow = func(table string) bool { return table != "skip" }
			r.exec(orders, "CREATE TABLE skip (id INT PRIMARY KEY)", "CREATE DATABASE IF NOT EXISTS elsewhere", "CREATE TABLE elsewhere.t"+r.schema+" (id INT PRIMARY KEY)")
			r.fill(10)
			stop := r.start()
			rows := func() (n int) {
				r.eventually("orders streams", func(m *model) bool {
					if m.tables["orders"] == nil {
						return false
					}
					n = len(m.tables["orders"].rows)
					return true
				})
				return n
			}
			rows()
			for i := range 20 {
				r.exec(fmt.Sprintf("INSERT INTO skip VALUES (%d)", i), fmt.Sprintf("INSERT INTO elsewhere.t%s VALUES (%d)", r.schema, i))
			}
			r.exec("FLUSH BINARY LOGS")
			last, offset, err := r.head()
			if err != nil {
				t.Fatal(err)
			}
			r.eventually("the stream's position is the source's", func(m *model) bool {
				return m.position.GetFile() == last && m.position.GetOffset() >= offset
			})
			stop()
			for oldest := ""; oldest != last; oldest = r.oldestBinlog() {
				r.exec("FLUSH ENGINE LOGS", "PURGE BINARY LOGS TO '"+last+"'")
			}
			r.start()
			r.exec("INSERT INTO orders (customer, total, at) VALUES (1, 1, '2024-01-01')")
			r.eventually("the row arrives", func(m *model) bool { return len(m.tables["orders"].rows) == 11 })
			r.recopied(nil, []string{"orders"}, "")
		})
	}
}

// A binlog that begins anew under the same names is not taken for the one that was read.
func TestBinlogIsReset(t *testing.T) {
	for name, args := range map[string][]string{"mysql": {"--max-connections=79"}, "mariadb": {"--max-connections=79"}, "mysql without gtid": append(mysqltest.WithoutGTID(), "--max-connections=79")} {
		t.Run(name, func(t *testing.T) {
			flavor, reset := mysqltest.MySQL, "RESET BINARY LOGS AND GTIDS"
			if name == "mariadb" {
				flavor, reset = mysqltest.MariaDB, "RESET MASTER"
			}
			r := newRig(t, flavor, args...)
			r.exec(orders)
			r.fill(300)
			stop := r.start()
			r.converge()
			r.exec("UPDATE orders SET total = total + 1", "UPDATE orders SET total = total + 1")
			r.converge()
			stop()
			r.exec(reset, "DELETE FROM orders WHERE id < 10")
			r.start()
			r.converge()
			times, reasons := r.copied("orders")
			if times["orders"] != 2 || reasons == "" {
				t.Errorf("orders was copied %d times, because of %q", times["orders"], reasons)
			}
			r.exec("DELETE FROM orders WHERE id < 20")
			r.converge()
		})
	}
}

// Rows that come without their columns' names are not guessed at: the source is refused until it logs them again, and what was written
// meanwhile is copied.
func TestMetadataIsTurnedOff(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor, "--max-connections=78")
			r.pair()
			r.exec("SET GLOBAL binlog_row_metadata = 'MINIMAL'", "UPDATE part SET b = b + 1", "INSERT INTO part (id) VALUES (9)")
			if reason := r.refusal(); !strings.Contains(reason, "SET GLOBAL binlog_row_metadata = 'FULL'") {
				t.Errorf("the source is refused with %q", reason)
			}
			r.exec("SET GLOBAL binlog_row_metadata = 'FULL'", "UPDATE part SET b = b + 1", "UPDATE whole SET b = b + 1")
			r.converge()
			r.recopied([]string{"part"}, []string{"whole"}, "binlog_row_metadata=FULL")
		})
	}
}
