package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/seed"
	"github.com/chittihq/duckling/testkit/stack"
)

// The promise of the product: after any workload with any crashes, every table in DuckDB
// equals the source's, and no reader ever saw half a transaction.
func TestReplicaEqualsSourceThroughCrashes(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		seed := seed.For(t)
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, seed)
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)

		stop := watchInvariant(ctx, t, client)
		crashes := rand.New(rand.NewPCG(seed, 2))
		for round := range 6 {
			done := make(chan error, 1)
			go func() { done <- b.run(ctx, 250) }()
			crash(ctx, t, s, crashes, round)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			start(ctx, t, s)
			caughtUp(ctx, t, b, client)
			mustEqual(ctx, t, b, s)
		}
		stop()
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}

// crash ends services in the middle of the workload: each by itself first, then together, NATS among them.
func crash(ctx context.Context, t *testing.T, s *stack.Stack, random *rand.Rand, round int) {
	t.Helper()
	victims := [][]*stack.Service{{s.Ingest}, {s.Loader}, {s.Gateway}, {s.NATS}, {s.Loader, s.NATS}, {s.Ingest, s.Loader, s.Gateway}}[round]
	for _, victim := range victims {
		if random.IntN(3) == 0 && victim != s.NATS {
			if err := victim.Stop(ctx); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := victim.Kill(); err != nil {
			t.Error(err)
		}
	}
	for _, victim := range victims {
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// watchInvariant reads sums over three tables again and again and fails the test when an answer
// shows part of a transaction, or an older generation than the one before it.
func watchInvariant(ctx context.Context, t *testing.T, client *duckling.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	reads := 0
	watching.Go(func() {
		var last uint64
		for ctx.Err() == nil {
			result, err := client.Query(ctx, `SELECT (SELECT SUM(balance) FROM account) AS money,
				(SELECT COUNT(*) FROM (SELECT a.id FROM account a LEFT JOIN entry e ON e.account_id = a.id
					GROUP BY a.id, a.balance HAVING a.balance <> ? + COALESCE(SUM(e.amount), 0))) AS wrong`, opening)
			if err != nil {
				continue // the gateway is being restarted
			}
			var money float64
			var wrong int
			if err := result.Row(0).Scan(&money, &wrong); err != nil {
				t.Error(err)
				return
			}
			if money != accounts*opening || wrong != 0 {
				t.Errorf("generation %d shows part of a transaction: money %v, %d accounts disagree with their entries", result.Meta().Generation, money, wrong)
				return
			}
			if g := result.Meta().Generation; g < last {
				t.Errorf("generation %d came after %d", g, last)
				return
			} else {
				last = g
			}
			reads++
		}
	})
	return func() {
		cancel()
		watching.Wait()
		if reads == 0 {
			t.Error("the invariant was never read")
		}
	}
}

// What the source committed before Duckling ever ran is copied, and what it commits
// while nothing runs is caught up with.
func TestCatchesUpWithWhatHappenedWhileDown(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, 7)
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		for _, service := range []*stack.Service{s.Ingest, s.Loader} {
			if err := service.Stop(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.run(ctx, 300); err != nil {
			t.Fatal(err)
		}
		for _, change := range []string{
			"TRUNCATE TABLE audit", "INSERT INTO audit VALUES ('after', 1), ('after', 1)",
			"CREATE TABLE fresh (id INT PRIMARY KEY, v VARCHAR(5))", "INSERT INTO fresh VALUES (1, 'a')",
			"ALTER TABLE account ADD COLUMN tier INT NOT NULL DEFAULT 3", "UPDATE account SET tier = 4 WHERE id < 10",
			"RENAME TABLE fresh TO renamed", "INSERT INTO renamed VALUES (2, NULL)",
			"CREATE TABLE gone (id INT PRIMARY KEY)", "INSERT INTO gone VALUES (1)", "DROP TABLE gone",
		} {
			if _, err := b.db.ExecContext(ctx, change); err != nil {
				t.Fatalf("%s: %v", change, err)
			}
		}
		start(ctx, t, s)
		caughtUp(ctx, t, b, client)
		eventually(ctx, t, "the changed tables", func() error { return equal(ctx, b, s) })
		if _, err := client.Query(ctx, "SELECT * FROM gone"); duckling.CodeOf(err) != duckling.CodeNotFound {
			t.Errorf("a dropped table answers %v", err)
		}
	})
}

// A source that goes away and comes back loses nothing.
func TestSourceRestarts(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := newBank(ctx, t, server, 8)
		s := newStack(t, server.URL("bank"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		for range 2 {
			if err := b.run(ctx, 100); err != nil {
				t.Fatal(err)
			}
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := server.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			if err := b.run(ctx, 100); err != nil {
				t.Fatal(err)
			}
			caughtUp(ctx, t, b, client)
			mustEqual(ctx, t, b, s)
		}
	})
}

// Positions on a source without GTID are files and offsets.
func TestWithoutGTID(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MySQL, mysqltest.WithoutGTID()...)
	b := newBank(ctx, t, server, 9)
	s := newStack(t, server.URL("bank"))
	start(ctx, t, s)
	client := connect(ctx, t, s)
	for range 3 {
		if err := b.run(ctx, 100); err != nil {
			t.Fatal(err)
		}
		if _, err := b.db.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Ingest.Kill(), s.Ingest.Start()); err != nil {
			t.Fatal(err)
		}
		if err := b.run(ctx, 100); err != nil {
			t.Fatal(err)
		}
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
	}
}
