package source

import (
	"strings"
	"testing"
)

// Names of tables and columns may hold any character, also where a table is copied again or goes.
func TestNamesOfAnyCharacters(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		long := strings.Repeat("表", 40)
		r.exec("CREATE TABLE `Order Lines / größe %s` (`id #` INT PRIMARY KEY, `a.b` INT)", "INSERT INTO `Order Lines / größe %s` VALUES (1, 1)",
			"CREATE TABLE `"+long+"` (id INT PRIMARY KEY)", "INSERT INTO `"+long+"` VALUES (1)")
		r.start()
		r.converge()
		r.exec("ALTER TABLE `Order Lines / größe %s` MODIFY `a.b` VARCHAR(20)", "ALTER TABLE `"+long+"` MODIFY id BIGINT", "INSERT INTO `"+long+"` VALUES (2)")
		r.converge()
		r.exec("RENAME TABLE `Order Lines / größe %s` TO `Bestellungen ü`", "INSERT INTO `Bestellungen ü` VALUES (2, 'two')", "DROP TABLE `"+long+"`")
		r.converge()
	})
}

// A table that was created with its rows and altered before anybody read of it is copied, once, and the stream goes on.
func TestCreatedWithRowsAndAltered(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec("CREATE TABLE origin (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO origin VALUES (1, 'a'), (2, 'b')")
		stop := r.start()
		r.converge()
		stop()
		r.exec("CREATE TABLE made AS SELECT * FROM origin", "ALTER TABLE made CHANGE id number BIGINT NOT NULL", "INSERT INTO made VALUES (3, 'c')", "INSERT INTO origin VALUES (3, 'c')",
			"CREATE TABLE keyed AS SELECT * FROM origin", "ALTER TABLE keyed ADD PRIMARY KEY (id)", "INSERT INTO keyed VALUES (4, 'd')",
			"CREATE TABLE another (UNIQUE u (id)) AS SELECT * FROM origin", "ALTER TABLE another MODIFY v VARCHAR(20) NOT NULL, ADD PRIMARY KEY (v)", "INSERT INTO another VALUES (4, 'd')")
		r.start()
		r.converge()
		r.recopied(nil, []string{"origin", "made"}, "made: its rows do not have the columns")
		r.recopied(nil, []string{"keyed"}, "keyed: its rows are told apart by another key")
		r.recopied(nil, []string{"another"}, "another: its rows are told apart by another key")
	})
}

// A table that waits for its first copy may be renamed in either way.
func TestRenamedBeforeItsCopy(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE y (id INT PRIMARY KEY)", "CREATE TABLE z (id INT PRIMARY KEY)", "INSERT INTO y VALUES (1)", "INSERT INTO z VALUES (1)")
		locker, err := r.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer locker.Close()
		if _, err := locker.ExecContext(t.Context(), "LOCK TABLES a WRITE"); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.eventually("the copy of the first table waits for its lock", func(m *model) bool { return m.begun["a"] > 0 })
		r.exec("ALTER TABLE y RENAME TO why", "RENAME TABLE z TO zed", "INSERT INTO why VALUES (2)", "INSERT INTO zed VALUES (2)")
		if _, err := locker.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		r.converge()
	})
}

// A table that is left out by its name is followed under another, whichever statement gave it that.
func TestRenamedFromALeftOutName(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Follow = func(table string) bool { return !strings.HasPrefix(table, "tmp_") }
		r.exec("CREATE TABLE tmp_a (id INT PRIMARY KEY)", "CREATE TABLE tmp_b (id INT PRIMARY KEY)", "INSERT INTO tmp_a VALUES (1)", "INSERT INTO tmp_b VALUES (1)")
		r.start()
		r.exec("ALTER TABLE tmp_a RENAME TO a", "RENAME TABLE tmp_b TO b", "INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (2)")
		r.converge()
	})
}

// Dates that are carried as null tell no rows apart: a table with such a key is set aside, by the copy and by the stream, with
// the reason; others go on, and it is back once it can be.
func TestKeysWithoutADate(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		const relaxed = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'"
		r.exec(relaxed, "CREATE TABLE copied (d DATE, n INT, PRIMARY KEY (d, n))", "INSERT INTO copied VALUES ('0000-00-00', 1), ('2024-00-00', 1)",
			"CREATE TABLE streamed (d DATETIME PRIMARY KEY)", "INSERT INTO streamed VALUES ('2024-01-01')", "CREATE TABLE other (id INT PRIMARY KEY)")
		r.start()
		out := func(table string) {
			r.t.Helper()
			r.eventually(table+" is set aside", func(m *model) bool {
				return strings.Contains(m.quarantined[table], "00-00") && strings.Contains(m.quarantined[table], "and keys do not allow")
			})
		}
		out("copied")
		r.exec(relaxed, "INSERT INTO streamed VALUES ('0000-00-00')")
		out("streamed")
		r.exec("INSERT INTO other VALUES (1)")
		r.eventually("the other table goes on", func(m *model) bool { return m.tables["other"] != nil && len(m.tables["other"].rows) == 1 })
		r.exec(relaxed, "DELETE FROM streamed WHERE d = 0", "ALTER TABLE streamed COMMENT = 'mended'", "TRUNCATE copied", "ALTER TABLE copied COMMENT = 'mended'")
		r.converge()
	})
}
