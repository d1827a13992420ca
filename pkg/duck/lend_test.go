package duck_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// sums aggregates enough rows to take all threads, by many groups and in order.
const sums = "SELECT i % 1000 AS k, sum(i)::VARCHAR AS s FROM t GROUP BY k ORDER BY s, k"

const million = "CREATE TABLE t AS SELECT i FROM range(1000000) r(i)"

// lending makes a database whose statements run in their callers' threads, with a table of a million rows.
func lending(t *testing.T) (*duck.DB, *duck.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lent.duckdb")
	db, conn := open(t, path, duck.Options{})
	exec1(t, conn, million+"; CHECKPOINT")
	conn.Close()
	db.Close()
	return open(t, path, duck.Options{Threads: 4, Lend: true, ReadOnly: true})
}

// rows reads a streamed result whole.
func rows(conn *duck.Conn, sql string, args ...any) (string, error) {
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return "", err
	}
	defer stmt.Close()
	return stream(stmt, args...)
}

func stream(stmt *duck.Stmt, args ...any) (string, error) {
	res, err := stmt.Stream(context.Background(), args...)
	if err != nil {
		return "", err
	}
	defer res.Close()
	var out bytes.Buffer
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			return out.String(), err
		}
		for i := range chunk.Rows() {
			fmt.Fprintf(&out, "%d %s\n", duck.Slice[int64](chunk.Column(0))[i], chunk.Column(1).Bytes(i))
		}
	}
}

// crewTicks is the processor time of the threads that are lent, in the kernel's ticks.
func crewTicks(t *testing.T) (threads, ticks int) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		stat, err := os.ReadFile(filepath.Join("/proc/self/task", task.Name(), "stat"))
		if err != nil {
			continue // a thread that has just ended
		}
		name, rest, _ := strings.Cut(string(stat), ") ")
		if !strings.HasSuffix(name, "(duckling-crew") {
			continue
		}
		threads++
		for _, field := range strings.Fields(rest)[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			ticks += n
		}
	}
	return threads, ticks
}

// A long statement is helped, also one that is run for the first time.
func TestLentThreadsWork(t *testing.T) {
	_, conn := lending(t)
	if threads, _ := crewTicks(t); threads != 3 {
		t.Fatalf("%d threads are lent", threads)
	}
	for range 1000 {
		if _, err := rows(conn, sums); err != nil {
			t.Fatal(err)
		}
		if _, ticks := crewTicks(t); ticks > 1 {
			return
		}
	}
	t.Error("nobody helped")
}

// Many statements at the same time, short and long, all give what they give alone, and leave nothing behind that would keep the
// database from being closed.
func TestLentThreadsGiveTheSame(t *testing.T) {
	db, _ := lending(t)
	_, plain := open(t, "", duck.Options{Threads: 1})
	exec1(t, plain, million)
	statements := []string{sums, "SELECT 1::BIGINT, 'a'", "SELECT i, i::VARCHAR FROM t WHERE i % 10 = 0 ORDER BY i DESC", "SELECT i, 'x' FROM t WHERE i = 4711",
		"SELECT a.i, count(*)::VARCHAR FROM t a JOIN t b ON a.i = b.i // 2 WHERE a.i < 3000 GROUP BY a.i ORDER BY a.i"}
	want := make([]string, len(statements))
	for i, sql := range statements {
		var err error
		if want[i], err = rows(plain, sql); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			conn, err := db.Connect()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			stmts := make([]*duck.Stmt, len(statements))
			for i, sql := range statements {
				if stmts[i], err = conn.Prepare(sql); err != nil {
					t.Error(err)
					return
				}
				defer stmts[i].Close()
			}
			for n := range len(statements) {
				i := (worker + n) % len(statements)
				got, err := stream(stmts[i])
				if err != nil || got != want[i] {
					t.Errorf("%s: %v, %d bytes and not %d", statements[i], err, len(got), len(want[i]))
				}
			}
		})
	}
	group.Wait()
}

// Errors are told as DuckDB tells them, whether they come before, in or after the first task.
func TestLentThreadsFail(t *testing.T) {
	_, conn := lending(t)
	for sql, want := range map[string]string{
		"SELECT 1::BIGINT, ('x' || ?)::INTEGER::VARCHAR":                                                         "Could not convert string 'x1'",
		"SELECT i, (CASE WHEN i = 999999 THEN 'x' ELSE '1' END)::INTEGER::VARCHAR FROM t WHERE i > ? ORDER BY i": "Could not convert string 'x'",
		"SELECT sum(i)::BIGINT, error('no ' || max(i)) FROM t WHERE i > ?":                                       "no 999999",
	} {
		_, err := rows(conn, sql, 1)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pending") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got, err := rows(conn, "SELECT 1::BIGINT, 'a'"); got != "1 a\n" {
		t.Errorf("after the errors: %q, %v", got, err)
	}
}

// A statement that is helped can be stopped, and so can one whose rows are read.
func TestLentThreadsStop(t *testing.T) {
	_, conn := lending(t)
	stmt, err := conn.Prepare("SELECT sum(a.i + b.i)::BIGINT, 'x' FROM t a, t b")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	_, before := crewTicks(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for {
			if _, ticks := crewTicks(t); ticks > before+1 {
				cancel(nil)
				return
			}
		}
	}()
	if _, err := stmt.Stream(ctx); err != context.Canceled { //nolint:errorlint // it is to be the context's own
		t.Errorf("stopped: %v", err)
	}
	res, err := conn.Query(t.Context(), "SELECT 1")
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
}
