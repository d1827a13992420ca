package embedded_test

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
)

func start(t testing.TB, cfg embedded.Config) *embedded.Server {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t testing.TB, url string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Config{URL: url, Name: t.Name(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func publish(t testing.TB, b *bus.Bus, payloads ...string) {
	t.Helper()
	if err := b.EnsureStream(t.Context(), "shop", bus.StreamOptions{}); err != nil {
		t.Fatal(err)
	}
	tail, err := b.Tail(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Publisher("shop", tail, bus.PublisherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i, payload := range payloads {
		if _, err := p.Publish(t.Context(), fmt.Sprint("m", i), []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestStreamSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	first := start(t, embedded.Config{StoreDir: dir})
	publish(t, connect(t, first.ClientURL()), "a", "b")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, embedded.Config{StoreDir: dir})
	defer second.Stop()
	tail, err := connect(t, second.ClientURL()).Tail(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if tail.LastSeq != 2 || string(tail.Last.Payload) != "b" {
		t.Fatalf("tail after the restart: %+v", tail)
	}
}

func TestOneServerForADirectory(t *testing.T) {
	dir := t.TempDir()
	s := start(t, embedded.Config{StoreDir: dir})
	_, err := embedded.Start(embedded.Config{StoreDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Fatalf("second server: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	start(t, embedded.Config{StoreDir: dir}).Stop()
}

func TestToken(t *testing.T) {
	s := start(t, embedded.Config{StoreDir: t.TempDir(), Token: "sesame"})
	defer s.Stop()
	connect(t, s.ClientURL())
	_, err := bus.Connect(t.Context(), bus.Config{
		URL:    strings.Replace(s.ClientURL(), "sesame", "wrongword", 1),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), "refused the user, password or token") {
		t.Fatalf("wrong token: %v", err)
	}
	if strings.Contains(err.Error(), "wrongword") {
		t.Fatalf("the token is in the error: %v", err)
	}
}

func TestStartFailures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		cfg  embedded.Config
		want string
	}{
		{"directory is a file", embedded.Config{StoreDir: file}, "making the NATS store directory"},
		{"port is taken", embedded.Config{StoreDir: t.TempDir(), Port: taken.Addr().(*net.TCPAddr).Port}, "address already in use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Logger = slog.New(slog.DiscardHandler)
			s, err := embedded.Start(c.cfg)
			if err == nil {
				s.Stop()
				t.Fatal("the server started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %q, want it to say %q", err, c.want)
			}
		})
	}
}

// BenchmarkPublish measures what fsync before every acknowledgement costs.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 256 << 10} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/sync=%t", size, sync), func(b *testing.B) {
				s := start(b, embedded.Config{StoreDir: b.TempDir(), SyncAlways: sync})
				defer s.Stop()
				conn := connect(b, s.ClientURL())
				if err := conn.EnsureStream(b.Context(), "shop", bus.StreamOptions{}); err != nil {
					b.Fatal(err)
				}
				tail, err := conn.Tail(b.Context(), "shop")
				if err != nil {
					b.Fatal(err)
				}
				p, err := conn.Publisher("shop", tail, bus.PublisherOptions{})
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				payload := incompressible(size)
				b.SetBytes(int64(size))
				for i := 0; b.Loop(); i++ {
					if _, err := p.Publish(b.Context(), fmt.Sprint(i), payload); err != nil {
						b.Fatal(err)
					}
				}
				if err := p.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// incompressible returns bytes that zstd does not shrink.
func incompressible(size int) []byte {
	out := make([]byte, size)
	state := uint64(88172645463325252)
	for i := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[i] = byte(state)
	}
	return out
}
