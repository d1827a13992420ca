package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Text that is none in its own character set, as a BLOB that became TEXT may hold, is the same by the copy, by the stream
// and to a client of the source, whatever byte stands in it.
func TestDamagedText(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		sets := []string{"ascii", "ucs2", "utf16", "utf8mb3", "utf8mb4", "latin1", "cp1257", "hebrew", "tis620", "sjis"}
		for _, set := range sets {
			var rows []string
			for b := range 256 {
				rows = append(rows, fmt.Sprintf("(%d, 0, x'%02x')", b, b), fmt.Sprintf("(%d, 0, x'0041%02x30')", 1000+b, b), fmt.Sprintf("(%d, 0, x'%02x01dc85ed8081')", 2000+b, b))
			}
			r.exec("SET SESSION sql_mode = ''", "CREATE TABLE bytes_"+set+" (id INT PRIMARY KEY, n INT, v BLOB)", "INSERT INTO bytes_"+set+" VALUES "+strings.Join(rows, ", "),
				"CREATE TABLE text_"+set+" (id INT PRIMARY KEY, n INT, v TEXT CHARACTER SET "+set+")",
				"INSERT IGNORE INTO text_"+set+" SELECT * FROM bytes_"+set)
		}
		r.start()
		r.converge()
		for _, set := range sets {
			r.exec("UPDATE text_" + set + " SET n = 1")
		}
		r.converge()
		if copied := r.copiesOf("text_ucs2"); copied != 1 {
			t.Errorf("a table with damaged text was copied %d times", copied)
		}
	})
}

// MariaDB has values in the second that a zero timestamp is stored as.
func TestFirstSecondOf1970(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB)
	r.exec("SET SESSION time_zone = '+00:00'", "CREATE TABLE early (id INT PRIMARY KEY, ts TIMESTAMP(1) NULL, micro TIMESTAMP(6) NULL)",
		"INSERT INTO early VALUES (1, '1970-01-01 00:00:00.1', '1970-01-01 00:00:00.000001'), (2, 0, 0)")
	r.start()
	r.converge()
	r.exec("SET SESSION time_zone = '+00:00'", "INSERT INTO early SELECT id + 10, ts, micro FROM early")
	r.converge()
	r.eventually("it is a value", func(m *model) bool { return m.tables["early"].rows["11"][0]["ts"] != null })
}
