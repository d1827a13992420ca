package shop_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/demo/shop"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// until polls, for the traffic tells nobody of a single transaction.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-poll.C:
		}
	}
}

// start runs traffic; the returned function ends it and reports what Run returned.
func start(t *testing.T, traffic *shop.Traffic) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- traffic.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-done
	}
}

func TestTrafficKeepsTheShopConsistent(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s := mysqltest.ForTest(t, flavor)
		db := database(t, s, "shop")
		load(t, db, small, 1)
		var log bytes.Buffer
		traffic, err := shop.NewTraffic(db, 5000, 3, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		before, err := s.GTID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, traffic)
		until(t, "every kind of transaction", func() bool {
			n := traffic.Stats()
			return n.NewOrders > 200 && n.StatusChanges > 200 && n.PriceChanges > 40 && n.Cancellations > 20 && n.NewUsers > 20
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		stats := traffic.Stats()
		checkInvariants(t, db)
		// The last transaction may have been committed when the context ended, uncounted.
		if got, want := int64(count(t, db, "SELECT COUNT(*) FROM `Order`")-small.Orders), stats.NewOrders-stats.Cancellations; got < want-1 || got > want+1 {
			t.Errorf("%d orders more, but %d counted", got, want)
		}
		if got := int64(count(t, db, "SELECT COUNT(*) FROM User") - small.Users); got < stats.NewUsers || got > stats.NewUsers+1 {
			t.Errorf("%d users more, but %d counted", got, stats.NewUsers)
		}
		if n := count(t, db, "SELECT COUNT(*) FROM `Order` WHERE status IN ('paid', 'shipped', 'delivered') AND id > ?", small.Orders); n == 0 {
			t.Error("no new order moved on")
		}
		if stats.Errors != 0 || log.Len() != 0 {
			t.Errorf("%d errors, log: %s", stats.Errors, log.String())
		}
		after, err := s.GTID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if before == after {
			t.Errorf("nothing reached the binlog: %s", after)
		}
	})
}

func TestTrafficOutlivesItsServer(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s := mysqltest.ForTest(t, flavor)
		db := database(t, s, "shop")
		load(t, db, small, 1)
		var log bytes.Buffer
		traffic, err := shop.NewTraffic(db, 500, 3, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		stop := start(t, traffic)
		until(t, "commits", func() bool { return traffic.Stats().Commits() > 50 })
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		until(t, "errors", func() bool { return traffic.Stats().Errors > 2 })
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		then := traffic.Stats().Commits()
		until(t, "commits after the restart", func() bool { return traffic.Stats().Commits() > then+50 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, db)
		if text := log.String(); strings.Count(text, "shop traffic fails") != 1 || strings.Count(text, "shop traffic recovered") != 1 {
			t.Errorf("the log is not one line for the failure and one for its end: %s", text)
		}
	})
}

// Traffics with different seeds share a shop: what one takes from under another is no error
// and no wrong row.
func TestTrafficsTogether(t *testing.T) {
	t.Parallel()
	db := database(t, mysqltest.ForTest(t, mysqltest.MySQL), "shop")
	load(t, db, small, 1)
	var traffics []*shop.Traffic
	var stops []func() error
	for seed := range uint64(3) {
		traffic, err := shop.NewTraffic(db, 2000, seed, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		traffics, stops = append(traffics, traffic), append(stops, start(t, traffic))
	}
	for i, traffic := range traffics {
		until(t, "commits", func() bool { return traffic.Stats().Commits() > 200 })
		if err := stops[i](); err != nil {
			t.Error(err)
		}
	}
	checkInvariants(t, db)
}

func TestTrafficNeedsAShop(t *testing.T) {
	t.Parallel()
	db := database(t, mysqltest.ForTest(t, mysqltest.MariaDB), "shop")
	traffic, err := shop.NewTraffic(db, 10, 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := traffic.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "reading the shop before its traffic") {
		t.Errorf("the error is %v", err)
	}
	if _, err := shop.NewTraffic(db, 0, 1, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a rate of zero was accepted")
	}
}
