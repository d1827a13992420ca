package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// shop serves the guide's tables.
func shop(t testing.TB) *gentest.Gateway {
	t.Helper()
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Shop()
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)
	return g
}

func ask(t testing.TB, g *gentest.Gateway, sql string, params ...any) (string, error) {
	t.Helper()
	snapshot, err := g.Queries.Snapshot("default")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	out, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: sql, Params: params, Dialect: dialect.Auto}, encode.Options{})
	return string(out), err
}

// The statements are the integration guide's own.
func TestGuide(t *testing.T) {
	g := shop(t)
	today := time.Now().UTC().Format(time.DateOnly)
	for _, c := range []struct {
		sql    string
		params []any
		want   string // the answer's start
	}{
		{sql: `
SELECT
u.id as userId,
u.name,
u.email,
COUNT(o.id) as totalOrders,
COALESCE(SUM(o.total), 0) as totalRevenue,
MAX(o.createdAt) as lastOrderDate
FROM User u
LEFT JOIN ` + "`Order`" + ` o ON u.id = o.userId
WHERE u.id = ?
GROUP BY u.id, u.name, u.email
`, params: []any{int64(9)}, want: `[{"userId":9,"name":"user 9","email":"user9@example.com","totalOrders":10,"totalRevenue":442.50,"lastOrderDate":"2025-01-25 12:00:00"}]`},
		{sql: `
SELECT
u.id as userId,
u.name,
u.email,
COUNT(o.id) as totalOrders,
SUM(o.total) as totalRevenue
FROM User u
JOIN ` + "`Order`" + ` o ON u.id = o.userId
GROUP BY u.id, u.name, u.email
ORDER BY totalRevenue DESC
LIMIT ?
`, params: []any{int64(1)}, want: `[{"userId":`},
		{sql: `SELECT
DATE_TRUNC('day', createdAt) as date,
COUNT(*) as orderCount,
SUM(total) as totalRevenue,
AVG(total) as avgOrderValue
FROM ` + "`Order`" + `
WHERE createdAt BETWEEN '2025-01-01' AND '2025-01-31'
GROUP BY date
ORDER BY date`, want: `[{"date":"2025-01-02 00:00:00","orderCount":34,`},
		{sql: `SELECT
DATE_TRUNC('day', o.createdAt) as date,
p.name as topProduct,
SUM(oi.quantity * oi.price) as topProductRevenue
FROM ` + "`Order`" + ` o
JOIN OrderItem oi ON o.id = oi.orderId
JOIN Product p ON oi.productId = p.id
WHERE o.createdAt BETWEEN '2025-01-01' AND '2025-01-31'
GROUP BY date, p.id, p.name
ORDER BY date, topProductRevenue DESC`, want: `[{"date":"2025-01-02 00:00:00","topProduct":"product `},
		{sql: `SELECT COUNT(*) as count FROM User`, want: `[{"count":100}]`},
		{sql: "SELECT COUNT(*) as count FROM `Order`", want: `[{"count":1000}]`},
		{sql: "SELECT COALESCE(SUM(total), 0) as sum FROM `Order`", want: `[{"sum":24750.00}]`},
		{sql: "SELECT COALESCE(AVG(total), 0) as avg FROM `Order`", want: `[{"avg":24.75}]`},
		{sql: "SELECT COUNT(*) as count FROM `Order`\nWHERE DATE(createdAt) = CURRENT_DATE", want: `[{"count":100}]`},
		{sql: "SELECT COALESCE(SUM(total), 0) as sum FROM `Order`\nWHERE DATE(createdAt) = CURRENT_DATE", want: `[{"sum":`},
		{sql: `SELECT * FROM User LIMIT 10`, want: `[{"id":1,"name":"user 1","email":"user1@example.com","createdAt":"2024-01-02 08:00:00"},`},
		{sql: `SELECT count(*) AS n FROM Order WHERE createdAt >= CURDATE()`, want: `[{"n":100}]`},
		{sql: `SELECT CURDATE() AS d`, want: `[{"d":"` + today + `"}]`},
		{sql: "SELECT id FROM default.User ORDER BY id LIMIT 5, 2 # page 3", want: `[{"id":6},{"id":7}]`},
	} {
		got, err := ask(t, g, c.sql, c.params...)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if !strings.HasPrefix(got, c.want) || !json.Valid([]byte(got)) {
			t.Errorf("%s\n got %.300s\nwant %s", c.sql, got, c.want)
		}
	}
}

func TestCatalogShowsNoBookkeeping(t *testing.T) {
	g := shop(t)
	for sql, want := range map[string]string{
		"SHOW TABLES": `[{"name":"Order"},{"name":"OrderItem"},{"name":"Product"},{"name":"User"}]`,
		"SELECT table_schema, table_name FROM information_schema.tables ORDER BY 2 LIMIT 1":          `[{"table_schema":"default","table_name":"Order"}]`,
		"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'Product'": `[{"column_name":"id","data_type":"INTEGER"},{"column_name":"name","data_type":"VARCHAR"},{"column_name":"price","data_type":"DECIMAL(10,2)"}]`,
		"SELECT count(*) AS n FROM information_schema.columns WHERE column_name = 'secret'":          `[{"n":0}]`,
		"SHOW DATABASES": `[{"database_name":"default"}]`,
		"SELECT column_name FROM (DESCRIBE Product) LIMIT 1":                         `[{"column_name":"id"}]`,
		`SELECT count(*) AS n FROM "default".main."Order", "default"."User" LIMIT 1`: `[{"n":100000}]`,
		"SELECT database() AS d": `[{"d":"default"}]`,
	} {
		if got, err := ask(t, g, sql); err != nil || got != want {
			t.Errorf("%s: got %s, %v", sql, got, err)
		}
	}
	for _, sql := range []string{"SELECT * FROM __duckling_shado", "SELECT secret FROM __duckling_shadow", "SELECT * FROM progress"} {
		if _, err := ask(t, g, sql); err == nil || strings.Contains(err.Error(), "Did you mean") && strings.Contains(err.Error(), "duckling") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

func TestErrorsHaveCodeAndPlace(t *testing.T) {
	g := shop(t)
	for _, c := range []struct {
		sql          string
		params       []any
		code         query.Code
		line, column int
	}{
		{sql: "SELECT 1 +", code: query.CodeSyntax, line: 1, column: 11},
		{sql: "SELECT `id`,\n nonsense FROM `User`", code: query.CodeUnknownName, line: 2, column: 2},
		{sql: "SELECT 1 # one\nFROM Order o, Nowhere n", code: query.CodeUnknownName, line: 2, column: 15},
		{sql: "SELECT `" + strings.Repeat("x", 300) + "` AS " + strings.Repeat("y", 300) + ", nope FROM User", code: query.CodeUnknownName, line: 1, column: 8},
		{sql: "SELECT '" + strings.Repeat("x", 300) + "' AS `" + strings.Repeat("y", 300) + "`, nope AS z, '" + strings.Repeat("w", 300) + "' FROM User", code: query.CodeUnknownName, line: 1, column: 618},
		{sql: "SELECT no_such_function(1)", code: query.CodeUnknownName, line: 1, column: 8},
		{sql: "SELECT * FROM no_such_function(1)", code: query.CodeUnknownName, line: 1, column: 15},
		{sql: "SELECT current_setting('threads'), 1", code: query.CodeNotAllowed, line: 1, column: 8},
		{sql: "SELECT 'x'::INTEGER + id FROM User", code: query.CodeInvalid},
		{sql: "SELECT 1; SELECT 2", code: query.CodeNotAllowed},
		{sql: "DROP TABLE User", code: query.CodeNotAllowed},
		{sql: "SELECT ?", code: query.CodeParams},
		{sql: "SELECT 1", params: []any{int64(1)}, code: query.CodeParams},
		{sql: "SELECT ?", params: []any{[]any{int64(1), "a"}}, code: query.CodeParams},
		{sql: "SELECT ?", params: []any{[]any{[]any{int64(1)}}}, code: query.CodeParams},
		{sql: "SELECT ?", params: []any{"\xff"}, code: query.CodeParams},
		{sql: "SELECT * FROM 'x.csv'", code: query.CodeNotAllowed},
		{sql: "SELECT 1::VARIANT AS v", code: query.CodeNotAllowed},
	} {
		_, err := ask(t, g, c.sql, c.params...)
		var e *query.Error
		if !errors.As(err, &e) || e.Code != c.code || c.line > 0 && (e.Line != c.line || e.Column != c.column) {
			t.Errorf("%.80s: got %#v", c.sql, err)
		} else if strings.Contains(e.Message, "LINE ") || strings.Contains(e.Message, "/tmp") {
			t.Errorf("%.80s: the text shows DuckDB's own SQL or a path: %s", c.sql, e.Message)
		}
	}
	if _, err := g.Queries.Snapshot("other"); err == nil || err.Error() != "Database 'other' not found. Available databases: default" {
		t.Errorf("got %v", err)
	}
}

func TestLimitsStopQueries(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Publish()
	limits := gentest.Limits
	limits.Rows, limits.Bytes, limits.Timeout = 5000, 100000, 300*time.Millisecond
	g := gentest.Serve(t, data, limits)
	g.Await(t, "default", 1)
	for sql, code := range map[string]query.Code{
		"SELECT * FROM range(5000)":                               "",
		"SELECT * FROM range(5001)":                               query.CodeTooLarge,
		"SELECT * FROM range(100000000000)":                       query.CodeTooLarge,
		"SELECT repeat('x', 200) FROM range(1000)":                query.CodeTooLarge,
		"SELECT count(*) FROM range(1000000000) a, range(1000) b": query.CodeTimeout,
	} {
		_, err := ask(t, g, sql)
		var e *query.Error
		if code == "" && err != nil || code != "" && (!errors.As(err, &e) || e.Code != code) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

// Half of the rows of every generation say its number, and an answer must hold nothing else: queries run
// without a failure while generations come and go.
func TestHotSwap(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Exec("CREATE TABLE t AS SELECT i, 0::BIGINT AS g FROM range(20000) r(i)")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var queries atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			var last uint64
			for ctx.Err() == nil {
				snapshot, err := g.Queries.Snapshot("default")
				if err != nil {
					t.Error(err)
					return
				}
				n := snapshot.Manifest().Generation
				statement := query.Statement{SQL: "SELECT min(g) AS low, max(g) AS high, count(*) AS n FROM t", Dialect: dialect.Auto}
				out, err := snapshot.AppendJSON(context.Background(), nil, statement, encode.Options{})
				snapshot.Release()
				var rows []struct {
					Low, High uint64
					N         int
				}
				if err != nil || json.Unmarshal(out, &rows) != nil {
					t.Errorf("generation %d: %s, %v", n, out, err)
					return
				}
				if rows[0].Low != n-1 || rows[0].High != n-1 || rows[0].N != 20000 || n < last {
					t.Errorf("generation %d after %d: %s", n, last, out)
					return
				}
				last = n
				queries.Add(1)
			}
		})
	}
	for range 60 {
		p.Exec("UPDATE t SET g = g + 1")
		n := p.Publish()
		g.Await(t, "default", n)
	}
	cancel()
	clients.Wait()
	if queries.Load() < 100 {
		t.Errorf("only %d queries ran", queries.Load())
	}
	gentest.Eventually(t, func() bool { return openGenerations(t, g) == 1 })
}

func openGenerations(t testing.TB, g *gentest.Gateway) float64 {
	t.Helper()
	families, err := g.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "duckling_gateway_open_generations" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("the metric is missing")
	return 0
}

// A long query finishes on the generation it began with.
func TestQueryKeepsItsGeneration(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Keep = 1
	p.Exec("CREATE TABLE t AS SELECT 1 AS g FROM range(500000)")
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "default", 1)
	snapshot, err := g.Queries.Snapshot("default")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	rows, err := snapshot.Query(context.Background(), query.Statement{SQL: "SELECT g FROM t"})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for range 5 {
		p.Exec("UPDATE t SET g = g + 1")
		g.Await(t, "default", p.Publish())
	}
	sum := 0
	for {
		chunk, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			break
		}
		sum += chunk.Rows()
	}
	if sum != 500000 {
		t.Errorf("got %d rows", sum)
	}
	if got, err := ask(t, g, "SELECT DISTINCT g FROM t"); err != nil || got != `[{"g":6}]` {
		t.Errorf("got %s, %v", got, err)
	}
}
