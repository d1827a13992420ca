package companion

import (
	"context"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// What the sandbox lets through by Macros is what the file has, no more and no less.
func TestMacrosNamesWhatIsInTheFile(t *testing.T) {
	path, err := Write(t.TempDir())
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
	res, err := conn.Query(context.Background(), "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE NOT internal")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	defined := make(map[string]bool)
	for {
		chunk, err := res.Next()
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows() {
			defined[string(chunk.Column(0).Bytes(i))] = true
		}
	}
	named := make(map[string]bool)
	for _, name := range Macros() {
		named[name] = true
		if !defined[name] {
			t.Errorf("%q is named and not defined", name)
		}
	}
	for name := range defined {
		if !named[name] {
			t.Errorf("%q is defined and not named", name)
		}
	}
	// A macro that hides a function of DuckDB from those who call it by its bare name would change what their SQL means.
	res, err = conn.Query(context.Background(), `SELECT string_agg(DISTINCT a.function_name, ' ' ORDER BY a.function_name) FROM duckdb_functions() a JOIN duckdb_functions() b ON lower(a.function_name) = lower(b.function_name)
		WHERE NOT a.internal AND a.schema_name = 'main' AND b.internal`)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		t.Fatal(err)
	}
	// Those of JSON do so to keep DuckDB from values that end the process, and give what it gives else.
	if hidden := string(chunk.Column(0).Bytes(0)); hidden != "json_contains json_group_structure json_merge_patch json_structure" {
		t.Errorf("macros on the search path hide functions of DuckDB: %s", hidden)
	}
}
