// Command freshness measures the time from a commit at the source until a WebSocket client of
// the gateway, a process of its own, sees the row: 50 single-row commits a second on the demo's shop of 1M orders, on a table of 10M rows, and on that one while it is changed.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
	duckling "github.com/chittihq/duckling/sdk/go"
)

const (
	rate   = 50
	warmUp = 100
	count  = 1000
	// millions of rows of the large table, and row changes a second beside the commits.
	millions = 10
	load     = 5000
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "freshness:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("freshness", fmt.Sprintf("From a commit at the source until a WebSocket client of the gateway, a process of its own, sees the row: %d single-row commits a second into the table `Order`.", rate))
	var rows [][]string
	add := func(what string, seen []time.Duration) {
		rows = append(rows, []string{
			what, fmt.Sprint(len(seen)), report.Milliseconds(report.Quantile(seen, 0.5)), report.Milliseconds(report.Quantile(seen, 0.9)),
			report.Milliseconds(report.Quantile(seen, 0.99)), report.Milliseconds(report.Quantile(seen, 1)),
		})
	}
	if err := onShop(ctx, add); err != nil {
		return err
	}
	if err := onOrders(ctx, add); err != nil {
		return err
	}
	page.Table([]string{"on", "commits", "p50 ms", "p90 ms", "p99 ms", "max ms"}, rows...)
	return page.Save()
}

func onShop(ctx context.Context, add func(string, []time.Duration)) error {
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
	seen, err := measure(ctx, r, client)
	if err != nil {
		return err
	}
	add("the shop, 1M orders", seen)
	return nil
}

// onOrders measures on a table of 10M rows, without and with other changes to it.
func onOrders(ctx context.Context, add func(string, []time.Duration)) error {
	r, err := rig.NewOrders(ctx, millions)
	if err != nil {
		return err
	}
	defer r.Close()
	client, err := r.Serve(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	seen, err := measure(ctx, r, client)
	if err != nil {
		return err
	}
	add(fmt.Sprintf("a table of %dM rows", millions), seen)
	loading, stop := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	random := rand.New(rand.NewPCG(1, 1))
	go func() { loaded <- r.Load(loading, millions*1_000_000, load, random.IntN) }()
	seen, err = measure(ctx, r, client)
	stop()
	if err := errors.Join(err, <-loaded); err != nil {
		return err
	}
	add(fmt.Sprintf("the same, beside %d row changes a second at random keys in 50 transactions", load), seen)
	return nil
}

// measure commits at a steady rate on one side and asks for the newest row, again and
// again, on the other.
func measure(ctx context.Context, r *rig.Rig, client *duckling.Client) ([]time.Duration, error) {
	first, err := duckling.Get[int64](ctx, client, "SELECT MAX(id) FROM `Order`")
	if err != nil {
		return nil, err
	}
	total := warmUp + count
	commits := make([]time.Time, total)
	var mu sync.Mutex
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := range total {
			<-tick.C
			_, err := r.DB.ExecContext(ctx, "INSERT INTO `Order` (id, userId, status, total, createdAt) VALUES (?, 1, 'paid', 10.00, NOW(3))", first+1+int64(i))
			if err != nil {
				failed <- err
				cancel()
				return
			}
			mu.Lock()
			commits[i] = time.Now()
			mu.Unlock()
		}
	}()
	var seen []time.Duration
	for next := 0; next < total; {
		newest, err := duckling.Get[int64](ctx, client, "SELECT MAX(id) FROM `Order` WHERE id >= ?", first)
		now := time.Now()
		if err != nil {
			select {
			case err = <-failed:
			default:
			}
			return nil, err
		}
		mu.Lock()
		for ; next < total && first+1+int64(next) <= newest; next++ {
			// The answer may overtake the note of the commit; then it took no time that could be measured.
			at := commits[next]
			if at.IsZero() {
				at = now
			}
			if next >= warmUp {
				seen = append(seen, now.Sub(at))
			}
		}
		mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
	return seen, nil
}
