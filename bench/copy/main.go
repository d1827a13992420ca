// Command copy measures first copies, from the start of the services to the published tables, beside a bare
// streaming SELECT of the same tables in Go: of the demo's shop, and of one order table as it grows, with the memory that takes
// when DuckDB may keep all that it wrote, and when it may not.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/usage"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

// limits are settings of DUCKDB_MEMORY_LIMIT; empty is DuckDB's own.
var limits = []string{"", "64MB"}

func run(ctx context.Context) error {
	page := report.New("copy", "First copies, from the start of ingest, loader and gateway until the gateway answers from the copied tables. The floor is `SELECT *` of the same tables, one after the other, read and dropped by a Go client.")
	r, err := rig.New(ctx)
	if err != nil {
		return err
	}
	rows, err := measure(ctx, r, "the shop", []string{"User", "Product", "Order", "OrderItem"}, limits[:1])
	r.Close()
	if err != nil {
		return err
	}
	for _, millions := range []int{1, 5, 20} {
		r, err := rig.NewOrders(ctx, millions)
		if err != nil {
			return err
		}
		orders, err := measure(ctx, r, fmt.Sprintf("order table, 6 columns, %dM rows", millions), []string{"Order"}, limits)
		r.Close()
		if err != nil {
			return err
		}
		rows = append(rows, orders...)
	}
	page.Table([]string{"what", "`DUCKDB_MEMORY_LIMIT`", "rows", "seconds", "rows/s", "of the floor", "peak RSS MB of loader", "of it the file's cached blocks at most", "and ingest"}, rows...)
	page.Line("What grows with a copy is what DuckDB keeps of the blocks that it wrote, up to its limit, which is 80 %% of the machine unless `DUCKDB_MEMORY_LIMIT` says otherwise. " +
		"It gives them back when it needs the room. The cached blocks are the smaller of the file and the limit.")
	return page.Save()
}

// measure copies the tables, after the floor, to a new stack for each limit.
func measure(ctx context.Context, r *rig.Rig, what string, tables, limits []string) ([][]string, error) {
	floor, n, err := bareSelect(ctx, r.DB, tables)
	if err != nil {
		return nil, err
	}
	rate := func(d time.Duration) float64 { return float64(n) / d.Seconds() }
	rows := [][]string{{what + ": bare SELECT *", "", fmt.Sprint(n), fmt.Sprintf("%.1f", floor.Seconds()), fmt.Sprintf("%.0f", rate(floor)), "100 %", "", "", ""}}
	for _, limit := range limits {
		if err := r.Again(ctx, limit); err != nil {
			return nil, err
		}
		c, err := copied(ctx, r, tables, n)
		if err != nil {
			return nil, err
		}
		name, cached := "none", c.fileMB
		if limit != "" {
			most, err := strconv.Atoi(strings.TrimSuffix(limit, "MB"))
			if err != nil {
				return nil, err
			}
			name, cached = limit, min(cached, most)
		}
		rows = append(rows, []string{
			what + ": copy, start to visible", name, fmt.Sprint(n), fmt.Sprintf("%.1f", c.took.Seconds()), fmt.Sprintf("%.0f", rate(c.took)),
			fmt.Sprintf("%.0f %%", 100*rate(c.took)/rate(floor)), fmt.Sprint(c.loader), fmt.Sprint(cached), fmt.Sprint(c.ingest),
		})
	}
	return rows, nil
}

// cost is what a copy took; memory is in MB.
type cost struct {
	took           time.Duration
	loader, ingest int
	fileMB         int
}

func copied(ctx context.Context, r *rig.Rig, tables []string, rows int64) (cost, error) {
	counts := make([]string, len(tables))
	for i, table := range tables {
		counts[i] = "(SELECT COUNT(*) FROM `" + table + "`)"
	}
	count := "SELECT " + strings.Join(counts, " + ")
	began := time.Now()
	if err := r.Stack.Start(ctx); err != nil {
		return cost{}, err
	}
	client, err := r.Connect(ctx)
	if err != nil {
		return cost{}, err
	}
	defer client.Close()
	for {
		n, err := duckling.Get[int64](ctx, client, count)
		if err == nil && n == rows {
			break
		}
		select {
		case <-ctx.Done():
			return cost{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	c := cost{took: time.Since(began)}
	if c.loader, err = usage.Peak(r.Stack.Loader.Pid()); err != nil {
		return cost{}, err
	}
	if c.ingest, err = usage.Peak(r.Stack.Ingest.Pid()); err != nil {
		return cost{}, err
	}
	info, err := os.Stat(generation.LivePath(r.Stack.DataDir(), "default"))
	if err != nil {
		return cost{}, err
	}
	c.fileMB = int(info.Size() / 1e6)
	return c, nil
}

func bareSelect(ctx context.Context, db *sql.DB, tables []string) (time.Duration, int64, error) {
	began := time.Now()
	var total int64
	for _, table := range tables {
		n, err := readAll(ctx, db, "SELECT * FROM `"+table+"`")
		if err != nil {
			return 0, 0, fmt.Errorf("reading table %s: %w", table, err)
		}
		total += n
	}
	return time.Since(began), total, nil
}

// readAll reads every value of every row and drops it.
func readAll(ctx context.Context, db *sql.DB, query string) (int64, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	dest := make([]any, len(columns))
	raw := make([]sql.RawBytes, len(columns))
	for i := range raw {
		dest[i] = &raw[i]
	}
	var n int64
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}
