package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chittihq/duckling/demo/shop"
	duckling "github.com/chittihq/duckling/sdk/go"
)

// guideQuery is one of the guide's queries.
type guideQuery struct {
	name string
	sql  string
	args []any
}

var guideQueries = []guideQuery{
	{"user analytics", "SELECT u.id as userId, u.name, u.email, COUNT(o.id) as totalOrders, COALESCE(SUM(o.total), 0) as totalRevenue, " +
		"MAX(o.createdAt) as lastOrderDate FROM User u LEFT JOIN `Order` o ON u.id = o.userId WHERE u.id = ? GROUP BY u.id, u.name, u.email", []any{42}},
	{"top customers", "SELECT u.id as userId, u.name, u.email, COUNT(o.id) as totalOrders, SUM(o.total) as totalRevenue FROM User u " +
		"JOIN `Order` o ON u.id = o.userId GROUP BY u.id, u.name, u.email ORDER BY totalRevenue DESC LIMIT ?", []any{10}},
	{"daily sales, 30 days", "SELECT DATE_TRUNC('day', createdAt) as date, COUNT(*) as orderCount, SUM(total) as totalRevenue, AVG(total) as avgOrderValue " +
		"FROM `Order` WHERE createdAt >= CURRENT_DATE - INTERVAL 30 DAY GROUP BY date ORDER BY date", nil},
	{"top products, 7 days", "SELECT DATE_TRUNC('day', o.createdAt) as date, p.name as topProduct, SUM(oi.quantity * oi.price) as topProductRevenue " +
		"FROM `Order` o JOIN OrderItem oi ON o.id = oi.orderId JOIN Product p ON oi.productId = p.id " +
		"WHERE o.createdAt >= CURRENT_DATE - INTERVAL 7 DAY GROUP BY date, p.id, p.name ORDER BY date, topProductRevenue DESC", nil},
	{"users", "SELECT COUNT(*) as count FROM User", nil},
	{"orders", "SELECT COUNT(*) as count FROM `Order`", nil},
	{"revenue", "SELECT COALESCE(SUM(total), 0) as sum FROM `Order`", nil},
	{"average order", "SELECT COALESCE(AVG(total), 0) as avg FROM `Order`", nil},
	{"orders today", "SELECT COUNT(*) as count FROM `Order` WHERE DATE(createdAt) = CURRENT_DATE", nil},
	{"revenue today", "SELECT COALESCE(SUM(total), 0) as sum FROM `Order` WHERE DATE(createdAt) = CURRENT_DATE", nil},
}

// board collects what each query took and how fresh its answers were.
type board struct {
	began   time.Time
	queries []guideQuery
	took    [][]time.Duration
	behind  []time.Duration
}

func newBoard() *board {
	return &board{began: time.Now(), queries: guideQueries, took: make([][]time.Duration, len(guideQueries))}
}

// loop runs all queries again and again until ctx ends, and prints each round.
func (b *board) loop(ctx context.Context, client *duckling.Client) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := b.round(ctx, client); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (b *board) round(ctx context.Context, client *duckling.Client) error {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-22s %8s %10s %12s %12s\n", "query", "rows", "ms", "behind, ms", "generation")
	for i, q := range b.queries {
		began := time.Now()
		result, err := client.Query(ctx, q.sql, q.args...)
		if err != nil {
			return fmt.Errorf("query %q: %w", q.name, err)
		}
		took, meta := time.Since(began), result.Meta()
		b.took[i] = append(b.took[i], took)
		b.behind = append(b.behind, meta.Lag)
		fmt.Fprintf(&out, "%-22s %8d %10.2f %12d %12d\n", q.name, result.Len(), milliseconds(took), meta.Lag.Milliseconds(), meta.Generation)
	}
	fmt.Print(out.String())
	return nil
}

func (b *board) summary(t shop.Stats) {
	fmt.Printf("\nSummary of %.0f s: %d transactions committed at the source, %d failed.\n", time.Since(b.began).Seconds(), t.Commits(), t.Errors)
	fmt.Printf("%-22s %8s %10s %10s\n", "query", "runs", "p50 ms", "p99 ms")
	for i, q := range b.queries {
		fmt.Printf("%-22s %8d %10.2f %10.2f\n", q.name, len(b.took[i]), milliseconds(quantile(b.took[i], 0.5)), milliseconds(quantile(b.took[i], 0.99)))
	}
	fmt.Printf("Answers were %.0f ms behind the source at p50, %.0f ms at p99.\n", milliseconds(quantile(b.behind, 0.5)), milliseconds(quantile(b.behind, 0.99)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
