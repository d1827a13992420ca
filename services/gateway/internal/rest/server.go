// Package rest serves the gateway's HTTP interface. The document in openapi describes it; a test holds both together.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/jobs"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// Server holds what the routes need.
type Server struct {
	Queries   *query.Service
	Databases *reader.Set
	Auth      *auth.Authenticator
	Keys      *auth.Keys
	Jobs      *jobs.Service
	Control   *control.Client
	Gatherer  prometheus.Gatherer
	Metrics   *Metrics
	// Origins are those whose pages may read answers; "*" is every one, and none means that browsers get no permission.
	Origins []string
	// Connections is how many may be open, not counting those of WebSocket.
	Connections int
	// SendTimeout is how long a client may take for a piece of a streamed result.
	SendTimeout time.Duration
	Version     string
	Started     time.Time
	Log         *slog.Logger
}

// maxBody is the largest request body.
const maxBody = 10 << 20

// App makes the application with all routes. Queries are stopped when ctx ends.
func (s *Server) App(ctx context.Context) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:               "duckling-gateway",
		DisableStartupMessage: true,
		BodyLimit:             maxBody,
		// A GET carries its SQL in the URL.
		ReadBufferSize: 64 << 10,
		ReadTimeout:    30 * time.Second,
		IdleTimeout:    2 * time.Minute,
		ErrorHandler:   s.fail,
		JSONEncoder:    marshal,
	})
	app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(c *fiber.Ctx, cause any) {
		s.Log.Error("request failed inside the gateway", "path", strings.Clone(c.Path()), "cause", cause)
	}}))
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(ctx)
		return c.Next()
	})
	if len(s.Origins) > 0 {
		app.Use(s.cors)
	}
	for _, r := range s.routes() {
		app.Add(r.method, r.path, s.count(r.path), s.permit(r.who), r.handle)
	}
	// What is not a route is told only to those who have a key.
	for _, prefix := range []string{"/api", "/health", "/status", "/sync", "/cdc", "/metrics", "/openapi.json"} {
		app.Use(prefix, s.permit(readers))
	}
	return app
}

// marshal leaves <, > and & as they are: answers are no part of a page, and people read them.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// count counts requests by route and status.
func (s *Server) count(route string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		err := c.Next()
		if err != nil {
			// The status is known only once the error has been written.
			if err := s.fail(c, err); err != nil {
				return err
			}
		}
		s.Metrics.requests.WithLabelValues(c.Method(), route, strconv.Itoa(c.Response().StatusCode())).Inc()
		return nil
	}
}

// The limits for which requests are refused before they come to a route, or their answers cut off.
const (
	refusedConnections = "connections" // MAX_HTTP_CONNECTIONS
	refusedBody        = "body"        // maxBody
	refusedSlow        = "slow_reader" // SendTimeout
)

// Metrics say what is asked.
type Metrics struct {
	requests, refused *prometheus.CounterVec
	connections       prometheus.Gauge
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_gateway_http_requests_total",
			Help: "HTTP requests, by method, route and status.",
		}, []string{"method", "route", "status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_gateway_http_refused_total",
			Help: "Connections and requests that were refused before they came to a route, and answers that were cut off because their client did not read them, by limit.",
		}, []string{"limit"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "duckling_gateway_http_connections",
			Help: "HTTP connections that are open, not counting those of WebSocket.",
		}),
	}
	for _, limit := range []string{refusedConnections, refusedBody} {
		m.refused.WithLabelValues(limit)
	}
	registry.MustRegister(m.requests, m.refused, m.connections)
	return m
}
