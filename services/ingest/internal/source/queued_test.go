package source

import (
	"fmt"
	"testing"
)

// Tables that wait for their first copy are described when the run begins. What happens to them until their turn counts all the same.
func TestQueuedTablesChange(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.CopyConnections = 1
		r.exec("CREATE TABLE a_first (id INT PRIMARY KEY)", "INSERT INTO a_first VALUES (1)")
		for _, name := range []string{"altered", "dropped", "indexed", "made_anew", "renamed", "swapped"} {
			r.exec(fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY, a INT, b VARCHAR(20), c INT NOT NULL, UNIQUE u (c))", name),
				fmt.Sprintf("INSERT INTO %s VALUES (1, 10, 'eleven', 12), (2, 20, 'twenty-one', 22)", name))
		}
		r.exec("ALTER TABLE indexed DROP PRIMARY KEY") // the index is its key now
		blocker, err := r.db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer blocker.Close()
		if _, err := blocker.ExecContext(t.Context(), "LOCK TABLES a_first WRITE"); err != nil {
			t.Fatal(err)
		}
		r.start() // the first table's copy waits for the lock, and the others for it
		r.eventually("the stream begins", func(m *model) bool { return len(m.states) > 0 })
		r.exec("ALTER TABLE altered MODIFY a VARCHAR(9) FIRST, DROP COLUMN b", "INSERT INTO altered VALUES ('thirty', 3, 32)",
			"DROP TABLE dropped",
			"DROP INDEX u ON indexed", "INSERT INTO indexed VALUES (2, 20, 'twenty-one', 22)",
			"DROP TABLE made_anew", "CREATE TABLE made_anew (id VARCHAR(9) PRIMARY KEY)", "INSERT INTO made_anew VALUES ('x')",
			"ALTER TABLE renamed RENAME TO other, ADD COLUMN d INT",
			"RENAME TABLE swapped TO x, other TO swapped, x TO other", "DELETE FROM other WHERE id = 1",
			"CREATE TABLE marker (id INT PRIMARY KEY)")
		r.eventually("the stream has passed the changes", func(m *model) bool { return m.tables["marker"] != nil })
		if _, err := blocker.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		r.converge()
	})
}
