package duck_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// seen is a result as a reader sees it: its columns, and a value of each. There are no columns when the statement fails.
func seen(t *testing.T, stmt *duck.Stmt, stream bool, args ...any) (columns, rest string) {
	t.Helper()
	run := stmt.Query
	if stream {
		run = stmt.Stream
	}
	res, err := run(t.Context(), args...)
	if err != nil {
		return "", err.Error()
	}
	defer res.Close()
	var out strings.Builder
	for _, c := range res.Columns() {
		fmt.Fprintf(&out, "%s %s %+v, ", c.Name, c.Type, *c.Type)
	}
	columns = out.String()
	out.Reset()
	chunk, err := res.Next()
	if err != nil || chunk == nil {
		return columns, fmt.Sprint("no rows, ", err)
	}
	for i, c := range res.Columns() {
		v := chunk.Column(i)
		switch {
		case v.Null(0):
			out.WriteString("null ")
		case c.Type.ID == duck.Varchar:
			fmt.Fprintf(&out, "%s ", v.Bytes(0))
		case c.Type.ID == duck.BigInt:
			fmt.Fprintf(&out, "%d ", duck.Slice[int64](v)[0])
		}
	}
	return columns, out.String()
}

// A statement that is run again tells what a new one would: the types of its columns may be others each time, by its parameters or because
// the table has changed. What its caller keeps with it is gone whenever they are.
func TestStatementThatRunsAgain(t *testing.T) {
	_, conn := open(t, "", duck.Options{Threads: 2, Lend: true})
	exec1(t, conn, "CREATE TABLE t (a INTEGER, b VARCHAR); INSERT INTO t VALUES (1, '1')")
	for _, sql := range []string{
		"SELECT ? AS x", "SELECT ? AS x, 'y' AS \"ü\", 1.5 AS d, [1] AS l", "SELECT coalesce(?, NULL) AS x WHERE false", "SELECT 1/0 AS n, ?::VARCHAR::JSON AS j",
		"SELECT *, ? IS NULL AS x FROM t", "SELECT {'a': ?} AS s, ?1 AS x", "SELECT error('no') WHERE ? IS NOT NULL",
	} {
		stmt, err := conn.Prepare(sql)
		if err != nil {
			t.Fatal(err)
		}
		before := ""
		for n, arg := range []any{int64(1), int64(2), "3", "4", 5.5, nil, nil, true, []any{int64(1)}, []any{"x"}, "7", int64(8), int64(9), uint64(1 << 63), []byte("a")} {
			switch n {
			case 3:
				exec1(t, conn, "ALTER TABLE t ALTER a TYPE DECIMAL(12,2)")
			case 6:
				exec1(t, conn, "ALTER TABLE t ALTER a TYPE DECIMAL(12,3)")
			case 7:
				exec1(t, conn, "ALTER TABLE t ALTER b TYPE JSON")
			case 11:
				exec1(t, conn, "ALTER TABLE t RENAME b TO c")
			case 13:
				exec1(t, conn, "ALTER TABLE t DROP c")
			}
			fresh, err := conn.Prepare(sql)
			if err != nil {
				t.Fatal(err)
			}
			wantColumns, want := seen(t, fresh, n%2 == 0, arg)
			fresh.Close()
			columns, got := seen(t, stmt, n%2 == 0, arg)
			if columns != wantColumns || got != want {
				t.Errorf("%s, run %d with %v: %s %s, a new statement tells %s %s", sql, n, arg, columns, got, wantColumns, want)
			}
			if columns == "" {
				continue
			}
			if stmt.Kept != nil && columns != before {
				t.Errorf("%s, run %d: something is kept for other columns", sql, n)
			}
			stmt.Kept, before = n, columns
		}
		stmt.Close()
		exec1(t, conn, "DROP TABLE t; CREATE TABLE t (a INTEGER, b VARCHAR); INSERT INTO t VALUES (1, '1')")
	}
}

// What is kept stays when the columns are the same.
func TestKeptIsKept(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	stmt, err := conn.Prepare("SELECT ? AS a, 'x' AS b, 1.5 AS c, '{}'::JSON AS d, DATE '2025-01-01' AS e")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	seen(t, stmt, true, int64(1))
	stmt.Kept = "kept"
	seen(t, stmt, true, int64(2))
	if stmt.Kept != "kept" {
		t.Errorf("kept: %v", stmt.Kept)
	}
}

// Results that are open at the same time do not touch each other, whatever order they are closed in.
func TestResultsOpenTogether(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	stmt, err := conn.Prepare("SELECT i, i::VARCHAR AS s FROM range(?::BIGINT, 5000) t(i)")
	if err != nil {
		t.Fatal(err)
	}
	var whole []*duck.Result
	for from := range 3 {
		res, err := stmt.Query(t.Context(), int64(from))
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, res)
		seen(t, stmt, true, int64(100))
	}
	stmt.Close()
	for i, from := range []int{1, 0, 2} {
		res := whole[from]
		n := 0
		for {
			chunk, err := res.Next()
			if err != nil {
				t.Fatal(err)
			}
			if chunk == nil {
				break
			}
			if n == 0 && (duck.Slice[int64](chunk.Column(0))[0] != int64(from) || string(chunk.Column(1).Bytes(0)) != fmt.Sprint(from)) {
				t.Errorf("result %d begins with %d", i, duck.Slice[int64](chunk.Column(0))[0])
			}
			n += chunk.Rows()
		}
		if n != 5000-from {
			t.Errorf("result from %d has %d rows", from, n)
		}
		res.Close()
		res.Close()
	}
}
