package shop

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

func TestSameSeedSameTraffic(t *testing.T) {
	t.Parallel()
	contents := map[string][]string{}
	for name, seed := range map[string]uint64{"first": 5, "again": 5, "other": 6} {
		contents[name] = afterTraffic(t, mysqltest.ForTest(t, mysqltest.MariaDB), seed)
	}
	if !slices.Equal(contents["first"], contents["again"]) {
		t.Error("the same seed made different transactions")
	}
	if slices.Equal(contents["first"], contents["other"]) {
		t.Error("different seeds made the same transactions")
	}
}

// afterTraffic returns the shop's rows, less the times, after some transactions.
func afterTraffic(t *testing.T, server *mysqltest.Server, seed uint64) []string {
	t.Helper()
	const name = "shop"
	if err := server.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	db, err := server.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	scale := Scale{Users: 50, Orders: 200, Items: 500, Products: 20}
	if err := Load(t.Context(), db, Options{Scale: scale, Seed: 1, End: time.Date(2026, 3, 18, 0, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	s, err := openShop(t.Context(), db, seed)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if err := s.transact(t.Context(), drawKind(s.random)); err != nil && !errors.Is(err, errNothingToDo) {
			t.Fatal(err)
		}
	}
	var rows []string
	for _, query := range []string{
		"SELECT CONCAT_WS('|', id, name, email, country, region, revenue) FROM User ORDER BY id",
		"SELECT CONCAT_WS('|', id, price) FROM Product ORDER BY id",
		"SELECT CONCAT_WS('|', id, userId, status, total, channel) FROM `Order` ORDER BY id",
		"SELECT CONCAT_WS('|', id, orderId, productId, quantity, price) FROM OrderItem ORDER BY id",
	} {
		rows = append(rows, column(t, db, query)...)
	}
	return rows
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	found, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var values []string
	for found.Next() {
		var value string
		if err := found.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10)
		wait := func(times int) time.Duration {
			start := time.Now()
			for range times {
				if !p.wait(t.Context()) {
					t.Fatal("the pace ended by itself")
				}
			}
			return time.Since(start)
		}
		if took := wait(51); took != 5*time.Second {
			t.Errorf("51 transactions at 10/s took %s", took)
		}
		time.Sleep(10 * time.Second) // on the bubble's clock
		if took := wait(11); took != 0 {
			t.Errorf("a second's worth was caught up in %s, not at once", took)
		}
		if took := wait(10); took != time.Second {
			t.Errorf("after catching up, ten transactions took %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p.wait(ctx) {
			t.Error("the pace goes on after its context")
		}
	})
}

func TestDecimal(t *testing.T) {
	for cents, want := range map[int64]string{0: "0.00", 5: "0.05", -5: "-0.05", 123456: "1234.56", -200: "-2.00"} {
		if got := decimal(cents); got != want {
			t.Errorf("%d cents are written %s", cents, got)
		}
	}
}

func TestPopularityReachesEverything(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 61, 100} {
		p := newPopularity(newRandom(1, 1, 1), n, 1.1, 5)
		seen := map[uint64]bool{}
		for rank := range uint64(n) {
			seen[(rank*p.stride+p.n/3)%p.n] = true
		}
		if len(seen) != n {
			t.Errorf("of %d things, %d can be drawn", n, len(seen))
		}
		for range 1000 {
			if at := p.draw(); at < 0 || at >= n {
				t.Fatalf("of %d things, number %d was drawn", n, at)
			}
		}
	}
	if fmt.Sprint(newRandom(1, 2, 3).Uint64()) == fmt.Sprint(newRandom(1, 3, 2).Uint64()) {
		t.Error("different streams start alike")
	}
}
