package reader_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

func metric(t *testing.T, g *gentest.Gateway, name string) float64 {
	t.Helper()
	families, err := g.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// What was asked lately is prepared on the next generation before anyone can ask it there; what cannot be prepared any more stops nothing
// and is not tried again; and no more is kept than was said.
func TestStatementsArePreparedAhead(t *testing.T) {
	const ahead = "duckling_gateway_prepared_ahead_total"
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT 1 AS a; CREATE TABLE gone AS SELECT 2 AS b")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits) // which prepares 4 ahead
	g.Await(t, "default", 1)
	ask := func(sql, want string) {
		t.Helper()
		snapshot, err := g.Queries.Snapshot("default")
		if err != nil {
			t.Fatal(err)
		}
		defer snapshot.Release()
		got, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: sql, Dialect: dialect.Auto}, encode.Options{})
		if string(got) != want {
			t.Errorf("%s: got %s, %v", sql, got, err)
		}
	}
	ask("SELECT a FROM t", `[{"a":1}]`)
	ask("SELECT b FROM gone", `[{"b":2}]`)
	p.Exec("DROP TABLE gone; UPDATE t SET a = 7")
	g.Await(t, "default", p.Publish())
	if n := metric(t, g, ahead); n != 1 {
		t.Errorf("%v statements were prepared ahead; one of two can be", n)
	}
	ask("SELECT a FROM t", `[{"a":7}]`)
	ask("SELECT b FROM gone", ``)
	p.Exec("CREATE TABLE gone AS SELECT 3 AS b")
	g.Await(t, "default", p.Publish())
	if n := metric(t, g, ahead); n != 2 {
		t.Errorf("%v statements were prepared ahead; the one that failed is to be asked again first", n)
	}
	ask("SELECT b FROM gone", `[{"b":3}]`)
	for i := range 20 {
		ask(fmt.Sprintf("SELECT a + %d AS c FROM t", i), fmt.Sprintf(`[{"c":%d}]`, 7+i))
	}
	g.Await(t, "default", p.Publish())
	if n := metric(t, g, ahead); n != 2+4 {
		t.Errorf("%v statements were prepared ahead", n)
	}
}
