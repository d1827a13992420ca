package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// Readers keep the columns and tables that the source drops, through crashes of the loader, through comparisons and through copies of the
// whole table; and lose them to new ones of their names.
func TestDroppedColumnsAndTablesAreKept(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		exec := func(statements ...string) {
			t.Helper()
			if err := server.Exec(ctx, append([]string{"USE kept"}, statements...)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := server.Exec(ctx, "CREATE DATABASE kept"); err != nil {
			t.Fatal(err)
		}
		exec("CREATE TABLE item (id INT PRIMARY KEY, price DECIMAL(10,2) NOT NULL DEFAULT 9.50, name VARCHAR(20))", "INSERT INTO item VALUES (1, 1.50, 'a'), (2, 2.50, 'b'), (3, 3.50, 'c')",
			"CREATE TABLE bag (n INT, colour VARCHAR(9))", "INSERT INTO bag VALUES (1, 'red'), (1, 'blue')",
			"CREATE TABLE lost (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO lost VALUES (1, 'old')",
			"CREATE TABLE away (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO away VALUES (1, 'here')", "CREATE DATABASE elsewhere")
		s := newStack(t, server.URL("kept"), "DDL_DESTRUCTIVE=keep")
		start(ctx, t, s)
		client := connect(ctx, t, s)
		see := func(sql, want string) {
			t.Helper()
			eventually(ctx, t, sql+" to give "+want, func() error {
				got, err := duckling.Get[string](ctx, client, "SELECT coalesce(string_agg(r, '; ' ORDER BY r), '') FROM ("+sql+")")
				if err == nil && got != want {
					err = fmt.Errorf("it gives %s", got)
				}
				return err
			})
		}
		crash := func() {
			t.Helper()
			if err := s.Loader.Kill(); err != nil {
				t.Fatal(err)
			}
			start(ctx, t, s)
		}
		const items = "SELECT concat_ws(' ', id, coalesce(price::VARCHAR, '-'), name) AS r FROM item"
		see(items, "1 1.50 a; 2 2.50 b; 3 3.50 c")
		see("SELECT concat_ws(' ', n, colour) AS r FROM bag", "1 blue; 1 red")
		see("SELECT concat_ws(' ', id, v) AS r FROM lost", "1 old")

		exec("ALTER TABLE item DROP COLUMN price", "INSERT INTO item VALUES (4, 'd')")
		crash() // wherever it is by now
		exec("UPDATE item SET name = 'B' WHERE id = 2", "ALTER TABLE bag DROP COLUMN colour", "DELETE FROM item WHERE id = 3", "INSERT INTO item VALUES (3, 'again')")
		crash()
		see(items, "1 1.50 a; 2 2.50 B; 3 - again; 4 - d")
		see("SELECT concat_ws(' ', n, colour) AS r FROM bag", "1 blue; 1 red")
		for _, want := range []struct{ table, kept string }{{"item", "price"}, {"bag", "colour"}} {
			if kept := statusOf(ctx, t, s, want.table).Kept; !slices.Equal(kept, []string{want.kept}) {
				t.Errorf("of %s %q are said to be kept, not %s", want.table, kept, want.kept)
			}
		}
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("%s differs: %+v", one.Table, one.Report)
			}
		}

		for _, table := range []string{"item", "bag"} {
			eventually(ctx, t, "a copy to be asked for", func() error { return ask(ctx, s, http.MethodPost, "/sync/table/"+table, &struct{}{}) })
			crash()
			eventually(ctx, t, table+" to be copied", func() error {
				if strings.Count(s.Ingest.Tail(), `msg="table copied"`) < map[string]int{"item": 4, "bag": 5}[table] {
					return fmt.Errorf("ingest says\n%s", s.Ingest.Tail())
				}
				return nil
			})
		}
		exec("INSERT INTO item VALUES (5, 'e')", "INSERT INTO bag VALUES (2)")
		see(items, "1 1.50 a; 2 2.50 B; 3 - again; 4 - d; 5 - e")
		see("SELECT concat_ws(' ', n, coalesce(colour, '-')) AS r FROM bag", "1 -; 1 -; 2 -") // no key tells which was which

		exec("ALTER TABLE item MODIFY COLUMN id BIGINT, ADD COLUMN extra INT, DROP COLUMN name", "INSERT INTO item VALUES (6, 60)")
		see("SELECT concat_ws(' ', id, coalesce(price::VARCHAR, '-'), coalesce(name, '-'), coalesce(extra, 0)) AS r FROM item",
			"1 1.50 a 0; 2 2.50 B 0; 3 - again 0; 4 - d 0; 5 - e 0; 6 - - 60")
		exec("ALTER TABLE item ADD COLUMN price INT NOT NULL DEFAULT 3")
		crash()
		see("SELECT concat_ws(' ', id, price, typeof(price)) AS r FROM item", "1 3 INTEGER; 2 3 INTEGER; 3 3 INTEGER; 4 3 INTEGER; 5 3 INTEGER; 6 3 INTEGER")

		exec("DROP TABLE lost", "RENAME TABLE away TO elsewhere.away", "INSERT INTO item VALUES (7, 70, 3)")
		crash()
		see("SELECT id::VARCHAR AS r FROM item WHERE id = 7", "7")
		see("SELECT concat_ws(' ', id, v) AS r FROM lost", "1 old")
		if stale := statusOf(ctx, t, s, "lost").Stale; !strings.Contains(stale, "dropped at the source") {
			t.Errorf("a dropped table is stale because %q", stale)
		}
		see("SELECT concat_ws(' ', id, v) AS r FROM away", "1 here")
		if stale := statusOf(ctx, t, s, "away").Stale; !strings.Contains(stale, "renamed to `elsewhere`.`away`") {
			t.Errorf("a table that was renamed into another database is stale because %q", stale)
		}
		exec("UPDATE elsewhere.away SET v = 'back'", "RENAME TABLE elsewhere.away TO away")
		see("SELECT concat_ws(' ', id, v) AS r FROM away", "1 back")
		exec("CREATE TABLE lost (id INT PRIMARY KEY, w INT)", "INSERT INTO lost VALUES (2, 20)")
		see("SELECT concat_ws(' ', id, w) AS r FROM lost", "2 20")
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("%s differs: %+v", one.Table, one.Report)
			}
		}
	})
}

// keptStatus is what the loader says of a table, as far as it matters here.
type keptStatus struct {
	Name, Stale string
	Kept        []string
}

func statusOf(ctx context.Context, t *testing.T, s *stack.Stack, table string) (found keptStatus) {
	t.Helper()
	eventually(ctx, t, "the loader to tell of "+table, func() error {
		var status struct{ Tables []keptStatus }
		if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
			return err
		}
		i := slices.IndexFunc(status.Tables, func(k keptStatus) bool { return k.Name == table })
		if i < 0 {
			return fmt.Errorf("%s is not there", table)
		}
		found = status.Tables[i]
		return nil
	})
	return found
}
