package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health holds the conditions of a service by name. A service is ready when it has
// at least one and all hold. Safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	conditions map[string]string // empty text: it holds
}

// NewHealth returns a Health without conditions, which is not ready.
func NewHealth() *Health { return &Health{conditions: map[string]string{}} }

// Set records a condition: nil when it holds, else what is wrong and what to do.
func (h *Health) Set(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conditions[name] = text
}

// Remove forgets a condition, as of a database that is no longer served.
func (h *Health) Remove(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conditions, name)
}

// Ready returns whether the service can do its work, and every condition: "ok" or what is wrong.
func (h *Health) Ready() (bool, map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready := len(h.conditions) > 0
	all := make(map[string]string, len(h.conditions))
	for name, text := range h.conditions {
		if text != "" {
			ready = false
		} else {
			text = "ok"
		}
		all[name] = text
	}
	return ready, all
}

// Handler serves /health/live and /health/ready under the path it is mounted on.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health/live", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "live"})
	})
	mux.HandleFunc("/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		ready, conditions := h.Ready()
		code, status := http.StatusOK, "ready"
		if !ready {
			code, status = http.StatusServiceUnavailable, "not ready"
		}
		writeJSON(w, code, map[string]any{"status": status, "conditions": conditions})
	})
	return mux
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The client went away: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}

// serveMetrics serves until ctx ends. It reports on ready once, when it listens or cannot.
func serveMetrics(ctx context.Context, addr string, env *Env, ready chan<- error) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		ready <- fmt.Errorf("listening on METRICS_ADDR: %w", err)
		return nil
	}
	ready <- nil
	mux := http.NewServeMux()
	mux.Handle("/health/", env.Health.Handler())
	mux.Handle("/metrics", promhttp.HandlerFor(env.Metrics, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// healthcheck asks a running instance of this program, for use where there is no curl.
func (p Program) healthcheck(ctx context.Context, metricsAddr string) error {
	var url string
	switch {
	case p.HealthURL != nil:
		url = p.HealthURL()
	case metricsAddr != "":
		_, port, err := net.SplitHostPort(metricsAddr)
		if err != nil {
			return fmt.Errorf("reading METRICS_ADDR: %w", err)
		}
		url = "http://" + net.JoinHostPort("127.0.0.1", port) + "/health/ready"
	default:
		return errors.New("METRICS_ADDR is not set, so there is nothing to ask")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking for health: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
