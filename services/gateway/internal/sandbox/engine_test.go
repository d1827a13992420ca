package sandbox_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/companion"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
)

// No escape runs through the gateway either, in no dialect, and after all of them the engine serves as before.
func TestEscapesThroughTheGateway(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "shop")
	p.Exec(`CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE "t/u.csv" AS SELECT 2 AS a`)
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "shop", 1)
	snapshot, err := g.Queries.Snapshot("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	ask := func(sql string, mode dialect.Mode) (string, error) {
		out, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: sql, Dialect: mode}, encode.Options{})
		return string(out), err
	}
	// Names that DuckDB does not find, or finds as no table.
	nothing := []string{"FROM duckdb_secrets", "FROM (DESCRIBE duckdb_settings)", "SELECT * FROM duckdb_settings", "SHOW EXTENSIONS", "SHOW SECRETS", "FROM enable_logging",
		`FROM shop."x.csv"`, `FROM shop.main."/etc/passwd"`, `FROM shop."/etc/hostname"`, `FROM shop.main."*.json"`, `FROM main."x.parquet"`}
	for _, sql := range append(nothing, sandbox.Escapes...) {
		for _, mode := range []dialect.Mode{dialect.Auto, dialect.MySQL, dialect.DuckDB} {
			if ours[sql] || sql == "SELECT * FROM information_schema.schemata" || sql == "SELECT * FROM information_schema.tables t" || sql == "FROM information_schema.tables" {
				continue
			}
			out, err := ask(sql, mode)
			var e *query.Error
			if !errors.As(err, &e) {
				t.Errorf("%s (%s): got %.200s, %v", sql, mode, out, err)
			} else if strings.Contains(e.Message, "/tmp") || strings.Contains(e.Message, filepath.Base(data)) {
				t.Errorf("%s (%s): the error shows a path: %s", sql, mode, e.Message)
			}
		}
	}
	if out, err := ask(`SELECT a FROM shop."t/u.csv"`, dialect.Auto); err != nil || out != `[{"a":2}]` {
		t.Errorf("a table with the name of a file: got %s, %v", out, err)
	}
	if out, err := ask("SELECT a FROM t", dialect.Auto); err != nil || out != `[{"a":1}]` {
		t.Errorf("afterwards: got %s, %v", out, err)
	}
}

// ours are statements that the translator answers with views of the companion.
var ours = map[string]bool{"SHOW TABLES": true, "SHOW ALL TABLES": true, "SHOW DATABASES": true}

// The check does not look into macros, so no macro may do what its caller may not.
func TestMacrosDoNothingThatIsNotAllowed(t *testing.T) {
	path, err := companion.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	checker, err := sandbox.Open(companion.Macros())
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	res, err := conn.Query(context.Background(), "SELECT function_name, macro_definition FROM duckdb_functions() WHERE NOT internal")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	checked := 0
	for {
		chunk, err := res.Next()
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows() {
			name, body := string(chunk.Column(0).Bytes(i)), string(chunk.Column(1).Bytes(i))
			// Macros that take the place of a function of DuckDB's call it by its full name.
			if err := checker.Check("SELECT "+strings.ReplaceAll(body, `"system".main.`, ""), "shop"); err != nil {
				t.Errorf("%s AS %s: %v", name, body, err)
			}
			checked++
		}
	}
	if checked < 50 {
		t.Errorf("only %d macros were checked", checked)
	}
	refused := sandbox.Refused()
	for _, name := range companion.Macros() {
		if refused[name] {
			t.Errorf("the macro %s allows a function of DuckDB that the list refuses", name)
		}
	}
}
