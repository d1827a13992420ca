package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/oracle"
	"github.com/chittihq/duckling/testkit/stack"
)

// odd are names that are words of SQL, hold what quoting must mind, or are the loader's own.
var odd = []string{
	"select", "table", `a.b"c'd`, "back`tick", "日本 ü", "__duckling_shadow_1", "percent%d", "semi;colon--", "temp", "main",
}

func backticked(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// Tables and columns may have any name, whether they come by a copy or by the stream; they are followed, altered, compared, renamed and dropped.
func TestOddNames(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, 41)
		exec := func(format string, args ...any) {
			t.Helper()
			sql := fmt.Sprintf(format, args...)
			if err := b.exec(ctx, strings.ReplaceAll(sql, "\x00", "%")); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		make := func(name string) {
			t.Helper()
			quoted := strings.ReplaceAll(backticked(name), "%", "\x00")
			exec("CREATE TABLE %s (`ro.w\"i'd` INT PRIMARY KEY, `order` VARCHAR(20) DEFAULT 'it''s', `ü日` INT COMMENT 'a \"comment\" it''s', `%s` INT) COMMENT 'it''s \"odd\"'", quoted, strings.Trim(quoted, "`")+"x")
			exec("INSERT INTO %s VALUES (1, 'a', 1, 1), (2, NULL, NULL, NULL), (3, 'c', 3, 3)", quoted)
		}
		for i, name := range odd {
			if i%2 == 0 {
				make(name)
			}
		}
		make("CASE")
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		for i, name := range odd {
			if i%2 == 1 {
				make(name)
			}
		}
		make("case")
		for _, name := range append([]string{"CASE", "case"}, odd...) {
			quoted := strings.ReplaceAll(backticked(name), "%", "\x00")
			exec("UPDATE %s SET `ü日` = `ü日` + 10 WHERE `ro.w\"i'd` < 3", quoted)
			exec("DELETE FROM %s WHERE `ro.w\"i'd` = 3", quoted)
		}
		caughtUp(ctx, t, b, client)
		same := func() {
			t.Helper()
			eventually(ctx, t, "the tables with odd names", func() error {
				return oracle.Compare(ctx, b.db, named{oracle.Newest{Dir: s.Generations()}}, "none")
			})
		}
		same()
		before := rowsCopied(ctx, t, s)
		for _, name := range append([]string{"CASE", "case"}, odd...) {
			quoted := strings.ReplaceAll(backticked(name), "%", "\x00")
			exec("ALTER TABLE %s ADD COLUMN `new \"one\"` INT NOT NULL DEFAULT 4, DROP COLUMN `order`", quoted)
			caughtUp(ctx, t, b, client)
		}
		same()
		if after := rowsCopied(ctx, t, s); after != before {
			t.Errorf("%d rows were copied for changes that can be followed", after-before)
		}
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("%s differs: %+v", one.Table, one.Report)
			}
		}
		for _, name := range append([]string{"CASE"}, odd...) {
			quoted := strings.ReplaceAll(backticked(name), "%", "\x00")
			exec("RENAME TABLE %s TO `moved`", quoted)
			exec("INSERT INTO moved VALUES (9, 9, 9, 9)")
			caughtUp(ctx, t, b, client)
			n, err := duckling.Get[int](ctx, client, "SELECT count(*) FROM moved")
			if err != nil || n != 3 {
				t.Errorf("%s has %d rows under its new name, %v", name, n, err)
			}
			exec("RENAME TABLE `moved` TO %s", quoted)
		}
		caughtUp(ctx, t, b, client)
		same()
		for _, name := range append([]string{"CASE"}, odd...) {
			exec("DROP TABLE %s", strings.ReplaceAll(backticked(name), "%", "\x00"))
		}
		caughtUp(ctx, t, b, client)
		// The one that had to take another name still has it: names of tables that readers know do not change by themselves.
		same()
		var names []string
		if err := ask(ctx, s, http.MethodGet, "/api/tables", &names); err != nil || len(names) != len(bankTables)+1 {
			t.Errorf("after tables were dropped there are %q, %v", names, err)
		}
	})
}

// named reads tables by the names that the loader gave those which differ from another only by case, or are reserved.
type named struct{ oracle.Reader }

func (n named) Read(ctx context.Context, query string) ([][]*string, error) {
	query = strings.ReplaceAll(query, `FROM "case"`, `FROM "case__2"`)
	query = strings.ReplaceAll(query, `FROM "__duckling_shadow_1"`, `FROM "source__duckling_shadow_1__2"`)
	return n.Reader.Read(ctx, query)
}

// What a table becomes at the source it becomes in DuckDB, also where that takes a copy.
func TestColumnsFollowEveryKindOfChange(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, 42)
		for _, sql := range []string{
			"CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(20) COMMENT 'what it is called', price DECIMAL(8,2), stock INT, made DATE) COMMENT 'things'",
			"INSERT INTO item VALUES (1, 'a', 1.50, 3, '2025-01-31'), (2, NULL, NULL, NULL, NULL)",
		} {
			if err := b.exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		id := 2
		for _, change := range []string{
			"ALTER TABLE item ADD COLUMN colour VARCHAR(10) NOT NULL DEFAULT 'red' AFTER id, ADD COLUMN weight DOUBLE DEFAULT 2.5 FIRST",
			"ALTER TABLE item COMMENT = 'things ''for sale'''", "ALTER TABLE item MODIFY name VARCHAR(20) COMMENT 'its \"name\"'", "ALTER TABLE item MODIFY name VARCHAR(20)",
			"ALTER TABLE item MODIFY made DATE FIRST, MODIFY stock INT AFTER made", "ALTER TABLE item RENAME COLUMN stock TO Stock",
			"ALTER TABLE item RENAME COLUMN price TO cost", "ALTER TABLE item CHANGE cost cost DECIMAL(12,4)", "ALTER TABLE item MODIFY made DATETIME(3)",
			"ALTER TABLE item DROP COLUMN colour", "ALTER TABLE item ADD COLUMN colour INT NOT NULL DEFAULT 7", "ALTER TABLE item DROP PRIMARY KEY, ADD PRIMARY KEY (id, colour)",
			"ALTER TABLE item DROP PRIMARY KEY", "ALTER TABLE item ADD PRIMARY KEY (id)", "ALTER TABLE item CONVERT TO CHARACTER SET latin1",
			"ALTER TABLE item ADD COLUMN `Id2` INT, ADD COLUMN `rowid` INT DEFAULT 3", "ALTER TABLE item DROP COLUMN rowid, ADD COLUMN t TIMESTAMP NULL DEFAULT '2025-01-01 00:00:00'",
		} {
			if err := b.exec(ctx, change); err != nil {
				t.Fatalf("%s: %v", change, err)
			}
			id++
			if err := b.exec(ctx, "INSERT INTO item (id, name) VALUES (?, 'new')", id); err != nil {
				t.Fatal(err)
			}
			if err := b.exec(ctx, "UPDATE item SET name = CONCAT(name, '+') WHERE id = ?", id-1); err != nil {
				t.Fatal(err)
			}
			caughtUp(ctx, t, b, client)
			eventually(ctx, t, "rows after "+change, func() error { return equal(ctx, b, s) })
			eventually(ctx, t, "comments after "+change, func() error { return sameComments(ctx, b, s, client) })
		}
	})
}

// sameComments compares the comments of item and its columns.
func sameComments(ctx context.Context, b *bank, s *stack.Stack, client *duckling.Client) error {
	const columns = "SELECT %s FROM (SELECT column_name, column_comment FROM information_schema.columns WHERE table_name = 'item' AND table_schema = %s) AS c"
	var want string
	err := b.db.QueryRowContext(ctx, "SELECT CONCAT((SELECT table_comment FROM information_schema.tables WHERE table_name = 'item' AND table_schema = DATABASE()), '|', ("+
		fmt.Sprintf(columns, "GROUP_CONCAT(CONCAT(column_name, '=', column_comment) ORDER BY column_name SEPARATOR ',')", "DATABASE()")+"))").Scan(&want)
	if err != nil {
		return err
	}
	got, err := duckling.Get[string](ctx, client, "SELECT concat((SELECT table_comment FROM information_schema.tables WHERE table_name = 'item'), '|', ("+
		fmt.Sprintf(columns, "string_agg(concat(column_name, '=', column_comment), ',' ORDER BY lower(column_name))", "table_schema")+"))")
	if err == nil && got != want {
		err = fmt.Errorf("%s, and the source has %s", got, want)
	}
	return err
}
