// Command catchup measures how fast backlogs are worked off: by the loader alone, 2M mixed changes to a
// table of 10M rows; and by ingest and loader, 320,000 single-row changes to the shop until the last one is visible.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
)

const (
	changes = 320_000
	perTx   = 100
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "catchup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("catchup", "Backlogs, from the start of the services until the last change is visible.")
	if err := catchUp(ctx, page); err != nil {
		return err
	}
	if err := bounded(ctx, page); err != nil {
		return err
	}
	if err := shop(ctx, page); err != nil {
		return err
	}
	return page.Save()
}

// shop lets ingest and loader work off what came while both were down.
func shop(ctx context.Context, page *report.Report) error {
	r, err := rig.New(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	client, err := r.Serve(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := r.Stack.Ingest.Stop(ctx); err != nil {
		return err
	}
	if err := r.Stack.Loader.Stop(ctx); err != nil {
		return err
	}
	if err := backlog(ctx, r); err != nil {
		return err
	}
	if err := r.Probe(ctx, 2); err != nil {
		return err
	}
	began := time.Now()
	if err := r.Stack.Start(ctx); err != nil {
		return err
	}
	if err := r.AwaitProbe(ctx, client, 2); err != nil {
		return err
	}
	took := time.Since(began)
	page.Line("The whole pipeline: %d single-row changes (half updates, 3 in 10 inserts, 2 in 10 deletes) in transactions of %d on the shop's tables, from the start of ingest and loader until the last one is visible over WebSocket.", changes, perTx)
	page.Table([]string{"row changes", "seconds", "rows/s"}, []string{fmt.Sprint(changes), fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.0f", changes/took.Seconds())})
	return nil
}

func backlog(ctx context.Context, r *rig.Rig) error {
	random := rand.New(rand.NewPCG(1, 1))
	conn, err := r.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	next := 10_000_000
	for done := 0; done < changes; done += perTx {
		if _, err := conn.ExecContext(ctx, "START TRANSACTION"); err != nil {
			return err
		}
		for range perTx {
			statement, args := change(random, r.Scale.Orders, &next)
			res, err := conn.ExecContext(ctx, statement, args...)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err == nil && n == 0 {
				// The row is gone already: another change takes its place, so that the count holds.
				next++
				if _, err := conn.ExecContext(ctx, "INSERT INTO OrderItem (id, orderId, productId, quantity, price) VALUES (?, 1, 1, 1, 1.00)", next); err != nil {
					return err
				}
			}
		}
		if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
			return err
		}
	}
	return nil
}

func change(random *rand.Rand, orders int, next *int) (string, []any) {
	id := 1 + random.IntN(orders)
	switch p := random.IntN(10); {
	case p < 5:
		return "UPDATE `Order` SET total = total + 1, updatedAt = NOW(3) WHERE id = ?", []any{id}
	case p < 8:
		*next++
		return "INSERT INTO OrderItem (id, orderId, productId, quantity, price) VALUES (?, ?, 1, 2, 9.99)", []any{*next, id}
	default:
		return "DELETE FROM OrderItem WHERE id = ?", []any{1 + random.IntN(3*orders)}
	}
}
