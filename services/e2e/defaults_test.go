package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/oracle"
	"github.com/chittihq/duckling/testkit/stack"
)

// constants are columns with defaults that are constants.
var constants = []string{
	"TINYINT NOT NULL DEFAULT -7", "TINYINT(1) DEFAULT TRUE", "SMALLINT UNSIGNED DEFAULT 65535", "MEDIUMINT DEFAULT -8388608",
	"INT UNSIGNED DEFAULT 42", "BIGINT DEFAULT -9223372036854775808", "BIGINT UNSIGNED DEFAULT 18446744073709551615",
	"YEAR DEFAULT 2024", "BIT(7) DEFAULT b'101'", "DECIMAL(10,2) DEFAULT 1.5", "DECIMAL(38,10) DEFAULT -1234567890123456789012345678.0123456789",
	"DECIMAL(60,2) DEFAULT 0.10", "FLOAT DEFAULT -1.5", "DOUBLE DEFAULT 1.25e-30", "DATE DEFAULT '2024-02-29'",
	"DATETIME DEFAULT '2024-02-29 10:00:00'", "DATETIME(3) DEFAULT '1969-12-31 23:59:59.9'", "TIME DEFAULT '-838:59:58'", "TIME(6) DEFAULT '00:00:00.000001'",
	"CHAR(10) NOT NULL DEFAULT 'it''s  '", `VARCHAR(40) DEFAULT 'a "b" \\ c\n; 日本 '`, "VARCHAR(10) NOT NULL DEFAULT ''", "VARCHAR(20) DEFAULT 'CURRENT_TIMESTAMP'",
	"VARCHAR(20) DEFAULT 'NULL'", "VARCHAR(20) CHARACTER SET latin1 DEFAULT 'Grüße'", "BINARY(4) DEFAULT 'ab'", "VARBINARY(10) DEFAULT 'x-1'",
	"ENUM('a','it''s') DEFAULT 'it''s'", "SET('a','b','c') DEFAULT 'a,c'",
}

// computed are columns whose defaults are none that can be carried.
var computed = []string{
	"INT", "DATETIME DEFAULT CURRENT_TIMESTAMP", "DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)", "VARCHAR(40) DEFAULT (UUID())",
	"VARCHAR(40) DEFAULT (CONCAT('a', 'b'))", "TIMESTAMP NULL DEFAULT '2024-02-29 10:00:00'", "INT AS (1 + 1)", "INT DEFAULT (1 + 1)",
}

func numbered(prefix string, columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = fmt.Sprintf("%s%d %s", prefix, i, c)
	}
	return strings.Join(out, ", ")
}

// A row that DuckDB makes of defaults alone is the one that the source makes. What changes about them at the source follows, and
// copies no table again.
func TestColumnDefaultsFollowTheSource(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, 31)
		create(ctx, t, b.db, "copied") // the one table comes by a copy, the other by the stream
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		create(ctx, t, b.db, "created")
		caughtUp(ctx, t, b, client)
		for _, table := range []string{"copied", "created"} {
			sameDefaults(ctx, t, b, s, table)
		}
		before := rowsCopied(ctx, t, s)
		for _, change := range []string{
			"ALTER TABLE copied ALTER COLUMN c1 SET DEFAULT 0, ALTER COLUMN c9 SET DEFAULT NULL", "ALTER TABLE copied ALTER COLUMN c20 SET DEFAULT 'other'",
			"ALTER TABLE copied ADD COLUMN added INT NOT NULL DEFAULT 5, ADD COLUMN late VARCHAR(9) DEFAULT 'old'", "ALTER TABLE copied ALTER COLUMN late SET DEFAULT 'new'",
			"ALTER TABLE copied DROP COLUMN c2, COMMENT = 'with ''defaults'''", "ALTER TABLE created ALTER COLUMN c0 SET DEFAULT 9",
		} {
			if err := b.exec(ctx, change); err != nil {
				t.Fatalf("%s: %v", change, err)
			}
			caughtUp(ctx, t, b, client)
		}
		for _, table := range []string{"copied", "created"} {
			sameDefaults(ctx, t, b, s, table)
		}
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
		if after := rowsCopied(ctx, t, s); after != before {
			t.Errorf("%d rows were copied again", after-before)
		}
		for column, want := range map[string]string{"added": "5", "late": "'new'"} {
			got, err := duckling.Get[string](ctx, client, "SELECT column_default FROM information_schema.columns WHERE table_name = 'copied' AND column_name = ?", column)
			if err != nil || got != want {
				t.Errorf("the gateway says that %s has the default %q, %v", column, got, err)
			}
		}
		if got, err := duckling.Get[string](ctx, client, "SELECT TABLE_COMMENT FROM information_schema.tables WHERE table_name = 'copied'"); err != nil || got != "with 'defaults'" {
			t.Errorf("the gateway gives the comment %q, %v", got, err)
		}
	})
}

func create(ctx context.Context, t *testing.T, db *sql.DB, table string) {
	t.Helper()
	for _, statement := range []string{
		fmt.Sprintf("CREATE TABLE %s (id INT PRIMARY KEY, %s, %s)", table, numbered("c", constants), numbered("x", computed)),
		fmt.Sprintf("INSERT INTO %s (id) VALUES (1)", table),
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// rowsCopied is how many rows of copies the loader has taken since it started.
func rowsCopied(ctx context.Context, t *testing.T, s *stack.Stack) (n int64) {
	t.Helper()
	var status struct{ CopiedRows int64 }
	if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
		t.Fatal(err)
	}
	return status.CopiedRows
}

// sameDefaults makes a row of defaults on either side, the replica's in a file of its own, and compares.
func sameDefaults(ctx context.Context, t *testing.T, b *bank, s *stack.Stack, table string) {
	t.Helper()
	writable := scratchGeneration(t, s)
	if err := writable.Exec(fmt.Sprintf("DELETE FROM %s; INSERT INTO %s (id) VALUES (1)", table, table)); err != nil {
		t.Fatal(err)
	}
	if err := b.exec(ctx, "DELETE FROM "+table); err != nil {
		t.Fatal(err)
	}
	if err := b.exec(ctx, fmt.Sprintf("INSERT INTO %s (id) VALUES (1)", table)); err != nil {
		t.Fatal(err)
	}
	without, err := oracle.ReadAll(ctx, writable, "SELECT column_name FROM duckdb_columns() WHERE table_name = '"+table+"' AND column_default IS NULL ORDER BY column_index")
	if err != nil {
		t.Fatal(err)
	}
	var plain []string
	for _, row := range without {
		plain = append(plain, *row[0])
	}
	var nulls []string
	for i := range computed {
		name := fmt.Sprint("x", i)
		if !slices.Contains(plain, name) {
			t.Errorf("%s, %s: a default was carried", table, computed[i])
		}
		if !strings.Contains(computed[i], " AS ") {
			nulls = append(nulls, name+" = NULL")
		}
	}
	nothing := fmt.Sprintf("UPDATE %s SET %s", table, strings.Join(nulls, ", "))
	if err := errors.Join(b.exec(ctx, nothing), writable.Exec(nothing)); err != nil {
		t.Fatal(err)
	}
	if err := writable.Exec(fmt.Sprintf("UPDATE %s SET x6 = 2", table)); err != nil { // what the source generates
		t.Fatal(err)
	}
	if err := oracle.CompareTable(ctx, b.db, onConn{writable}, table); err != nil {
		t.Error(err)
	}
}

type onConn struct{ *duck.Conn }

func (c onConn) Read(ctx context.Context, query string) ([][]*string, error) {
	return oracle.ReadAll(ctx, c.Conn, query)
}

// scratchGeneration opens a copy of the newest generation to write to.
func scratchGeneration(t *testing.T, s *stack.Stack) *duck.Conn {
	t.Helper()
	m, err := generation.Read(s.Generations())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(s.Generations(), m.File))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scratch.duckdb")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(path, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
