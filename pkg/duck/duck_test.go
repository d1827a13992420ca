package duck_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
)

// The test binary also is another process that opens a file.
func TestMain(m *testing.M) {
	path := os.Getenv("DUCKLING_TEST_OPEN")
	if path == "" {
		os.Exit(m.Run())
	}
	db, err := duck.Open(path, duck.Options{ReadOnly: os.Getenv("DUCKLING_TEST_READ_ONLY") != ""})
	if err != nil {
		fmt.Print(err)
		os.Exit(0)
	}
	db.Close()
	fmt.Print("opened")
	os.Exit(0)
}

func open(t *testing.T, path string, opts duck.Options) (*duck.DB, *duck.Conn) {
	t.Helper()
	db, err := duck.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return db, conn
}

func exec1(t *testing.T, conn *duck.Conn, sql string) {
	t.Helper()
	if err := conn.Exec(sql); err != nil {
		t.Fatal(err)
	}
}

// text runs a query of one VARCHAR and returns it.
func text(t *testing.T, conn *duck.Conn, sql string, args ...any) string {
	t.Helper()
	res, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil || chunk == nil {
		t.Fatalf("%s gave no row: %v", sql, err)
	}
	if chunk.Column(0).Null(0) {
		return "NULL"
	}
	return string(chunk.Column(0).Bytes(0))
}

func TestAnotherProcessIsLockedOutByType(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	open(t, path, duck.Options{})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DUCKLING_TEST_OPEN="+path)
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("(pid %d)", os.Getpid())) || !strings.Contains(string(out), path) {
		t.Fatalf("another process got %q, %v", out, err)
	}
}

func TestOpenFailures(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.duckdb")
	if _, err := duck.Open(missing, duck.Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file gave %v", err)
	}
	junk := filepath.Join(t.TempDir(), "junk.duckdb")
	if err := os.WriteFile(junk, []byte(strings.Repeat("junk", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *duck.Error
	if _, err := duck.Open(junk, duck.Options{}); !errors.As(err, &e) || !strings.Contains(err.Error(), junk) {
		t.Errorf("junk gave %v", err)
	}
	if _, err := duck.Open("", duck.Options{Config: []duck.Setting{{Name: "no_such_setting", Value: "1"}}}); err == nil {
		t.Error("an unknown setting was taken")
	}
}

// A path that is renamed over is opened as what it is now, though the file it was is still open.
func TestRenamedOverPathIsOpenedAnew(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a.duckdb"), filepath.Join(dir, "b.duckdb")
	for i, p := range []string{path, other} {
		db, err := duck.Open(p, duck.Options{})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := db.Connect()
		if err != nil {
			t.Fatal(err)
		}
		exec1(t, conn, fmt.Sprintf("CREATE TABLE t AS SELECT 'file %d' AS x; CHECKPOINT", i))
		conn.Close()
		db.Close()
	}
	_, first := open(t, path, duck.Options{ReadOnly: true})
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	_, second := open(t, path, duck.Options{ReadOnly: true})
	if a, b := text(t, first, "FROM t"), text(t, second, "FROM t"); a != "file 0" || b != "file 1" {
		t.Fatalf("the two say %q and %q", a, b)
	}
}

func TestParameters(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	at := time.Date(2025, 1, 31, 10, 0, 0, 123456000, time.UTC)
	for want, arg := range map[string]any{
		"NULL": nil, "true": true, "-5": -5, "18446744073709551615": ^uint64(0), "1.5": 1.5, "ä'\x00": "ä'\x00", `\xFF`: []byte{255},
		"2025-01-31 10:00:00.123456": at, "[1, 2]": []any{1, int64(2)}, "[a, NULL]": []any{"a", nil}, "[1.0, 2.5]": []any{1, 2.5}, "[]": []any{},
	} {
		if got := text(t, conn, "SELECT ?::VARCHAR", arg); got != want {
			t.Errorf("%v became %q", arg, got)
		}
	}
	var params *duck.ParamsError
	if err := conn.Run(t.Context(), "SELECT ?, ?", 1); !errors.As(err, &params) || params.Want != 2 || params.Got != 1 {
		t.Errorf("too few parameters gave %v", err)
	}
	for _, arg := range []any{struct{}{}, []any{1, "a"}, []any{[]any{1}}, "\x86", []any{"a", "\xff"}} {
		if err := conn.Run(t.Context(), "SELECT ?", arg); err == nil {
			t.Errorf("%v was taken", arg)
		}
	}
}

func TestStatements(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	for sql, want := range map[string]duck.StatementKind{
		"SELECT 1": duck.KindSelect, "FROM range(3)": duck.KindSelect, "EXPLAIN SELECT 1": duck.KindExplain, "CREATE TABLE t(x INT)": duck.KindOther,
	} {
		stmt, err := conn.Prepare(sql)
		if err != nil {
			t.Fatal(err)
		}
		if stmt.Kind() != want {
			t.Errorf("%s has kind %v", sql, stmt.Kind())
		}
		stmt.Close()
	}
	for _, sql := range []string{"", "-- nothing", "SELECT 1; SELECT 2"} {
		if _, err := conn.Prepare(sql); !errors.Is(err, duck.ErrNotOneStatement) {
			t.Errorf("%q gave %v", sql, err)
		}
	}
	_, err := conn.Prepare("SELECT *\nFROM nope")
	var e *duck.Error
	if !errors.As(err, &e) || e.Kind != "Catalog" {
		t.Fatalf("an unknown table gave %v", err)
	}
	if line, column, ok := e.Position(); !ok || line != 2 || column != 6 {
		t.Errorf("it points to %d:%d %v", line, column, ok)
	}
}

// A cancelled statement ends, its error is the context's, and the connection goes on.
func TestCancel(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		res, err := conn.Query(ctx, "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the statement gave %v, %v", res, err)
		}
		if got := text(t, conn, "SELECT 'alive'"); got != "alive" {
			t.Fatal(got)
		}
	}
}

// A result that streams comes chunk by chunk, and may be left early.
func TestStream(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	stmt, err := conn.Prepare("SELECT range FROM range(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	for _, limit := range []int64{1_000_000, 5000} {
		res, err := stmt.Stream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var next int64
		for next < limit {
			chunk, err := res.Next()
			if err != nil || chunk == nil {
				t.Fatalf("after %d rows: %v", next, err)
			}
			for _, v := range duck.Slice[int64](chunk.Column(0)) {
				if v != next {
					t.Fatalf("got %d for %d", v, next)
				}
				next++
			}
		}
		res.Close()
		res.Close()
	}
}

func TestTransaction(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	exec1(t, conn, "CREATE TABLE t(x INTEGER)")
	broken := errors.New("broken")
	if err := conn.Transaction(func() error {
		exec1(t, conn, "INSERT INTO t VALUES (1)")
		return broken
	}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if err := conn.Transaction(func() error { return conn.Exec("INSERT INTO t VALUES (2)") }); err != nil {
		t.Fatal(err)
	}
	if got := text(t, conn, "SELECT string_agg(x, ',') FROM t"); got != "2" {
		t.Fatalf("the table holds %s", got)
	}
	if n, err := conn.ExecCount("UPDATE t SET x = 3"); err != nil || n != 1 {
		t.Fatalf("%d rows changed, %v", n, err)
	}
}

func TestTypes(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	res, err := conn.Query(t.Context(), `SELECT 1::UTINYINT, 1::DECIMAL(12,2), '{}'::JSON, ['a'], {'a': 1, 'B c': DATE '2025-01-01'}, MAP {'k': 1.5},
		array_value(1, 2, 3), 'x'::ENUM('x', 'y'), union_value(n := 1), INTERVAL 1 DAY, NULL, now()`)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	want := []string{
		"UTINYINT", "DECIMAL(12,2)", "JSON", "VARCHAR[]", `STRUCT("a" INTEGER, "B c" DATE)`, "MAP(VARCHAR, DECIMAL(2,1))",
		"INTEGER[3]", "ENUM", `UNION("n" INTEGER)`, "INTERVAL", "INTEGER", "TIMESTAMP WITH TIME ZONE",
	}
	for i, c := range res.Columns() {
		if c.Type.String() != want[i] {
			t.Errorf("column %d is %s, wanted %s", i, c.Type, want[i])
		}
	}
}

// An appender fills columns from bytes as they travel, with nulls and strings of all lengths, over several chunks.
func TestAppender(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	exec1(t, conn, "CREATE TABLE t(i BIGINT, s VARCHAR, b VARCHAR, n VARCHAR, d INTERVAL)")
	for _, catalog := range []string{"", "temp"} {
		name := "t"
		if catalog == "temp" {
			name = "tt"
			exec1(t, conn, "CREATE TEMP TABLE tt AS FROM t LIMIT 0")
		}
		a, err := conn.NewAppender(catalog, "main", name)
		if err != nil {
			t.Fatal(err)
		}
		const rows = 5000
		for from := 0; from < rows; from += duck.ChunkRows {
			n := min(duck.ChunkRows, rows-from)
			numbers, micros := make([]byte, 8*n), make([]byte, 8*n)
			nulls := make([]byte, (n+7)/8)
			var values []byte
			for i := range n {
				numbers[8*i], numbers[8*i+1] = byte(from+i), byte((from+i)>>8)
				micros[8*i] = byte(i)
				values = append(values, strings.Repeat("x", (from+i)%30)...)
				if i%3 == 0 {
					nulls[i/8] |= 1 << (i % 8)
				}
			}
			a.Column(0).CopyFixed(0, 8, numbers)
			a.Borrow(values)
			at := 0
			for i := range n {
				size := (from + i) % 30
				a.Column(1).SetBytes(i, []byte(strings.Repeat("x", size)))
				a.Column(2).SetBorrowed(i, values[at:at+size])
				a.Column(3).SetBytes(i, []byte("set"))
				at += size
			}
			a.Column(3).SetNulls(nulls, n)
			a.Column(3).SetNull(1)
			a.Column(4).SetIntervals(0, micros)
			if err := a.Append(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		a.Close()
		got := text(t, conn, fmt.Sprintf(`SELECT concat_ws(' ', count(*), count(*) FILTER (s = repeat('x', (i %% 30)::INT)), count(*) FILTER (b = s),
			count(*) FILTER ((n IS NULL) = ((i %% 2048) %% 3 = 0 OR i %% 2048 = 1)), count(*) FILTER (d = to_microseconds((i %% 2048) %% 256)), count(DISTINCT i)) FROM %s`, name))
		if got != "5000 5000 5000 5000 5000 5000" {
			t.Fatalf("%s holds %s", name, got)
		}
	}
	if _, err := conn.NewAppender("", "main", "nope"); err == nil {
		t.Fatal("an appender opened on a table that does not exist")
	}
}

func TestQuoting(t *testing.T) {
	_, conn := open(t, "", duck.Options{})
	odd := `o'dd "name"` + "\n"
	exec1(t, conn, fmt.Sprintf("CREATE TABLE %s(%s VARCHAR); INSERT INTO %s VALUES (%s)", duck.Identifier(odd), duck.Identifier(odd), duck.Identifier(odd), duck.Literal(odd)))
	if got := text(t, conn, fmt.Sprintf("SELECT %s FROM %s", duck.Identifier(odd), duck.Identifier(odd))); got != odd {
		t.Fatalf("got %q", got)
	}
}
