package e2e

import (
	"fmt"
	"maps"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// What foreign keys change in child tables is in DuckDB at once where the server logs it, and else after the next comparison, which
// tells of exactly those rows; a row of the child that no cascade touched stays as it was.
func TestCascadesAreFollowedOrMended(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := stillBank(ctx, t, server, 23, 50)
		exec := func(statements ...string) {
			t.Helper()
			for _, sql := range statements {
				if err := b.exec(ctx, sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
		}
		exec("CREATE TABLE parent (id INT PRIMARY KEY, v INT)",
			"CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)",
			"CREATE TABLE grandchild (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES child (id) ON DELETE CASCADE)",
			"CREATE TABLE orphan (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE SET NULL)",
			// Rows without a key are copied again as a whole.
			"CREATE TABLE bare (n INT, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE)",
			"INSERT INTO parent VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2), (4, 3)",
			"INSERT INTO grandchild VALUES (1, 1), (2, 2), (3, 3), (4, 4)", "INSERT INTO orphan VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO bare VALUES (7, 1), (9, 1), (8, 3)")
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		stop := working(ctx, t, b, client)
		defer stop()
		exec("DELETE FROM parent WHERE id = 1", "UPDATE parent SET id = 20 WHERE id = 2")
		// What a session keeps out of the binlog is found likewise, on any server.
		if err := server.Exec(ctx, "USE bank", "SET SESSION sql_log_bin = 0", "DELETE FROM numbers WHERE seq = 7", "INSERT INTO numbers VALUES (1007)"); err != nil {
			t.Fatal(err)
		}
		caughtUp(ctx, t, b, client)

		right := "changed 0, lost 0, extra 0: "
		want := map[string]string{"numbers": "changed 0, lost 1, extra 1: rows"}
		if flavor == mysqltest.MariaDB {
			maps.Copy(want, map[string]string{
				"child": "changed 1, lost 0, extra 2: rows", "grandchild": "changed 0, lost 0, extra 2: rows",
				"orphan": "changed 2, lost 0, extra 0: rows", "bare": "changed 0, lost 0, extra 2: copied",
			})
		}
		for _, one := range checked(ctx, t, s).Results {
			expected := want[one.Table]
			if expected == "" {
				expected = right
			}
			r := one.Report
			if got := fmt.Sprintf("changed %d, lost %d, extra %d: %s", r.Changed, r.Lost, r.Extra, r.Mending); got != expected {
				t.Errorf("%s: %s, want %s (%+v)", one.Table, got, expected, r.Findings)
			}
		}
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("%s differs after it was mended: %+v", one.Table, one.Report)
			}
		}
		stop()
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
	})
}
