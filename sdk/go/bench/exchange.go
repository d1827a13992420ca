package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	duckling "github.com/chittihq/duckling/sdk/go"
)

const sql = "SELECT 1 AS n"

// rawFrame is byte for byte what the client sends for sql.
func rawFrame(id int) []byte {
	return fmt.Appendf(nil, `{"id":"%d","type":"query","sql":"SELECT 1 AS n","meta":true,"numberMode":"number"}`, id)
}

func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // Dial says the body never needs closing
	if err != nil {
		return nil, fmt.Errorf("dialing: %w", err)
	}
	conn.SetReadLimit(-1)
	return conn, nil
}

// overhead takes turns between a bare exchange and a Query, one at a time, so that both see the
// same machine.
func overhead(ctx context.Context, url string, rounds int) error {
	raw, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = raw.CloseNow() }()
	client, err := duckling.Open(ctx, duckling.Config{URL: url, APIKey: "k"})
	if err != nil {
		return err
	}
	defer client.Close()

	bare, query, scanned := make([]time.Duration, rounds), make([]time.Duration, rounds), make([]time.Duration, rounds)
	for i := -rounds / 10; i < rounds; i++ { // the first tenth warms up
		start := time.Now()
		if err := exchange(ctx, raw, i+rounds); err != nil {
			return err
		}
		first := time.Now()
		result, err := client.Query(ctx, sql)
		if err != nil {
			return err
		}
		second := time.Now()
		var n int
		if err := result.Row(0).Scan(&n); err != nil {
			return err
		}
		if i >= 0 {
			bare[i], query[i], scanned[i] = first.Sub(start), second.Sub(first), time.Since(first)
		}
	}
	fmt.Printf("One at a time, %d exchanges each          p50        p99\n", rounds)
	line := func(name string, d []time.Duration) {
		slices.Sort(d)
		fmt.Printf("  %-38s %8.1f us %8.1f us\n", name, micros(d[len(d)/2]), micros(d[len(d)*99/100]))
	}
	line("bare frames", bare)
	line("Client.Query", query)
	line("Client.Query and Scan", scanned)
	at := func(d []time.Duration, share int) float64 { return micros(d[len(d)*share/100]) }
	fmt.Printf("  %-38s %8.1f us %8.1f us\n\n", "overhead with Scan", at(scanned, 50)-at(bare, 50), at(scanned, 99)-at(bare, 99))
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func exchange(ctx context.Context, conn *websocket.Conn, id int) error {
	if err := conn.Write(ctx, websocket.MessageText, rawFrame(id)); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if _, _, err := conn.Read(ctx); err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	return nil
}

// throughput keeps requests in flight, bare and through the client, on one and on five connections.
func throughput(ctx context.Context, url string, rounds int) error {
	fmt.Printf("In flight together                        requests/s\n")
	for _, c := range []struct{ connections, inFlight int }{{1, 40}, {5, 1000}} {
		bare, err := rawThroughput(ctx, url, c.connections, c.inFlight, 5*rounds)
		if err != nil {
			return err
		}
		client, err := clientThroughput(ctx, url, c.connections, c.inFlight, 5*rounds)
		if err != nil {
			return err
		}
		fmt.Printf("  %4d on %d: bare frames %10.0f, client %10.0f, ratio %.2f\n", c.inFlight, c.connections, bare, client, client/bare)
	}
	fmt.Println()
	return nil
}

// rawThroughput keeps inFlight/connections frames under way on each connection.
func rawThroughput(ctx context.Context, url string, connections, inFlight, total int) (float64, error) {
	each, window := total/connections, inFlight/connections
	return rate(each*connections, connections, func() error {
		conn, err := dial(ctx, url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		free := make(chan struct{}, window)
		written := make(chan error, 1)
		go func() {
			for i := range each {
				free <- struct{}{}
				if err := conn.Write(ctx, websocket.MessageText, rawFrame(i)); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		for range each {
			if _, _, err := conn.Read(ctx); err != nil {
				return fmt.Errorf("reading: %w", err)
			}
			<-free
		}
		return <-written
	})
}

func clientThroughput(ctx context.Context, url string, connections, inFlight, total int) (float64, error) {
	pool, err := duckling.OpenPool(ctx, duckling.Config{URL: url, APIKey: "k"}, connections)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	var next atomic.Int64
	return rate(total, inFlight, func() error {
		for next.Add(1) <= int64(total) {
			if _, err := duckling.Get[int](ctx, pool, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// rate runs work in several goroutines at once and says how many requests a second they made.
func rate(requests, workers int, work func() error) (float64, error) {
	errs := make([]error, workers)
	var all sync.WaitGroup
	start := time.Now()
	for i := range errs {
		all.Go(func() { errs[i] = work() })
	}
	all.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(requests) / took.Seconds(), nil
}
