// Command goclient measures what the Go client costs over a bare exchange of the same frames over the same WebSocket library
// with the real gateway, and its decoding of rows beside encoding/json.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/bench/internal/bare"
	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/served"
	duckling "github.com/chittihq/duckling/sdk/go"
)

const (
	exchanges = 20_000
	rows      = 100_000
	simple    = "SELECT 1 AS n"
	work      = `SELECT userId AS n, SUM(total) AS t FROM "Order" GROUP BY userId ORDER BY t DESC, n LIMIT 10`
	large     = `SELECT * FROM "Order"`
)

var load = bare.Load{Connections: 5, InFlight: 1000, For: 2 * time.Second}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "goclient:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	g, err := served.Start(ctx, served.Orders(rows))
	if err != nil {
		return err
	}
	defer g.Close()
	page := report.New("goclient", "The Go client with the real gateway, all on one machine, against bare frames over the same WebSocket library (github.com/coder/websocket) that nobody looks at. "+
		"Goal: an overhead of less than 0.1 ms for a query at the median.")
	for _, step := range []func(context.Context, *report.Report, string) error{overhead, throughput, decoding} {
		if err := step(ctx, page, g.URL); err != nil {
			return err
		}
	}
	return page.Save()
}

// overhead takes turns between a bare exchange and a query with its value scanned, one at a time, so that both see the same machine.
func overhead(ctx context.Context, page *report.Report, url string) error {
	raw, err := bare.Dial(ctx, url, served.Key)
	if err != nil {
		return err
	}
	defer raw.Close()
	client, err := duckling.Open(ctx, duckling.Config{URL: url, APIKey: served.Key})
	if err != nil {
		return err
	}
	defer client.Close()
	var bares, queries []time.Duration
	for i := -exchanges / 10; i < exchanges; i++ { // the first tenth warms up
		start := time.Now()
		if _, err := raw.Exchange(ctx, bare.Query(i+exchanges, simple, `,"meta":true,"numberMode":"number"`)); err != nil {
			return err
		}
		between := time.Now()
		if n, err := duckling.Get[int](ctx, client, simple); err != nil || n != 1 {
			return fmt.Errorf("the answer is %d: %w", n, err)
		}
		if i >= 0 {
			bares, queries = append(bares, between.Sub(start)), append(queries, time.Since(between))
		}
	}
	micros := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Nanoseconds())/1000) }
	line := func(name string, of []time.Duration) []string {
		return []string{name, micros(report.Quantile(of, 0.5)), micros(report.Quantile(of, 0.99))}
	}
	page.Line("`%s`, one at a time, %d of each in turns:", simple, exchanges)
	page.Table([]string{"microseconds", "p50", "p99"}, line("bare frames", bares), line("client, value scanned", queries),
		[]string{"**overhead**", "**" + micros(report.Quantile(queries, 0.5)-report.Quantile(bares, 0.5)) + "**", micros(report.Quantile(queries, 0.99) - report.Quantile(bares, 0.99))})
	return nil
}

// throughput keeps requests in flight, bare and through a pool, in turns; the best round of each counts.
func throughput(ctx context.Context, page *report.Report, url string) error {
	pool, err := duckling.OpenPool(ctx, duckling.Config{URL: url, APIKey: served.Key}, load.Connections)
	if err != nil {
		return err
	}
	defer pool.Close()
	var table [][]string
	for _, sql := range []string{simple, work} {
		var raw, pooled float64
		for range 3 {
			b, err := load.Throughput(ctx, url, served.Key, sql)
			if err != nil {
				return err
			}
			p, err := poolThroughput(ctx, pool, sql)
			if err != nil {
				return err
			}
			raw, pooled = max(raw, b), max(pooled, p)
		}
		table = append(table, []string{"`" + sql + "`", fmt.Sprintf("%.0f", raw), fmt.Sprintf("%.0f", pooled), fmt.Sprintf("%.2f", pooled/raw)})
	}
	page.Line("%d in flight on %d connections, requests a second, best of 3 rounds in turns:", load.InFlight, load.Connections)
	page.Table([]string{"statement", "bare frames", "pool", "ratio"}, table...)
	return nil
}

func poolThroughput(ctx context.Context, pool *duckling.Pool, sql string) (float64, error) {
	var (
		count   atomic.Int64
		workers sync.WaitGroup
		once    sync.Once
		failed  error
	)
	began := time.Now()
	for range load.InFlight {
		workers.Go(func() {
			for time.Since(began) < load.For {
				result, err := pool.Query(ctx, sql)
				if err != nil || result.Len() == 0 {
					once.Do(func() { failed = fmt.Errorf("no answer: %w", err) })
					return
				}
				count.Add(1)
			}
		})
	}
	workers.Wait()
	return float64(count.Load()) / time.Since(began).Seconds(), failed
}

type order struct {
	ID        int64
	UserID    int32
	Total     json.Number
	Status    string
	CreatedAt string
	Note      string
}

func decoding(ctx context.Context, page *report.Report, url string) error {
	client, err := duckling.Open(ctx, duckling.Config{URL: url, APIKey: served.Key})
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.Query(ctx, large)
	if err != nil {
		return err
	}
	text := result.JSON()
	if result.Len() != rows {
		return fmt.Errorf("%d rows", result.Len())
	}
	var table [][]string
	for _, way := range []struct {
		name string
		read func() error
	}{
		{"client: checked, and rows into structs", func() error {
			parsed, err := duckling.ParseResult(text)
			if err == nil {
				_, err = duckling.Collect[order](parsed)
			}
			return err
		}},
		{"encoding/json into structs", func() error { var all []order; return json.Unmarshal(text, &all) }},
		{"client: checked, and rows into maps", func() error {
			parsed, err := duckling.ParseResult(text)
			if err == nil {
				_, err = duckling.Collect[map[string]any](parsed)
			}
			return err
		}},
		{"encoding/json into maps", func() error {
			var all []map[string]any
			d := json.NewDecoder(strings.NewReader(string(text)))
			d.UseNumber()
			return d.Decode(&all)
		}},
	} {
		took, err := best(way.read)
		if err != nil {
			return err
		}
		table = append(table, []string{way.name, report.Milliseconds(took), fmt.Sprintf("%.0f", float64(len(text))/1e6/took.Seconds())})
	}
	page.Line("%d rows of 6 columns, %.1f MB of JSON, best of 5:", rows, float64(len(text))/1e6)
	page.Table([]string{"", "ms", "MB/s"}, table...)
	return nil
}

func best(work func() error) (time.Duration, error) {
	least := time.Duration(1<<63 - 1)
	for range 5 {
		start := time.Now()
		if err := work(); err != nil {
			return 0, err
		}
		least = min(least, time.Since(start))
	}
	return least, nil
}
