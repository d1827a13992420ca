package mysqltest

import (
	"context"
	"testing"
	"time"
)

// ForTest starts a server that is gone when the test ends; the test fails where it cannot.
func ForTest(t testing.TB, flavor Flavor, args ...string) *Server {
	t.Helper()
	// A bound for a server that hangs, far above what a start takes.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := Start(ctx, Options{Flavor: flavor, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
