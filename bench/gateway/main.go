// Command gateway measures what the gateway costs: the same statements on the same file, by loops in one process and
// through the gateway over WebSocket, in turns and with the same number in flight. The gateway and its
// client are processes of their own, on the same cores.
//
//	go run ./gateway [-rows 1000000,10000000] [-seconds 1] [-rounds 3] [-only "SELECT 1"]
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
	"strconv"
	"strings"
	"time"

	"github.com/chittihq/duckling/bench/gateway/loop"
	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/testkit/usage"
)

// statement is one that is measured.
type statement loop.Statement

var statements = []statement{
	{"SELECT 1", "SELECT 1 AS a", false},
	{"point by key", `SELECT * FROM "Order" WHERE id = ?`, true},
	{"top 10 of 20,000", `SELECT userId, count(*) AS n, sum(total) AS t FROM "Order" WHERE id < 20000 GROUP BY userId ORDER BY t DESC, userId LIMIT 10`, false},
	{"top 10 of all", `SELECT userId, count(*) AS n, sum(total) AS t FROM "Order" GROUP BY userId ORDER BY t DESC, userId LIMIT 10`, false},
}

// inflight is how many statements are under way in the measurement of throughput, each on a connection of its own, or on the few that
// clients share, or beside idle ones, so that open are open.
const (
	inflight = 40
	shared   = 4
	open     = 1000
)

// outcome is what one round gave.
type outcome loop.Outcome

// cost is the processor time of a statement in microseconds.
func (o outcome) cost() float64 { return 1e6 * o.CPU / float64(o.Count) }

func (o outcome) clientCost() float64 { return 1e6 * o.Client / float64(o.Count) }

func (o outcome) rate() float64 { return float64(o.Count) / o.Seconds }

func (o outcome) at(q float64) float64 {
	if len(o.Latencies) == 0 {
		return 0
	}
	return o.Latencies[min(int(q*float64(len(o.Latencies))), len(o.Latencies)-1)]
}

type options struct {
	rows, only, binary, bare, threads, env string
	rounds                                 int
	seconds                                float64
}

func main() {
	var o options
	var client string
	flag.StringVar(&o.rows, "rows", "1000000,10000000", "rows of the orders table; each size is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; their median counts")
	flag.Float64Var(&o.seconds, "seconds", 1, "length of a round")
	flag.StringVar(&o.only, "only", "", "the one statement to measure; nothing is saved")
	flag.StringVar(&o.binary, "gateway", "", "gateway binary; built when empty")
	flag.StringVar(&o.threads, "threads", "", "DUCKDB_THREADS for all sides")
	flag.StringVar(&o.env, "env", "", "a further NAME=value for the gateway")
	flag.StringVar(&client, "client", "", "used by the command itself")
	echo := flag.Bool("echo", false, "used by the command itself")
	flag.Parse()
	do := func() error { return run(context.Background(), o) }
	switch {
	case client != "":
		do = func() error { return runClient(client) }
	case *echo:
		do = runEcho
	}
	if err := do(); err != nil {
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
	build := func(name, of string) (string, error) {
		path := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", path, ".") //nolint:gosec // a fixed command
		cmd.Dir = of
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s (run this in bench/): %w\n%s", name, err, out)
		}
		return path, nil
	}
	if o.binary == "" {
		if o.binary, err = build("gateway", filepath.Join("..", "services", "gateway")); err != nil {
			return err
		}
	}
	if o.bare, err = build("bare", filepath.Join("gateway", "bare")); err != nil {
		return err
	}
	page := report.New("gateway", fmt.Sprintf("Statements without a result cache, by a loop over database/sql and the driver, by a loop over package duck (the driver's C API without database/sql), both with DuckDB's own threads and each a program of its own: the first has glibc's allocator, as any program that uses the driver, and the second package duck's, as the gateway. "+
		"Then through the gateway over WebSocket. Every side prepares once; loops and gateway have the machine in turns, in %d rounds of %v s, and the median of the rounds counts. "+
		"The gateway's client is a process of its own on the same cores. WebSocket alone is a server that answers the same frames with a constant.", o.rounds, o.seconds))
	floor, err := serveEcho(ctx)
	if err != nil {
		return err
	}
	defer floor.stop()
	for size := range strings.SplitSeq(o.rows, ",") {
		rows, err := strconv.Atoi(size)
		if err != nil {
			return fmt.Errorf("-rows: %w", err)
		}
		if err := measure(ctx, page, o, floor, filepath.Join(dir, size), rows); err != nil {
			return err
		}
	}
	if o.only != "" {
		return nil
	}
	return page.Save()
}

func measure(ctx context.Context, page *report.Report, o options, floor *gateway, dir string, rows int) error {
	path, err := publish(filepath.Join(dir, "data"), rows)
	if err != nil {
		return err
	}
	g, err := serve(ctx, o, dir)
	if err != nil {
		return err
	}
	defer g.stop()
	var latencies, rates, costs [][]string
	for _, s := range statements {
		if o.only != "" && o.only != s.Name {
			continue
		}
		m := &measurement{o: o, g: g, floor: floor, path: path, rows: rows, statement: s}
		one, err := m.rounds(ctx, 1, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		latencies = append(latencies, one.latencies(s.Name))
		many, err := m.rounds(ctx, inflight, open-inflight)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		rates = append(rates, many.rates(s.Name))
		costs = append(costs, many.costs(s.Name))
	}
	page.Line("%d rows, one statement at a time, p50 / p99 in ms; the overhead is the gateway's quantile less that of package duck's loop:", rows)
	page.Table([]string{"statement", "database/sql", "duck", "gateway", "overhead", "WebSocket alone"}, latencies...)
	page.Line("%d rows, %d statements in flight, statements a second:", rows, inflight)
	page.Table([]string{"statement", "database/sql", "duck", fmt.Sprintf("gateway, %d connections", inflight), "of database/sql", "of duck", fmt.Sprintf("gateway, %d connections", shared), "of database/sql", fmt.Sprintf("gateway, %d connections", open), "of database/sql", "of duck", "WebSocket alone"}, rates...)
	page.Line("%d rows, %d statements in flight, processor time of a statement in µs. The gateway shares the cores with its client, which a loop does not have; "+
		"the last column is how many statements a second the gateway's processor time allows, as a share of the same for database/sql:", rows, inflight)
	page.Table([]string{"statement", "database/sql", "duck", fmt.Sprintf("gateway, %d connections", inflight), "its client", "gateway's share", fmt.Sprintf("gateway, %d connections", shared), "its client", "gateway's share"}, costs...)
	return nil
}

// measurement is one statement on one table.
type measurement struct {
	o         options
	g, floor  *gateway
	path      string
	rows      int
	statement statement
}

// sides are the rounds of each side.
type sides struct{ sql, duck, gateway, shared, crowded, floor []outcome }

// rounds runs all sides in turns. With idle connections the gateway gets a second turn beside them.
func (m *measurement) rounds(ctx context.Context, inflight, idle int) (*sides, error) {
	out := new(sides)
	for range m.o.rounds {
		for _, side := range []struct {
			into *[]outcome
			run  func() (outcome, error)
		}{
			{&out.sql, func() (outcome, error) { return m.overSQL(ctx, inflight) }},
			{&out.gateway, func() (outcome, error) { return m.client(ctx, m.g, inflight, inflight, 0) }},
			{&out.shared, func() (outcome, error) {
				if idle == 0 {
					return outcome{}, nil
				}
				return m.client(ctx, m.g, inflight, shared, 0)
			}},
			{&out.duck, func() (outcome, error) { return m.overDuck(ctx, inflight) }},
			{&out.crowded, func() (outcome, error) {
				if idle == 0 {
					return outcome{}, nil
				}
				return m.client(ctx, m.g, inflight, inflight, idle)
			}},
			{&out.floor, func() (outcome, error) { return m.client(ctx, m.floor, inflight, inflight, 0) }},
		} {
			one, err := side.run()
			if err != nil {
				return nil, err
			}
			*side.into = append(*side.into, one)
		}
	}
	return out, nil
}

func median(rounds []outcome, of func(outcome) float64) float64 {
	values := make([]float64, len(rounds))
	for i, o := range rounds {
		values[i] = of(o)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (s *sides) latencies(name string) []string {
	at := func(rounds []outcome, q float64) float64 {
		return median(rounds, func(o outcome) float64 { return o.at(q) })
	}
	cell := func(p50, p99 float64) string { return fmt.Sprintf("%.3f / %.3f", p50, p99) }
	half, most := at(s.gateway, 0.5), at(s.gateway, 0.99)
	return []string{
		name, cell(at(s.sql, 0.5), at(s.sql, 0.99)), cell(at(s.duck, 0.5), at(s.duck, 0.99)), cell(half, most), cell(half-at(s.duck, 0.5), most-at(s.duck, 0.99)),
		cell(at(s.floor, 0.5), at(s.floor, 0.99)),
	}
}

func (s *sides) rates(name string) []string {
	sql, duck := median(s.sql, outcome.rate), median(s.duck, outcome.rate)
	through, few, crowded := median(s.gateway, outcome.rate), median(s.shared, outcome.rate), median(s.crowded, outcome.rate)
	rate := func(v float64) string { return fmt.Sprintf("%.0f", v) }
	share := func(v, of float64) string { return fmt.Sprintf("%.0f %%", 100*v/of) }
	return []string{name, rate(sql), rate(duck), rate(through), share(through, sql), share(through, duck), rate(few), share(few, sql), rate(crowded), share(crowded, sql), share(crowded, duck), rate(median(s.floor, outcome.rate))}
}

func (s *sides) costs(name string) []string {
	sql, through, few := median(s.sql, outcome.cost), median(s.gateway, outcome.cost), median(s.shared, outcome.cost)
	cell := func(v float64) string { return fmt.Sprintf("%.1f", v) }
	return []string{name, cell(sql), cell(median(s.duck, outcome.cost)), cell(through), cell(median(s.gateway, outcome.clientCost)), fmt.Sprintf("%.0f %%", 100*sql/through),
		cell(few), cell(median(s.shared, outcome.clientCost)), fmt.Sprintf("%.0f %%", 100*sql/few)}
}

// client runs the client process.
func (m *measurement) client(ctx context.Context, g *gateway, inflight, connections, idle int) (outcome, error) {
	order, err := json.Marshal(order{Address: g.addr, Statement: m.statement, Connections: connections, InFlight: inflight / connections, Idle: idle, Rows: m.rows, Seconds: m.o.seconds})
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-client", string(order)) //nolint:gosec // itself
	cmd.Stderr = os.Stderr
	before, err := usage.CPU(g.cmd.Process.Pid)
	if err != nil {
		return outcome{}, err
	}
	out, err := cmd.Output()
	if err != nil {
		return outcome{}, fmt.Errorf("client: %w", err)
	}
	after, err := usage.CPU(g.cmd.Process.Pid)
	if err != nil {
		return outcome{}, err
	}
	var result outcome
	if err := json.Unmarshal(out, &result); err != nil {
		return outcome{}, fmt.Errorf("client: %w", err)
	}
	if result.Count == 0 {
		return outcome{}, errors.New("client: no answers")
	}
	result.CPU, result.Client = (after - before).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return result, nil
}

// timed collects latencies of one goroutine.
type timed struct{ all []float64 }

func (t *timed) add(d time.Duration) { t.all = append(t.all, float64(d.Nanoseconds())/1e6) }
