// Command copy measures first copies, from the start of the services to the published tables, beside a bare
// streaming SELECT of the same tables in Go: of the demo's shop, and of one order table as it grows, with the memory that takes.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/stack"
	"github.com/chittihq/duckling/testkit/usage"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("copy", "First copies, from the start of ingest, loader and gateway until the gateway answers from the copied tables. The floor is `SELECT *` of the same tables, one after the other, read and dropped by a Go client.")
	r, err := rig.New(ctx)
	if err != nil {
		return err
	}
	shop, err := measure(ctx, r, "the shop", []string{"User", "Product", "Order", "OrderItem"})
	r.Close()
	if err != nil {
		return err
	}
	rows := shop
	for _, millions := range []int{1, 20} {
		r, err := rig.NewOrders(ctx, millions)
		if err != nil {
			return err
		}
		orders, err := measure(ctx, r, fmt.Sprintf("order table, 6 columns, %dM rows", millions), []string{"Order"})
		r.Close()
		if err != nil {
			return err
		}
		rows = append(rows, orders...)
	}
	page.Table([]string{"what", "rows", "seconds", "rows/s", "of the floor", "peak RSS MB of loader", "and ingest"}, rows...)
	return page.Save()
}

// measure copies the tables, after the floor.
func measure(ctx context.Context, r *rig.Rig, what string, tables []string) ([][]string, error) {
	floor, rows, err := bareSelect(ctx, r.DB, tables)
	if err != nil {
		return nil, err
	}
	counts := make([]string, len(tables))
	for i, table := range tables {
		counts[i] = "(SELECT COUNT(*) FROM `" + table + "`)"
	}
	count := "SELECT " + strings.Join(counts, " + ")
	began := time.Now()
	if err := r.Stack.Start(ctx); err != nil {
		return nil, err
	}
	client, err := r.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for {
		n, err := duckling.Get[int64](ctx, client, count)
		if err == nil && n == rows {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	took := time.Since(began)
	var peaks [2]int
	for i, service := range []*stack.Service{r.Stack.Loader, r.Stack.Ingest} {
		if peaks[i], err = usage.Peak(service.Pid()); err != nil {
			return nil, err
		}
	}
	rate := func(d time.Duration) float64 { return float64(rows) / d.Seconds() }
	return [][]string{
		{what + ": bare SELECT *", fmt.Sprint(rows), fmt.Sprintf("%.1f", floor.Seconds()), fmt.Sprintf("%.0f", rate(floor)), "100 %", "", ""},
		{what + ": copy, start to visible", fmt.Sprint(rows), fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.0f", rate(took)), fmt.Sprintf("%.0f %%", 100*rate(took)/rate(floor)), fmt.Sprint(peaks[0]), fmt.Sprint(peaks[1])},
	}, nil
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
