package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Statements are followed as their session meant them: in its characters, with backslashes that are none, with settings in front.
func TestStatementsOfOddSessions(t *testing.T) {
	const both, onlyMariaDB = "", mysqltest.MariaDB
	for name, c := range map[string]struct {
		flavor     mysqltest.Flavor
		statements []string
	}{
		"latin1": {both, []string{
			"SET NAMES latin1", "ALTER TABLE a ADD COLUMN w VARCHAR(20) DEFAULT '\xe9' COMMENT '\xfc'", "CREATE TABLE gr\xf6\xdfe (id INT PRIMARY KEY)", "INSERT INTO gr\xf6\xdfe VALUES (1)",
			"RENAME TABLE b TO st\xfcck", "INSERT INTO st\xfcck VALUES (9, 'z')",
		}},
		"sjis, whose letters may end with a backslash": {both, []string{
			"SET NAMES sjis", "ALTER TABLE a COMMENT '\x83\x5c', RENAME TO aa", "INSERT INTO aa VALUES (9, 'z')",
		}},
		"no backslash escapes": {both, []string{
			"SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'", `ALTER TABLE a ADD COLUMN w VARCHAR(20) DEFAULT 'c:\new'`, `ALTER TABLE b COMMENT = '\', RENAME TO bb`,
			"INSERT INTO bb VALUES (9, 'z')",
		}},
		"ansi quotes": {both, []string{
			"SET SESSION sql_mode = 'ANSI_QUOTES'", `ALTER TABLE "a" ADD COLUMN "w x" INT DEFAULT 7`, `RENAME TABLE "b" TO "b b"`, `INSERT INTO "b b" VALUES (9, 'z')`, `TRUNCATE "a"`,
		}},
		"settings in front": {onlyMariaDB, []string{
			"SET STATEMENT lock_wait_timeout = 50 FOR TRUNCATE TABLE a", "SET STATEMENT max_statement_time = 100, lock_wait_timeout = 7 FOR CREATE TABLE made (id INT PRIMARY KEY)",
			"INSERT INTO made VALUES (1)", "SET STATEMENT max_statement_time = 100 FOR DROP TABLE b",
		}},
		"a database in place of another": {onlyMariaDB, []string{
			"CREATE OR REPLACE DATABASE this_one", "USE this_one", "CREATE TABLE a (id BIGINT PRIMARY KEY)", "INSERT INTO a VALUES (5)",
		}},
		"tables in place of others": {onlyMariaDB, []string{
			"CREATE OR REPLACE TABLE a (id BIGINT PRIMARY KEY, z INT)", "INSERT INTO a VALUES (5, 5)", "CREATE OR REPLACE TABLE b AS SELECT * FROM a", "INSERT INTO b VALUES (6, 6)",
			"CREATE OR REPLACE TABLE a LIKE b", "INSERT INTO a VALUES (8, 8)",
		}},
		"altered in two phases": {onlyMariaDB, []string{
			"SET SESSION binlog_alter_two_phase = 1", "ALTER TABLE a ADD COLUMN w INT DEFAULT 5", "INSERT INTO a (id) VALUES (3)", "ALTER TABLE b DROP COLUMN v", "INSERT INTO b VALUES (3)",
			"ALTER TABLE a RENAME TO aa", "INSERT INTO aa (id) VALUES (9)", "ALTER TABLE aa MODIFY v TEXT, ADD COLUMN z INT", "INSERT INTO aa (id) VALUES (10)",
		}},
	} {
		for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
			if c.flavor != both && c.flavor != flavor {
				continue
			}
			t.Run(name+" "+string(flavor), func(t *testing.T) {
				r := newRig(t, flavor)
				for _, table := range []string{"a", "b"} {
					r.exec("CREATE TABLE "+table+" (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO "+table+" VALUES (1, 'x'), (2, 'y')")
				}
				r.start()
				r.converge()
				for i, statement := range c.statements {
					c.statements[i] = strings.ReplaceAll(statement, "this_one", r.schema)
				}
				r.exec(c.statements...)
				r.converge()
			})
		}
	}
}

// Where changes that lose rows pause a table, so does one that puts another in its place.
func TestReplacedTablesPause(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB)
	r.config.Destructive = PauseDestructive
	r.exec("CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1), (2)", "CREATE TABLE other (id INT PRIMARY KEY)")
	r.start()
	r.converge()
	r.exec("CREATE OR REPLACE TABLE a (id INT PRIMARY KEY, v INT)", "INSERT INTO a VALUES (7, 7)", "INSERT INTO other VALUES (1)")
	r.eventually("the other table goes on", func(m *model) bool { return len(m.tables["other"].rows) == 1 })
	r.eventually("anything", func(m *model) bool {
		if len(m.tables["a"].rows) != 2 || !strings.Contains(m.quarantined["a"], "it was replaced") {
			t.Errorf("readers see %d rows, and it is %q", len(m.tables["a"].rows), m.quarantined["a"])
		}
		return true
	})
	r.control(ControlRequest{Op: "copy", Table: "a"})
	r.converge()
}

// A server that keeps names in lower case, by whichever letters it is asked for them.
func TestNamesInLowerCase(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB, "--lower-case-table-names=1")
	r.config.Server.Schema = strings.ToUpper(r.schema)
	r.exec("CREATE TABLE Orders (Id INT PRIMARY KEY, v INT)", "CREATE TABLE Items (id INT PRIMARY KEY)", "CREATE TABLE Gone (id INT PRIMARY KEY)",
		"INSERT INTO Orders VALUES (1, 1), (2, 2)", "INSERT INTO ITEMS VALUES (1)", "INSERT INTO gone VALUES (1)")
	r.start()
	r.converge()
	r.exec("INSERT INTO ORDERS VALUES (3, 3)", "TRUNCATE Items", "DROP TABLE GONE", "ALTER TABLE oRders ADD COLUMN W INT DEFAULT 4", "CREATE TABLE Made (id INT PRIMARY KEY)",
		"INSERT INTO MADE VALUES (1)")
	r.converge()
	r.exec("RENAME TABLE Made TO Named", "INSERT INTO NAMED VALUES (2)", "ALTER TABLE "+strings.ToUpper(r.schema)+".ITEMS RENAME TO Rows_", "INSERT INTO ROWS_ VALUES (5)")
	r.converge()
	r.recopied(nil, []string{"orders", "items"}, "")
}

// Transactions whose GTIDs have a tag are found again after a restart.
func TestTaggedTransactions(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	r.exec("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "INSERT INTO a VALUES (1, 1)")
	stop := r.start()
	r.converge()
	for i := range 3 {
		r.exec("SET GTID_NEXT = 'AUTOMATIC:night'", fmt.Sprintf("INSERT INTO a (id) VALUES (%d)", 10+i), fmt.Sprintf("ALTER TABLE a ADD COLUMN c%d INT DEFAULT 4", i),
			"SET GTID_NEXT = 'AUTOMATIC'", fmt.Sprintf("INSERT INTO a (id) VALUES (%d)", 20+i), "SET GTID_NEXT = 'AUTOMATIC:day'", "UPDATE a SET v = 7")
		r.converge()
		stop()
		r.exec("SET GTID_NEXT = 'AUTOMATIC:night'", fmt.Sprintf("INSERT INTO a (id) VALUES (%d)", 30+i))
		stop = r.start()
	}
	r.converge()
	r.recopied(nil, []string{"a"}, "")
	r.eventually("anything", func(m *model) bool {
		if set := m.position.GetGtidSet(); !strings.Contains(set, "night") || !strings.Contains(set, "day") {
			t.Errorf("the stream's position is %q", set)
		}
		return true
	})
}

// Tables that cannot be followed are set aside with the reason, and come back when they can; others go on.
func TestTablesThatCannotBeFollowed(t *testing.T) {
	for name, c := range map[string]struct{ spoil, mend, reason string }{
		"compressed columns": {"MODIFY v VARCHAR(50) COMPRESSED", "MODIFY v VARCHAR(50)", "COMPRESSED"},
		"system versioning":  {"ADD SYSTEM VERSIONING", "DROP SYSTEM VERSIONING", "system-versioned"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, mysqltest.MariaDB)
			for _, table := range []string{"copied", "streamed", "other"} {
				r.exec("CREATE TABLE "+table+" (id INT PRIMARY KEY, v VARCHAR(50))", "INSERT INTO "+table+" VALUES (1, 'a')")
			}
			r.exec("ALTER TABLE copied "+c.spoil, "INSERT INTO copied VALUES (2, 'b')")
			r.start()
			out := func(table string) {
				r.t.Helper()
				r.eventually(table+" is set aside", func(m *model) bool { return strings.Contains(m.quarantined[table], c.reason) && m.copies[table] == nil })
			}
			out("copied")
			r.exec("ALTER TABLE streamed "+c.spoil, "INSERT INTO streamed VALUES (2, 'b')", "DELETE FROM streamed WHERE id = 1", "INSERT INTO copied VALUES (3, 'c')", "INSERT INTO other VALUES (2, 'b')")
			out("streamed")
			r.eventually("the other table goes on", func(m *model) bool { return m.tables["other"] != nil && len(m.tables["other"].rows) == 2 })
			r.exec("ALTER TABLE copied "+c.mend, "ALTER TABLE streamed "+c.mend, "INSERT INTO copied VALUES (4, 'd')", "INSERT INTO streamed VALUES (4, 'd')")
			r.converge()
			r.recopied(nil, []string{"other"}, c.reason)
		})
	}
}
