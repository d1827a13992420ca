package query_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// fatal is a statement, which the sandbox refuses, that makes DuckDB give up its instance.
const fatal = "SELECT percent_rank(ORDER BY i) OVER (ORDER BY i GROUPS BETWEEN 5 PRECEDING AND 5 PRECEDING) AS x FROM range(3) r(i)"

// A fault of DuckDB's own costs the statement that came upon it, and nobody else: its instance, which takes no statement any more, is another one's place at once.
func TestDuckDBFailsInAStatement(t *testing.T) {
	g := serve(t, func(*query.Limits) {})
	query.Trust(g.Queries, "default", fatal)
	var done atomic.Bool
	var others sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		others.Go(func() {
			for !done.Load() {
				got, err := ask(t, g, "SELECT count(*) AS n FROM t")
				// One that was being read when its engine failed is to be asked again.
				if code(err) != query.CodeNotReady && (err != nil || got != `[{"n":1000}]`) {
					t.Errorf("beside it: %s, %v", got, err)
					return
				}
				if err == nil {
					answers.Add(1)
				}
			}
		})
	}
	const times = 5
	for i := range times {
		before := answers.Load()
		gentest.Eventually(t, func() bool { return answers.Load() > before+4 })
		_, err := ask(t, g, fatal)
		if code(err) != query.CodeInternal || !strings.Contains(err.Error(), "INTERNAL Error") || strings.Contains(err.Error(), "Stack") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("got %v: a DuckDB that does not fail here any more needs another statement in this test", err)
		}
		if got, err := ask(t, g, "SELECT sum(i) AS n FROM t"); err != nil || got != `[{"n":499500}]` {
			t.Errorf("after failure %d: %s, %v", i+1, got, err)
		}
	}
	done.Store(true)
	others.Wait()
	if n := metric(t, g, "duckling_gateway_retired_instances_total"); n != times {
		t.Errorf("%v instances were given up after %d failures", n, times)
	}
}

// Instances that were given up stay open, with their memory, until the next generation comes: then they are closed, and when it does not come the process ends.
func TestDuckDBFailsTimeAndAgain(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.MayEnd = func(err error) bool { return errors.Is(err, query.ErrWorn) }
	g.Await(t, "default", 1)
	query.Trust(g.Queries, "default", fatal)
	fail := func() {
		t.Helper()
		if _, err := ask(t, g, fatal); code(err) != query.CodeInternal {
			t.Fatalf("got %v", err)
		}
	}
	for range 10 {
		fail()
	}
	g.Await(t, "default", p.Publish())
	gentest.Eventually(t, func() bool { return openGenerations(t, g) == 1 })
	for range 16 {
		fail()
	}
	if err := <-g.Ended; !errors.Is(err, query.ErrWorn) {
		t.Errorf("got %v", err)
	}
}

// What is asked of one snapshot is answered from the same generation in its new instance, and told to be asked again when there is a newer one.
func TestSnapshotOutlivesItsInstance(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT 1 AS g")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)
	query.Trust(g.Queries, "default", fatal)
	snapshot, err := g.Queries.Snapshot("default")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	ask := func(sql string) (string, query.Code) {
		out, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: sql, Dialect: dialect.Auto}, encode.Options{})
		return string(out), code(err)
	}
	for range 2 {
		if _, code := ask(fatal); code != query.CodeInternal {
			t.Fatalf("got %s", code)
		}
		if out, code := ask("SELECT g FROM t"); out != `[{"g":1}]` {
			t.Errorf("the same snapshot: %s %s", out, code)
		}
	}
	p.Exec("UPDATE t SET g = 2")
	g.Await(t, "default", p.Publish())
	if out, code := ask("SELECT g FROM t"); code != query.CodeNotReady {
		t.Errorf("a snapshot that is not the newest any more: %s %s", out, code)
	}
}

// How deep DuckDB goes into a JSON value is bounded, whichever way a path gets there.
func TestDeepJSON(t *testing.T) {
	g := serve(t, func(*query.Limits) {})
	path := "$" + strings.Repeat("[*]", 60000)
	for _, v := range []any{path, []any{"$", path}} {
		if _, err := ask(t, g, "SELECT json_extract(repeat('[', 200000) || repeat(']', 200000), ?) AS x", v); code(err) != query.CodeParams {
			t.Errorf("a path as a parameter: %v", err)
		}
	}
	for sql, want := range map[string]string{
		"SELECT json_contains('[1,[2]]', '2') AS x":                                                 `[{"x":true}]`,
		"SELECT json_contains(j, 1) AS x FROM (SELECT '{\"a\":1}'::JSON AS j)":                      `[{"x":true}]`,
		"SELECT json_merge_patch('{\"a\":1}', '{\"b\":2}') AS x":                                    `[{"x":"{\"a\":1,\"b\":2}"}]`,
		"SELECT json_structure('[1]') AS x":                                                         `[{"x":"[\"UBIGINT\"]"}]`,
		"SELECT json_group_structure(j) AS x FROM (VALUES ('[1]'::JSON), ('[\"a\"]'::JSON)) t(j)":   `[{"x":"[\"JSON\"]"}]`,
		"SELECT from_json('{\"a\":1}', '{\"a\":\"INTEGER\"}') AS x":                                 `[{"x":{"a":1}}]`,
		"SELECT json_extract('[{\"a\":1},{\"a\":2}]', '$[*].a') AS x":                               `[{"x":["1","2"]}]`,
		"SELECT '{\"a\":{\"b\":1}}'::JSON ->> ('$.a' || '.b') AS x":                                 `[{"x":"1"}]`,
		"SELECT json_extract('{\"k\":1}', k) AS x FROM (SELECT 'k' AS k) t":                         `[{"x":"1"}]`,
		"SELECT json_contains(repeat('[', 5000) || repeat(']', 5000), '1') AS x":                    `[{"x":false}]`,
		"SELECT json_contains(repeat('[', 20000) || repeat(']', 20000), '1') AS x":                  "",
		"SELECT json_contains('1', repeat('[', 20000) || repeat(']', 20000)) AS x":                  "",
		"SELECT json_merge_patch('{}', repeat('{\"a\":', 20000) || '1' || repeat('}', 20000)) AS x": "",
		"SELECT json_structure(repeat('[', 20000) || repeat(']', 20000)) AS x":                      "",
		"SELECT json_group_structure((repeat('[', 20000) || repeat(']', 20000))::JSON) AS x":        "",
	} {
		got, err := ask(t, g, sql)
		if want != "" && got != want || want == "" && code(err) != query.CodeInvalid {
			t.Errorf("%s: got %s, %v", sql, got, err)
		}
	}
}
