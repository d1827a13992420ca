// Command gateway measures what the gateway costs: the same statements on the same file, by a bare loop on
// package duck and through the gateway over WebSocket, in turns and with the same number in flight. The gateway and
// the client are processes of their own, whose CPU time is reported.
//
//	go run ./gateway [-rows 1000000] [-inflight 40] [-connections 40] [-idle 0] [-seconds 2] [-rounds 3]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// statement is one that is measured.
type statement struct {
	Name string
	SQL  string
	Key  bool // takes a key as its parameter
}

var statements = []statement{
	{"SELECT 1", "SELECT 1 AS a", false},
	{"point by key", `SELECT * FROM "Order" WHERE id = ?`, true},
	{"top 10", `SELECT userId, count(*) AS n, sum(total) AS t FROM "Order" WHERE id < 20000 GROUP BY userId ORDER BY t DESC, userId LIMIT 10`, false},
}

// outcome is what one round gave.
type outcome struct {
	Count     int
	Seconds   float64
	Latencies []float64 // ms, sorted
	CPU       float64   // seconds that the measuring process used
}

func (o outcome) rate() float64 { return float64(o.Count) / o.Seconds }

func (o outcome) at(q float64) float64 {
	if len(o.Latencies) == 0 {
		return 0
	}
	return o.Latencies[min(int(q*float64(len(o.Latencies))), len(o.Latencies)-1)]
}

type options struct {
	rows, inflight, connections, idle, rounds int
	seconds                                   float64
	binary, threads, profile                  string
}

func main() {
	var o options
	var client string
	flag.IntVar(&o.rows, "rows", 1000000, "rows of the orders table")
	flag.IntVar(&o.inflight, "inflight", 40, "statements in flight")
	flag.IntVar(&o.connections, "connections", 40, "connections that they are spread over")
	flag.IntVar(&o.idle, "idle", 0, "further connections that are open and do nothing")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the best of each side counts")
	flag.Float64Var(&o.seconds, "seconds", 2, "length of a round")
	flag.StringVar(&o.binary, "gateway", "", "gateway binary; built when empty")
	flag.StringVar(&o.threads, "threads", "", "DUCKDB_THREADS for both sides")
	flag.StringVar(&o.profile, "env", "", "a further NAME=value for the gateway")
	flag.StringVar(&client, "client", "", "used by the command itself")
	flag.Parse()
	if client != "" {
		if err := runClient(client); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "bench/gateway:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "duckling-bench-gateway-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the system's temporary directory
	if o.binary == "" {
		o.binary = filepath.Join(dir, "gateway")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, ".") //nolint:gosec // a fixed command
		build.Dir = filepath.Join("..", "services", "gateway")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building the gateway (run this in bench/): %w\n%s", err, out)
		}
	}
	path, err := publish(filepath.Join(dir, "data"), o.rows)
	if err != nil {
		return err
	}
	g, err := serve(ctx, o, dir)
	if err != nil {
		return err
	}
	defer g.stop()
	fmt.Printf("%d rows, %d in flight on %d connections, %d more idle; best of %d rounds of %v s; load before: %s\n\n", o.rows, o.inflight, o.connections, o.idle, o.rounds, o.seconds, load())
	fmt.Printf("%-14s %10s %10s %6s   %-22s %-22s %s\n", "", "bare /s", "gateway /s", "", "bare p50/p99 ms", "gateway p50/p99 ms", "CPU: gateway / client")
	for _, inflight := range []int{1, o.inflight} {
		for _, s := range statements {
			if err := compare(ctx, o, g, path, s, inflight); err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return nil
}

// compare runs a statement on both sides in turns and prints the best round of each.
func compare(ctx context.Context, o options, g *gateway, path string, s statement, inflight int) error {
	var bares, through []outcome
	share := 0.0
	for range o.rounds {
		b, err := bare(path, s, inflight, o)
		if err != nil {
			return fmt.Errorf("bare: %w", err)
		}
		before, err := g.cpu()
		if err != nil {
			return err
		}
		c, err := client(ctx, o, g, s, inflight)
		if err != nil {
			return err
		}
		after, err := g.cpu()
		if err != nil {
			return err
		}
		if len(through) == 0 || c.rate() > slices.MaxFunc(through, byRate).rate() {
			share = (after - before) / c.Seconds
		}
		bares, through = append(bares, b), append(through, c)
	}
	b, c := slices.MaxFunc(bares, byRate), slices.MaxFunc(through, byRate)
	fmt.Printf("%-11s %2d %10.0f %10.0f %5.0f%%   %8.3f / %-10.3f %8.3f / %-10.3f %.2f / %.2f cores\n", s.Name, inflight, b.rate(), c.rate(), 100*c.rate()/b.rate(),
		b.at(0.5), b.at(0.99), c.at(0.5), c.at(0.99), share, c.CPU/c.Seconds)
	return nil
}

func byRate(a, b outcome) int {
	switch {
	case a.rate() < b.rate():
		return -1
	case a.rate() > b.rate():
		return 1
	}
	return 0
}

// client runs the client process.
func client(ctx context.Context, o options, g *gateway, s statement, inflight int) (outcome, error) {
	order, err := json.Marshal(order{
		Address: g.addr, Statement: s, Connections: min(o.connections, inflight), Inflight: inflight, Idle: o.idle, Rows: o.rows, Seconds: o.seconds,
	})
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-client", string(order)) //nolint:gosec // itself
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("client: %w", err)
	}
	var result outcome
	if err := json.Unmarshal(out, &result); err != nil {
		return outcome{}, fmt.Errorf("client: %w", err)
	}
	if result.Count == 0 {
		return outcome{}, errors.New("client: no answers")
	}
	return result, nil
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return string(text[:min(len(text), 14)])
}

// timed collects latencies of one goroutine.
type timed struct{ all []float64 }

func (t *timed) add(d time.Duration) { t.all = append(t.all, float64(d.Nanoseconds())/1e6) }
