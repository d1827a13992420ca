package source

import "testing"

// What tells a table's rows apart may come, or go and come back, or the table may have another name, before the schema is asked. Rows that are
// equal in the key come in between, and are told apart all the same.
func TestKeysThatWentBeforeTheSchemaWasRead(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		names := []string{"altered", "indexed", "renamed", "restored", "unaffected"}
		for _, name := range names {
			r.exec("CREATE TABLE "+name+" (id INT NOT NULL, a INT, UNIQUE u (id), INDEX other (a))", "INSERT INTO "+name+" VALUES (1, 1), (2, 2), (3, 3)")
		}
		for _, name := range names[2:] {
			r.exec("ALTER TABLE " + name + " DROP INDEX u, ADD PRIMARY KEY (id)")
		}
		stop := r.start()
		r.converge()
		stop()
		r.exec("ALTER TABLE altered DROP KEY u", "INSERT INTO altered VALUES (1, 10), (2, 20)", "DELETE FROM altered WHERE a IN (1, 20)", "ALTER TABLE altered ADD UNIQUE u (id)",
			"DROP INDEX u ON indexed", "INSERT INTO indexed VALUES (1, 10)", "DELETE FROM indexed WHERE a = 1", "CREATE UNIQUE INDEX u ON indexed (id)",
			"ALTER TABLE renamed DROP PRIMARY KEY", "INSERT INTO renamed VALUES (1, 10)", "DELETE FROM renamed WHERE a = 1", "RENAME TABLE renamed TO another",
			"INSERT INTO another VALUES (2, 20), (2, 20)",
			"ALTER TABLE restored DROP PRIMARY KEY", "INSERT INTO restored VALUES (1, 10), (1, 11)", "DELETE FROM restored WHERE a IN (1, 11)", "ALTER TABLE restored ADD PRIMARY KEY (id)",
			"CREATE TABLE made (id INT NOT NULL, a INT)", "INSERT INTO made VALUES (1, 1), (1, 10), (2, 2)", "DELETE FROM made WHERE a = 1", "ALTER TABLE made ADD PRIMARY KEY (id)",
			"ALTER TABLE unaffected DROP INDEX other", "ALTER TABLE unaffected ADD UNIQUE u (id)", "CREATE UNIQUE INDEX v ON unaffected (id)", "UPDATE unaffected SET a = 30 WHERE id = 3")
		r.start()
		r.converge()
		if times, reasons := r.copied("unaffected"); times["unaffected"] != 1 {
			t.Errorf("dropping an index that is not its key's had a table copied anew: %s", reasons)
		}
	})
}
