package bus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
)

// serveControl serves until the test ends.
func serveControl(t *testing.T, b *Bus, handle func(ctx context.Context, request []byte) ([]byte, error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx, LoaderControl("shop"), handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	// Serving begins at some moment after the call.
	for {
		_, err := b.Request(t.Context(), LoaderControl("shop"), []byte("ping"))
		if !errors.Is(err, ErrNoResponders) {
			return
		}
	}
}

func TestControl(t *testing.T) {
	b := connectTo(t, startServer(t))
	if _, err := b.Request(t.Context(), LoaderControl("shop"), nil); !errors.Is(err, ErrNoResponders) {
		t.Fatalf("nobody serves: %v", err)
	}
	serveControl(t, b, func(_ context.Context, request []byte) ([]byte, error) {
		switch string(request) {
		case "typed":
			return nil, &ControlError{Code: "unknown_table", Message: "no table of this name"}
		case "plain":
			return nil, errors.New("it broke\nbadly")
		case "large":
			return make([]byte, 9<<20), nil
		}
		return bytes.ToUpper(request), nil
	})
	reply, err := b.Request(t.Context(), LoaderControl("shop"), []byte("status"))
	if err != nil || string(reply) != "STATUS" {
		t.Fatalf("got %q, %v", reply, err)
	}
	for request, want := range map[string]ControlError{
		"typed": {Code: "unknown_table", Message: "no table of this name"},
		"plain": {Code: "internal", Message: "it broke\nbadly"},
	} {
		_, err := b.Request(t.Context(), LoaderControl("shop"), []byte(request))
		var control *ControlError
		if !errors.As(err, &control) || *control != want {
			t.Errorf("%s: got %v", request, err)
		}
	}
	if _, err := b.Request(t.Context(), LoaderControl("shop"), []byte("large")); err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("an answer that is too large: %v", err)
	}
	if _, err := b.Request(t.Context(), IngestControl("shop"), nil); !errors.Is(err, ErrNoResponders) {
		t.Errorf("nobody serves ingest: %v", err)
	}
}

// A request that takes long does not keep others waiting.
func TestControlRequestsRunSideBySide(t *testing.T) {
	b := connectTo(t, startServer(t))
	release := make(chan struct{})
	serveControl(t, b, func(_ context.Context, request []byte) ([]byte, error) {
		if string(request) == "slow" {
			<-release
		}
		return request, nil
	})
	var slow sync.WaitGroup
	slow.Go(func() {
		if _, err := b.Request(t.Context(), LoaderControl("shop"), []byte("slow")); err != nil {
			t.Errorf("slow: %v", err)
		}
	})
	if _, err := b.Request(t.Context(), LoaderControl("shop"), []byte("quick")); err != nil {
		t.Errorf("quick: %v", err)
	}
	close(release)
	slow.Wait()
}

func TestRequestEndsWithItsContext(t *testing.T) {
	b := connectTo(t, startServer(t))
	ctx, cancel := context.WithCancel(t.Context())
	serveControl(t, b, func(_ context.Context, request []byte) ([]byte, error) {
		if string(request) == "never" {
			cancel()
			<-t.Context().Done()
		}
		return nil, nil
	})
	if _, err := b.Request(ctx, LoaderControl("shop"), []byte("never")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
