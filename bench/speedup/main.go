// Command speedup asks the integration guide's statements of the source MySQL and of Duckling, on the demo's shop with a million orders.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
	duckling "github.com/chittihq/duckling/sdk/go"
)

// Each statement runs for so long, but so often at least and at most; the median counts. A run before that is not counted.
const (
	enough      = 2 * time.Second
	least, most = 3, 200
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "speedup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("speedup", "The integration guide's statements on the demo's shop (1M orders, 3M items, 100,000 users), asked of the source MySQL, which holds it all in its buffer pool, "+
		"and of Duckling over WebSocket through the Go client without a result cache: one at a time, the other side idle, until the last row has been read, median. MySQL has the demo's keys and its other settings are its own.")
	r, err := rig.New(ctx, "RESULT_CACHE_BYTES=0")
	if err != nil {
		return err
	}
	defer r.Close()
	client, err := r.Serve(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	now := time.Now().UTC()
	var rows [][]string
	for _, q := range queries(now.AddDate(0, 0, -30).Format(time.DateOnly), now.Format(time.DateOnly)) {
		source, want, err := median(func() (int, error) { return askMySQL(ctx, r.DB, q) })
		if err != nil {
			return fmt.Errorf("%s at the source: %w", q.name, err)
		}
		copied, got, err := median(func() (int, error) { return askDuckling(ctx, client, q) })
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		if got != want || got == 0 {
			return fmt.Errorf("%s: %d rows from the source, %d from Duckling", q.name, want, got)
		}
		ms := func(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
		rows = append(rows, []string{q.name, fmt.Sprint(got), ms(source), ms(copied), fmt.Sprintf("%.3g", float64(source)/float64(copied))})
	}
	page.Table([]string{"statement", "rows", "MySQL ms", "Duckling ms", "times as fast"}, rows...)
	page.Line("%s", oneUser)
	return page.Save()
}

// oneUser explains the statement at which MySQL is faster.
const oneUser = "The one user's analytics is what a B-tree is for: MySQL reads ten orders by its key on userId, from memory. DuckDB compares the userId of every order, because those of one user lie anywhere: tables are in the order of their key, by which the reports' days lie together. It would be fast in the order of userId, or with an index on it, and each of the others, or each change, would pay for that (ARCHITECTURE.md, \"No index on replicated tables\")."

// median runs ask again and again and returns how long it took, and how many rows it gave.
func median(ask func() (int, error)) (took time.Duration, rows int, err error) {
	if rows, err = ask(); err != nil {
		return 0, 0, err
	}
	var all []time.Duration
	for began := time.Now(); len(all) < least || len(all) < most && time.Since(began) < enough; {
		one := time.Now()
		n, err := ask()
		if err != nil {
			return 0, 0, err
		}
		if n != rows {
			return 0, 0, fmt.Errorf("%d rows, and then %d", rows, n)
		}
		all = append(all, time.Since(one))
	}
	return report.Quantile(all, 0.5), rows, nil
}

func askMySQL(ctx context.Context, db *sql.DB, q query) (int, error) {
	text := q.sql
	if q.mysql != "" {
		text = q.mysql
	}
	rows, err := db.QueryContext(ctx, text, q.args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

func askDuckling(ctx context.Context, client *duckling.Client, q query) (int, error) {
	result, err := client.Do(ctx, duckling.Request{SQL: q.sql, Args: q.args})
	if err != nil {
		return 0, err
	}
	return result.Len(), nil
}
