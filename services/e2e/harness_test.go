package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/oracle"
	"github.com/chittihq/duckling/testkit/stack"
)

// patience bounds every wait; only a failing test waits that long.
const patience = 3 * time.Minute

// flavors runs a test on both servers.
func flavors(t *testing.T, test func(t *testing.T, flavor mysqltest.Flavor)) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) { test(t, flavor) })
	}
}

// newStack lays out a stack on a source; its logs are shown when the test fails.
func newStack(t *testing.T, source string, env ...string) *stack.Stack {
	t.Helper()
	s, err := stack.New(stack.Options{Source: source, Dir: t.TempDir(), Env: env})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, service := range s.Services() {
				t.Logf("%s:\n%s", service.Name, service.Tail())
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func start(ctx context.Context, t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// connect opens a client that goes on through restarts of the gateway.
func connect(ctx context.Context, t *testing.T, s *stack.Stack) *duckling.Client {
	t.Helper()
	client, err := duckling.Open(ctx, duckling.Config{
		URL: s.WebSocket(), APIKey: stack.Key, MaxReconnectAttempts: -1, ReconnectDelay: 50 * time.Millisecond, RetryLost: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// eventually waits for check to pass.
func eventually(ctx context.Context, t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// caughtUp waits until a reader sees a row committed now, and so everything before it.
func caughtUp(ctx context.Context, t *testing.T, b *bank, client *duckling.Client) {
	t.Helper()
	id, err := b.mark(ctx)
	if err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, fmt.Sprintf("mark %d to arrive", id), func() error {
		n, err := duckling.Get[int](ctx, client, "SELECT COUNT(*) FROM mark WHERE id = ?", id)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d rows", n)
		}
		return err
	})
}

// mustEqual compares every table with the newest generation, which must hold all of the source.
func mustEqual(ctx context.Context, t *testing.T, b *bank, s *stack.Stack) {
	t.Helper()
	if err := oracle.Compare(ctx, b.db, oracle.Newest{Dir: s.Generations()}); err != nil {
		t.Fatal(err)
	}
}

// equal is mustEqual's check, for states that take a while to settle.
func equal(ctx context.Context, b *bank, s *stack.Stack) error {
	return oracle.Compare(ctx, b.db, oracle.Newest{Dir: s.Generations()})
}
