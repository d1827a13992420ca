package e2e

import (
	"context"
	"fmt"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Source and DuckDB agree about dates that no calendar has, whatever is made of them, and a comparison tells one that is wrong.
func TestComparisonsAgreeUnderEachRuleForDates(t *testing.T) {
	server := mysqltest.ForTest(t, mysqltest.MySQL)
	for _, rule := range []struct{ name, zero, partial, seen, wrong string }{
		{"null", "0000-00-00", "2024-00-10 01:02:03.5", "nothing", "DATE '2024-01-01'"},
		{"text", "0000-00-00", "2024-00-10 01:02:03.5", "0000-00-00 2024-00-10 01:02:03.500", "NULL"},
		{"refuse", "2024-02-29", "2024-12-31 01:02:03.5", "2024-02-29 2024-12-31 01:02:03.5", "DATE '2024-03-01'"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			ctx := t.Context()
			schema := "dates_" + rule.name
			insert := func(ids string) string {
				return fmt.Sprintf("INSERT INTO dated SELECT id, '%s', '%s', '2024-07-01 12:00:00.25' FROM (SELECT %s) AS ids", rule.zero, rule.partial, ids)
			}
			dated := []string{"USE " + schema, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'"}
			exec := func(statements ...string) {
				t.Helper()
				if err := server.Exec(ctx, append(dated, statements...)...); err != nil {
					t.Fatal(err)
				}
			}
			if err := server.Exec(ctx, "CREATE DATABASE "+schema); err != nil {
				t.Fatal(err)
			}
			exec("CREATE TABLE dated (id INT PRIMARY KEY, d DATE, dt DATETIME(3), ts TIMESTAMP(2) NULL)", insert("1 AS id UNION SELECT 2"))
			s := newStack(t, server.URL(schema), "ZERO_DATES="+rule.name)
			start(ctx, t, s)
			client := connect(ctx, t, s)
			arrived(ctx, t, client, 2)
			exec(insert("3 AS id UNION SELECT 4"), "UPDATE dated SET ts = NULL WHERE id IN (2, 3)")
			arrived(ctx, t, client, 4)
			eventually(ctx, t, "the copied row and the streamed one to be the same", func() error {
				got, err := duckling.Get[string](ctx, client, "SELECT string_agg(DISTINCT coalesce(d || ' ' || dt, 'nothing')) FROM dated")
				if err == nil && got != rule.seen {
					err = fmt.Errorf("they are %q and not %q", got, rule.seen)
				}
				return err
			})
			for _, one := range checked(ctx, t, s).Results {
				if one.Report.Differing != 0 {
					t.Errorf("%s differs: %+v", one.Table, one.Report)
				}
			}
			corrupt(ctx, t, s, "UPDATE dated SET d = "+rule.wrong+" WHERE id = 3")
			start(ctx, t, s)
			for _, changed := range []int64{1, 0} {
				for _, one := range checked(ctx, t, s).Results {
					if one.Report.Changed != changed || one.Report.Differing != changed {
						t.Errorf("%s has %d rows that are wrong, want %d: %+v", one.Table, one.Report.Changed, changed, one.Report)
					}
				}
			}
		})
	}
}

// arrived waits until that many rows of dated can be read.
func arrived(ctx context.Context, t *testing.T, client *duckling.Client, rows int) {
	t.Helper()
	eventually(ctx, t, fmt.Sprintf("%d rows to arrive", rows), func() error {
		n, err := duckling.Get[int](ctx, client, "SELECT COUNT(*) FROM dated")
		if err == nil && n != rows {
			err = fmt.Errorf("%d rows", n)
		}
		return err
	})
}
