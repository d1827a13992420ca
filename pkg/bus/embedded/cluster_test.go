package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/chittihq/duckling/pkg/bus"
)

// cluster is three servers that keep streams together.
type cluster struct {
	t       *testing.T
	options []server.Options
	servers []*server.Server
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t}
	var routes []*url.URL
	for range 3 {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", freePort(t))})
	}
	for i, route := range routes {
		options := server.Options{
			ServerName: fmt.Sprint("node", i),
			Host:       "127.0.0.1",
			Port:       freePort(t),
			JetStream:  true,
			StoreDir:   t.TempDir(),
			Routes:     routes,
			NoSigs:     true,
			NoLog:      true,
		}
		options.Cluster.Name = "duckling"
		options.Cluster.Host = "127.0.0.1"
		_, port, _ := strings.Cut(route.Host, ":")
		if _, err := fmt.Sscan(port, &options.Cluster.Port); err != nil {
			t.Fatal(err)
		}
		c.options = append(c.options, options)
		c.servers = append(c.servers, nil)
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.stop(i)
		}
	})
	return c
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *cluster) start(i int) {
	options := c.options[i]
	s, err := server.NewServer(&options)
	if err != nil {
		c.t.Fatal(err)
	}
	s.Start()
	c.servers[i] = s
}

func (c *cluster) stop(i int) {
	c.servers[i].Shutdown()
	c.servers[i].WaitForShutdown()
}

func (c *cluster) url() string {
	var out []string
	for _, options := range c.options {
		out = append(out, fmt.Sprintf("nats://127.0.0.1:%d", options.Port))
	}
	return strings.Join(out, ",")
}

// leader is the server that leads the stream, or -1.
func (c *cluster) leader() int {
	for i, s := range c.servers {
		if s.JetStreamIsStreamLeader("$G", "CDC_shop") {
			return i
		}
	}
	return -1
}

// within calls try until it succeeds.
func within(ctx context.Context, t *testing.T, limit time.Duration, doing string, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s: %v", doing, err)
		}
	}
}

// In a cluster of three the stream's leader goes down again and again while a
// writer publishes and a reader reads. Every number arrives once and in order.
func TestClusterLosesLeaders(t *testing.T) {
	c := startCluster(t)
	var b *bus.Bus
	within(t.Context(), t, time.Minute, "connecting", func(ctx context.Context) (err error) {
		b, err = bus.Connect(ctx, bus.Config{URL: c.url(), Name: "test", Logger: slog.New(slog.DiscardHandler)})
		return err
	})
	t.Cleanup(b.Close)
	within(t.Context(), t, time.Minute, "creating the stream", func(ctx context.Context) error {
		return b.EnsureStream(ctx, "shop", bus.StreamOptions{Replicas: 3})
	})

	const total = 2000
	read := make(chan error, 1)
	go func() { read <- readAll(t.Context(), b, total) }()

	down := -1
	due := map[int]bool{}
	for range 3 {
		due[1+rand.IntN(total-1)] = true
	}
	t.Logf("the leader goes down before %v", due)
	within(t.Context(), t, 2*time.Minute, "writing", func(ctx context.Context) error {
		return writeAll(ctx, b, total, func(n int) {
			if !due[n] {
				return
			}
			delete(due, n)
			if down >= 0 {
				c.start(down)
			}
			within(ctx, t, time.Minute, "finding the leader", func(context.Context) error {
				if down = c.leader(); down < 0 {
					return errors.New("there is none")
				}
				return nil
			})
			c.stop(down)
		})
	})
	if err := <-read; err != nil {
		t.Fatalf("reading along: %v", err)
	}
	if err := readAll(t.Context(), b, total); err != nil {
		t.Fatalf("reading again: %v", err)
	}
}

// writeAll publishes the numbers after the stream's tail.
func writeAll(ctx context.Context, b *bus.Bus, total int, before func(n int)) error {
	tail, err := b.Tail(ctx, "shop")
	if err != nil {
		return err
	}
	next := 1
	if tail.Last != nil {
		if _, err := fmt.Sscan(string(tail.Last.Payload), &next); err != nil {
			return err
		}
		next++
	}
	p, err := b.Publisher("shop", tail, bus.PublisherOptions{MaxInFlightBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer p.Close()
	for n := next; n <= total; n++ {
		before(n)
		if _, err := p.Publish(ctx, fmt.Sprint(n), fmt.Append(nil, n)); err != nil {
			return err
		}
	}
	return p.Flush(ctx)
}

// readAll reads the numbers from the start and fails on any other order.
func readAll(ctx context.Context, b *bus.Bus, total int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	all := errors.New("all there")
	want := 1
	err := b.Consume(ctx, "shop", 1, bus.ConsumerOptions{}, func(m *bus.Message) error {
		if string(m.Payload) != fmt.Sprint(want) {
			return fmt.Errorf("read %s where %d belongs", m.Payload, want)
		}
		if want++; want > total {
			return all
		}
		return nil
	})
	if !errors.Is(err, all) {
		return err
	}
	return nil
}

// The rule that keeps a message from slipping in behind a foreign one holds
// in a cluster, where the leader checks sequences before the vote and ids after it.
func TestClusterFencesSecondWriter(t *testing.T) {
	c := startCluster(t)
	var first, second *bus.Bus
	for _, b := range []**bus.Bus{&first, &second} {
		within(t.Context(), t, time.Minute, "connecting", func(ctx context.Context) (err error) {
			*b, err = bus.Connect(ctx, bus.Config{URL: c.url(), Name: "test", Logger: slog.New(slog.DiscardHandler)})
			return err
		})
		t.Cleanup((*b).Close)
	}
	within(t.Context(), t, time.Minute, "creating the stream", func(ctx context.Context) error {
		return first.EnsureStream(ctx, "shop", bus.StreamOptions{Replicas: 3})
	})
	for round := range 50 {
		tail, err := first.Tail(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		var publishers []*bus.Publisher
		for i, b := range []*bus.Bus{first, second} {
			p, err := b.Publisher("shop", tail, bus.PublisherOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			publishers = append(publishers, p)
			for n := range 3 {
				// A refusal may come at once; Flush returns it below.
				_, _ = p.Publish(t.Context(), "frame", fmt.Appendf(nil, "round %d writer %d message %d", round, i, n))
			}
		}
		won := 0
		for _, p := range publishers {
			switch err := p.Flush(t.Context()); {
			case err == nil:
				won++
			case !errors.Is(err, bus.ErrFenced):
				t.Fatal(err)
			}
		}
		now, err := first.Tail(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if won != 1 || now.LastSeq != tail.LastSeq+3 {
			t.Fatalf("round %d: %d writers had their way and the stream grew by %d, want 1 and 3", round, won, now.LastSeq-tail.LastSeq)
		}
	}
}
