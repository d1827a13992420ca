// Package resttest tests the HTTP interface on whole gateways.
package resttest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gateway"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// Config is the gateway's.
type Config = gateway.Config

// Jobs are the gateway's settings of jobs.
type Jobs = gateway.Jobs

const key = "the-admin-key"

// server is a running gateway.
type server struct {
	t    testing.TB
	addr string
	stop func()
}

// start runs the gateway on a data directory until the test ends or stop is called.
func start(t testing.TB, data string, change ...func(*Config)) *server {
	t.Helper()
	c := new(Config)
	if err := os.Setenv("DUCKLING_API_KEY", key); err != nil {
		t.Fatal(err)
	}
	if err := config.Load(c); err != nil {
		t.Fatal(err)
	}
	c.AddrFile = filepath.Join(t.TempDir(), "addr")
	c.DataDir, c.Host, c.Port, c.TempDir, c.MemoryLimit = data, "127.0.0.1", 0, t.TempDir(), "1GB"
	for _, f := range change {
		f(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	env := &daemon.Env{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Health: daemon.NewHealth(), Out: io.Discard}
	go func() { ended <- c.Run(ctx, env) }()
	stopped := false
	s := &server{t: t, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with: %v", err)
		}
	}}
	t.Cleanup(s.stop)
	gentest.Eventually(t, func() bool {
		select {
		case err := <-ended:
			t.Fatalf("the gateway ended with: %v", err)
		default:
		}
		addr, err := os.ReadFile(c.AddrFile)
		s.addr = string(addr)
		return err == nil
	})
	return s
}

// shop starts a gateway that serves the guide's tables.
func shop(t testing.TB, change ...func(*Config)) *server {
	t.Helper()
	data := t.TempDir()
	publish(t, data, "default")
	s := start(t, data, change...)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	return s
}

func publish(t testing.TB, data, id string) *gentest.Publisher {
	t.Helper()
	p := gentest.New(t, data, id)
	p.Shop()
	p.Publish()
	return p
}

// do sends a request with the admin key and returns the status and the body.
func (s *server) do(method, path, body string, header ...string) (int, string) {
	s.t.Helper()
	status, out, _ := s.send(method, path, body, append([]string{"Authorization", "Bearer " + key}, header...)...)
	return status, out
}

func (s *server) get(path string) (int, string) { s.t.Helper(); return s.do(http.MethodGet, path, "") }

func (s *server) send(method, path, body string, header ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(out), resp.Header
}
