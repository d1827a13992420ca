// Package ws speaks Duckling's WebSocket protocol: JSON frames that carry an id, answered as they are ready.
package ws

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// Server makes a session of each connection.
type Server struct {
	queries   *query.Service
	databases *reader.Set
	key       auth.Key
	version   string
	log       *slog.Logger

	connections prometheus.Gauge

	running  sync.WaitGroup
	mu       sync.Mutex // guards the fields below
	stopped  bool
	sessions map[*session]struct{}
}

// New makes a Server and registers its metrics.
func New(queries *query.Service, databases *reader.Set, key auth.Key, version string, registry prometheus.Registerer, log *slog.Logger) *Server {
	s := &Server{queries: queries, databases: databases, key: key, version: version, log: log, sessions: make(map[*session]struct{})}
	s.connections = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "duckling_gateway_ws_connections",
		Help: "WebSocket connections that are open.",
	})
	registry.MustRegister(s.connections)
	return s
}

// Register serves /ws.
func (s *Server) Register(app *fiber.App) {
	app.Get("/ws", s.upgrade, websocket.New(s.serve))
}

const (
	localDatabase      = "database"
	localAuthenticated = "authenticated"
)

// upgrade reads what the handshake says. A key may come with it, as a header or as ?token=; a wrong one ends it here.
func (s *Server) upgrade(c *fiber.Ctx) error {
	if !websocket.IsWebSocketUpgrade(c) {
		return fiber.NewError(fiber.StatusUpgradeRequired, "this address speaks WebSocket")
	}
	presented := auth.Bearer(c.Get(fiber.HeaderAuthorization))
	if presented == "" {
		presented = c.Query("token")
	}
	if presented != "" && !s.key.Matches(presented) {
		return fiber.NewError(fiber.StatusUnauthorized, "Invalid API key (API key mismatch)")
	}
	c.Locals(localAuthenticated, presented != "")
	c.Locals(localDatabase, strings.Clone(c.Query("db", "default")))
	return c.Next()
}

func (s *Server) serve(conn *websocket.Conn) {
	s.connections.Inc()
	defer s.connections.Dec()
	database := conn.Locals(localDatabase).(string) //nolint:forcetypeassert // set by upgrade
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session := &session{
		server: s, conn: conn, database: database, ctx: ctx, cancel: cancel,
		authenticated: conn.Locals(localAuthenticated).(bool), //nolint:forcetypeassert // set by upgrade
		outgoing:      make(chan *buffer, outgoingFrames),
		places:        make(chan struct{}, inFlight),
	}
	if _, err := s.databases.Get(database); err != nil {
		session.end(&ending{websocket.CloseInternalServerErr, err.Error()})
		return
	}
	if !s.enter(session) {
		session.end(session.stopped())
		return
	}
	defer s.leave(session)
	session.run()
}

func (s *Server) enter(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.sessions[one] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) leave(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, one)
	s.running.Done()
}

func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// Stop tells every client that the server goes away, stops their queries and returns when all connections are closed.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	for one := range s.sessions {
		one.hangUp()
	}
	s.mu.Unlock()
	s.running.Wait()
}
