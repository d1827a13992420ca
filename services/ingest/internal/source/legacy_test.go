package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Dates and times as they were stored before MySQL 5.6 are followed; with fractions of a second, whose size the binlog does not tell, the table is set
// aside until they are stored as today.
func TestTimesOfOldServers(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB, "--max-connections=78")
	const values = "(%d, '2024-01-02 03:04:05', '2024-07-01 12:00:00', '10:11:12'), (%d, '1000-12-31 23:59:59', '1970-01-01 00:00:01', '-838:59:59'), (%d, '0000-00-00', '0000-00-00', '838:59:59'), (%d, '2024-02-00', '2038-01-19 03:14:07', '-00:00:01'), (%d, NULL, NULL, NULL)"
	rows := func(table string, from int) string {
		return "INSERT INTO " + table + " VALUES " + fmt.Sprintf(values, from, from+1, from+2, from+3, from+4)
	}
	r.exec(anyDates, "SET GLOBAL mysql56_temporal_format = OFF", "CREATE TABLE old (id INT PRIMARY KEY, d DATETIME, s TIMESTAMP NULL, t TIME)",
		"CREATE TABLE keyed (d DATETIME, t TIME, v INT, PRIMARY KEY (d, t))", "CREATE TABLE parts (id INT PRIMARY KEY, d DATETIME(3), t TIME(6))",
		"SET GLOBAL mysql56_temporal_format = ON", rows("old", 1),
		"INSERT INTO keyed VALUES ('2024-01-02 03:04:05', '-10:11:12', 1), ('2024-01-02 03:04:06', '10:11:12', 1)", "INSERT INTO parts VALUES (1, '2024-01-02 03:04:05.678', '-10:11:12.345678')")
	r.start()
	r.eventually("that with fractions is set aside", func(m *model) bool {
		return strings.Contains(m.quarantined["parts"], "ALTER TABLE ... FORCE") && m.tables["old"] != nil && m.tables["keyed"] != nil
	})
	r.exec(anyDates, rows("old", 11), "UPDATE old SET id = id + 100 WHERE id < 10", "UPDATE keyed SET t = '00:00:01', v = 2 WHERE v = 1", "DELETE FROM keyed WHERE d = '2024-01-02 03:04:05'",
		"INSERT INTO parts VALUES (2, NULL, NULL)", "ALTER TABLE parts FORCE")
	r.converge()
	r.recopied(nil, []string{"old", "keyed", "parts"}, "")
}

// A column that MariaDB makes for a unique index on a long one is nobody's to see.
func TestUniqueKeysOnLongColumns(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB)
	r.exec("CREATE TABLE long_keys (id INT PRIMARY KEY, v TEXT, w LONGBLOB, UNIQUE (v), UNIQUE (w))", "CREATE TABLE only_long (v TEXT NOT NULL, n INT, UNIQUE (v))",
		"CREATE TABLE own (id INT PRIMARY KEY, DB_ROW_HASH_1 INT, v TEXT UNIQUE)", "INSERT INTO long_keys VALUES (1, 'a', 'b'), (2, NULL, NULL)", "INSERT INTO only_long VALUES ('x', 1), ('y', 2)",
		"INSERT INTO own VALUES (1, 1, 'a')")
	r.start()
	r.converge()
	r.exec("INSERT INTO long_keys VALUES (3, REPEAT('é', 5000), NULL)", "UPDATE long_keys SET v = 'z', w = 'q' WHERE id = 1", "UPDATE only_long SET n = n + 1", "DELETE FROM only_long WHERE v = 'x'",
		"UPDATE own SET DB_ROW_HASH_1 = 7, v = 'b'", "INSERT INTO own VALUES (2, NULL, NULL)")
	r.converge()
	r.recopied(nil, []string{"long_keys", "only_long", "own"}, "")
}

// What rows that were there hold in an added column is what the server puts there, however its default is written.
func TestDefaultsAsTheyAreWritten(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			declared := []string{
				`VARCHAR(9) DEFAULT '5\%\_\'\n\q'`, "VARCHAR(9) DEFAULT 'a' 'b'", "CHAR(4) DEFAULT 'a '", "BINARY(4) DEFAULT 'a'", "SET('a','b','c') DEFAULT 'c,a'", "ENUM('1','0') DEFAULT '0'",
				"BIT(5) DEFAULT b'11'", "YEAR DEFAULT 24", "TIME DEFAULT '1:2'", "DATETIME DEFAULT '24-1-2 3:4:5'", "DECIMAL(5,2) DEFAULT 1.005", "INT DEFAULT 1.5",
			}
			for i := range declared {
				r.exec(fmt.Sprintf("CREATE TABLE d%d (id INT PRIMARY KEY)", i), fmt.Sprintf("INSERT INTO d%d VALUES (1)", i))
			}
			r.start()
			r.converge()
			for i, w := range declared {
				r.exec(fmt.Sprintf("ALTER TABLE d%d ADD COLUMN w %s", i, w), fmt.Sprintf("INSERT INTO d%d (id) VALUES (2)", i))
			}
			r.converge()
		})
	}
}
