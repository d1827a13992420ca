// Command tsclient measures what the TypeScript client costs with the real gateway: over a bare exchange of the same frames by the ws
// package, with a pool of five against the gateway's own throughput, and in decoding against JSON.parse. Node runs
// sdk/typescript/bench/client.mjs, on the built client (npm run build).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/chittihq/duckling/bench/internal/bare"
	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/served"
)

const (
	rows   = 100_000
	simple = "SELECT 1 AS n"
	work   = `SELECT userId AS n, SUM(total) AS t FROM "Order" GROUP BY userId ORDER BY t DESC, n LIMIT 10`
	large  = `SELECT * FROM "Order"`
)

var load = bare.Load{Connections: 5, InFlight: 1000, For: 2 * time.Second}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "tsclient:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	g, err := served.Start(ctx, served.Orders(rows))
	if err != nil {
		return err
	}
	defer g.Close()
	var version string
	if err := node(ctx, g.URL, "version", "", &version); err != nil {
		return err
	}
	page := report.New("tsclient", "The TypeScript client on Node "+version+" with the real gateway, all on one machine. Goals: less than 0.2 ms over a bare exchange of the same frames by the ws package "+
		"at the median; five pooled clients with 1000 requests in flight reach 90 % of the gateway's own throughput; 100,000 rows decoded in no more than JSON.parse plus 20 %.")
	for _, step := range []func(context.Context, *report.Report, string) error{overhead, throughput, decoding} {
		if err := step(ctx, page, g.URL); err != nil {
			return err
		}
	}
	return page.Save()
}

// node has client.mjs measure one thing and reads what it says.
func node(ctx context.Context, url, what, sql string, into any) error {
	cmd := exec.CommandContext(ctx, "node", "../sdk/typescript/bench/client.mjs", what, url, served.Key, sql) //nolint:gosec // all from here
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measuring %s (run this in bench/, with the client built): %w", what, err)
	}
	if err := json.Unmarshal(bytes.TrimSpace(out), into); err != nil {
		return fmt.Errorf("reading %q: %w", out, err)
	}
	return nil
}

func overhead(ctx context.Context, page *report.Report, url string) error {
	var got struct{ Raw, Client struct{ P50, P99 float64 } }
	if err := node(ctx, url, "overhead", simple, &got); err != nil {
		return err
	}
	ms := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	page.Line("`%s`, one at a time, in turns:", simple)
	page.Table([]string{"ms", "p50", "p99"}, []string{"bare exchange", ms(got.Raw.P50), ms(got.Raw.P99)}, []string{"client.query", ms(got.Client.P50), ms(got.Client.P99)},
		[]string{"**overhead**", "**" + ms(got.Client.P50-got.Raw.P50) + "**", ms(got.Client.P99 - got.Raw.P99)})
	return nil
}

// throughput compares five pooled clients in one Node process with bare frames from Node and from Go, in turns; the best round of each counts.
func throughput(ctx context.Context, page *report.Report, url string) error {
	var table [][]string
	for _, sql := range []string{simple, work} {
		var own, raw, pooled float64
		for range 3 {
			g, err := load.Throughput(ctx, url, served.Key, sql)
			if err != nil {
				return err
			}
			var got struct{ Raw, Pool float64 }
			if err := node(ctx, url, "throughput", sql, &got); err != nil {
				return err
			}
			own, raw, pooled = max(own, g), max(raw, got.Raw), max(pooled, got.Pool)
		}
		table = append(table, []string{"`" + sql + "`", fmt.Sprintf("%.0f", own), fmt.Sprintf("%.0f", raw), fmt.Sprintf("%.0f", pooled), fmt.Sprintf("%.2f", pooled/own), fmt.Sprintf("%.2f", pooled/raw)})
	}
	page.Line("%d in flight on %d connections, requests a second, best of 3 rounds in turns. The gateway's own throughput is what bare frames from a Go process get:", load.InFlight, load.Connections)
	page.Table([]string{"statement", "gateway's own", "five bare ws sockets in Node", "pool of five clients", "pool / gateway's own", "pool / bare ws"}, table...)
	return nil
}

func decoding(ctx context.Context, page *report.Report, url string) error {
	var got struct{ Rows, Megabytes, Parse, Decode, RawExchange, ClientExchange float64 }
	if err := node(ctx, url, "decode", strings.TrimSpace(large), &got); err != nil {
		return err
	}
	line := func(name string, floor, client float64) []string {
		return []string{name, fmt.Sprintf("%.1f", floor), fmt.Sprintf("%.1f", client), fmt.Sprintf("%.2f", client/floor)}
	}
	page.Line("%.0f rows of 6 columns, %.1f MB of JSON, median of processor time:", got.Rows, got.Megabytes)
	page.Table([]string{"ms", "bare", "client", "ratio"}, line("from the frame's text to rows; bare is JSON.parse", got.Parse, got.Decode),
		line("a whole query; bare is an exchange and JSON.parse", got.RawExchange, got.ClientExchange))
	return nil
}
