package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// What a client may rely on from any gateway, the same list as the TypeScript client's.
// It runs against the server at DUCKLING_CONTRACT_URL with the key in DUCKLING_CONTRACT_API_KEY, and
// against a scripted stand-in when no such server is named.

const endless = "SELECT COUNT(*) AS n FROM range(100000000) a, range(100000000) b WHERE a.range % 7 = b.range % 5"

func contractConfig(t *testing.T) duckling.Config {
	t.Helper()
	cfg := duckling.Config{URL: os.Getenv("DUCKLING_CONTRACT_URL"), APIKey: os.Getenv("DUCKLING_CONTRACT_API_KEY"), NoReconnect: true}
	if cfg.URL == "" {
		cfg.URL, cfg.APIKey = scripted.Start(t, standIn).URL, scripted.Key
	}
	return cfg
}

func TestContract(t *testing.T) {
	cfg := contractConfig(t)
	for name, check := range map[string]func(*testing.T, *duckling.Client){
		"query, params and backticks":       contractQuery,
		"values are exact":                  contractValues,
		"wrong statements have their codes": contractErrors,
		"a batch runs past a failure":       contractBatch,
		"a prepared statement":              contractPrepared,
		"a slow query holds nothing up":     contractCancel,
		"a stream gives every row once":     contractStream,
		"a stream that is left":             contractLeftStream,
		"a subscription":                    contractSubscription,
		"a result of 10 MB":                 contractLarge,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := duckling.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			check(t, c)
			if n, err := duckling.Get[int](t.Context(), c, "SELECT 1 AS n"); err != nil || n != 1 {
				t.Errorf("the connection did not survive: %d (%v)", n, err)
			}
		})
	}
	t.Run("a wrong key", func(t *testing.T) {
		wrong := cfg
		wrong.APIKey = "wrong"
		_, err := duckling.Open(t.Context(), wrong)
		if e := wantCode(t, err, duckling.CodeAuthInvalid); !strings.HasPrefix(e.Error(), "Invalid API key") {
			t.Errorf("the error is %v", e)
		}
	})
	t.Run("an unknown database", func(t *testing.T) {
		wrong := cfg
		wrong.Database = "no_such_database"
		_, err := duckling.Open(t.Context(), wrong)
		e := wantCode(t, err, duckling.CodeDatabaseNotFound)
		if !strings.HasPrefix(e.Error(), "Database 'no_such_database' not found. Available databases: ") || e.CloseCode != 1011 {
			t.Errorf("the error is %+v", e)
		}
	})
}

func contractQuery(t *testing.T, c *duckling.Client) {
	for _, sql := range []string{"SELECT 1 AS n", "SELECT 1 AS `n`"} {
		result, err := c.Query(t.Context(), sql)
		if err != nil || only(t, result) != 1 || result.Columns()[0].Name != "n" || result.Columns()[0].Type == "" {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var (
		a string
		b *string
		d bool
	)
	result, err := c.Query(t.Context(), "SELECT ? AS a, ? AS b, ? AS c", "x", nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Row(0).Scan(&a, &b, &d); err != nil || a != "x" || b != nil || !d {
		t.Fatalf("%q %v %v (%v)", a, b, d, err)
	}
}

func contractValues(t *testing.T, c *duckling.Client) {
	result, err := c.Query(t.Context(), "SELECT 9007199254740993 AS big, 5 AS small")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(result.JSON()); got != `[{"big":9007199254740993,"small":5}]` {
		t.Errorf("the rows are %s", got)
	}
	at, err := duckling.Get[string](t.Context(), c, "SELECT TIMESTAMP '2025-01-31 10:00:00.5' AS at")
	if err != nil || !strings.HasPrefix(at, "2025-01-31 10:00:00.5") {
		t.Errorf("the timestamp is %q (%v)", at, err)
	}
}

func contractErrors(t *testing.T, c *duckling.Client) {
	for sql, code := range map[string]duckling.Code{
		"SELEC 1":                       duckling.CodeSQLSyntax,
		"SELECT * FROM no_such_table":   duckling.CodeNotFound,
		"DROP TABLE t":                  duckling.CodeSQLForbidden,
		"SELECT CAST(? AS BIGINT) AS n": duckling.CodeSQLParams,
	} {
		_, err := c.Query(t.Context(), sql)
		if got := duckling.CodeOf(err); got != code {
			t.Errorf("%s: code %s, not %s (%v)", sql, got, code, err)
		}
	}
}

func contractBatch(t *testing.T, c *duckling.Client) {
	results, err := c.QueryBatch(t.Context(), duckling.Statement{SQL: "SELECT 1 AS n"}, duckling.Statement{SQL: "SELEC 1"},
		duckling.Statement{SQL: "SELECT CAST(? AS BIGINT) AS n", Args: []any{2}})
	var failed *duckling.BatchError
	if !errors.As(err, &failed) || failed.Index != 1 || duckling.CodeOf(err) != duckling.CodeSQLSyntax {
		t.Fatalf("the error is %v", err)
	}
	if only(t, results[0]) != 1 || results[1] != nil || only(t, results[2]) != 2 {
		t.Fatalf("results %v", results)
	}
	if a, b := results[0].Meta().Generation, results[2].Meta().Generation; a != b {
		t.Fatalf("one batch on generations %d and %d", a, b)
	}
}

func contractPrepared(t *testing.T, c *duckling.Client) {
	s, err := c.Prepare(t.Context(), "SELECT CAST(? AS BIGINT) AS n")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Parameters() != 1 || fmt.Sprint(s.Columns()) != "[{n BIGINT}]" {
		t.Fatalf("%d parameters, columns %v", s.Parameters(), s.Columns())
	}
	run(t, s, 1)
	run(t, s, 2)
}

func contractCancel(t *testing.T, c *duckling.Client) {
	ctx, cancel := context.WithCancel(t.Context())
	slow := make(chan error, 1)
	go func() {
		_, err := c.Query(ctx, endless)
		slow <- err
	}()
	if n, err := duckling.Get[int](t.Context(), c, "SELECT 1 AS n"); err != nil || n != 1 {
		t.Errorf("beside a slow query: %d (%v)", n, err)
	}
	cancel()
	if err := <-slow; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func contractStream(t *testing.T, c *duckling.Client) {
	rows, sum := 0, 0
	for row, err := range c.Stream(t.Context(), "SELECT range AS n FROM range(25000)") {
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := row.Scan(&n); err != nil {
			t.Fatal(err)
		}
		rows, sum = rows+1, sum+n
	}
	if rows != 25000 || sum != 24999*25000/2 {
		t.Fatalf("%d rows, sum %d", rows, sum)
	}
}

func contractLeftStream(t *testing.T, c *duckling.Client) {
	rows := 0
	for _, err := range c.Stream(t.Context(), "SELECT range AS n FROM range(1000000)") {
		if err != nil {
			t.Fatal(err)
		}
		if rows++; rows == 25 {
			break
		}
	}
}

func contractSubscription(t *testing.T, c *duckling.Client) {
	for u, err := range c.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT 1 AS n"}) {
		if err != nil || only(t, u.Result) != 1 {
			t.Fatal(err)
		}
		break
	}
}

func contractLarge(t *testing.T, c *duckling.Client) {
	all, err := duckling.Select[string](t.Context(), c, "SELECT repeat('x', 1000) AS s FROM range(10000)")
	if err != nil || len(all) != 10000 || len(all[9999]) != 1000 {
		t.Fatalf("%d rows (%v)", len(all), err)
	}
}
