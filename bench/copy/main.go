// Command copy measures the first copy of the demo's shop, from the start of the services to the
// published tables, beside a bare streaming SELECT of the same tables in Go.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	r, err := rig.New(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	page := report.New("copy", "The first copy of the shop, from the start of ingest, loader and gateway until the gateway answers from the copied tables. The floor is `SELECT *` of the same tables, one after the other, read and dropped by a Go client.")
	floor, rows, err := bareSelect(ctx, r.DB)
	if err != nil {
		return err
	}
	// A row committed before the start is in the copy, so seeing it means that the copy of its table is done; readiness covers the rest.
	began := time.Now()
	if err := r.Stack.Start(ctx); err != nil {
		return err
	}
	client, err := r.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		var n int64
		result, err := client.Query(ctx, "SELECT (SELECT COUNT(*) FROM User) + (SELECT COUNT(*) FROM `Order`) + (SELECT COUNT(*) FROM OrderItem) + (SELECT COUNT(*) FROM Product)")
		if err == nil {
			if err := result.Row(0).Scan(&n); err != nil {
				return err
			}
			if n == rows {
				break
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(began)
	rate := func(d time.Duration) float64 { return float64(rows) / d.Seconds() }
	page.Table([]string{"what", "rows", "seconds", "rows/s", "of the floor"},
		[]string{"bare SELECT *", fmt.Sprint(rows), fmt.Sprintf("%.1f", floor.Seconds()), fmt.Sprintf("%.0f", rate(floor)), "100 %"},
		[]string{"copy, start to visible", fmt.Sprint(rows), fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.0f", rate(took)), fmt.Sprintf("%.0f %%", 100*rate(took)/rate(floor))})
	return page.Save()
}

func bareSelect(ctx context.Context, db *sql.DB) (time.Duration, int64, error) {
	began := time.Now()
	var total int64
	for _, table := range []string{"User", "Product", "Order", "OrderItem"} {
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
