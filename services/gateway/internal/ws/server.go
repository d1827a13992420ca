// Package ws speaks Duckling's WebSocket protocol: JSON frames that carry an id, answered as they are ready.
// schemas/ws/PROTOCOL.md is the contract.
package ws

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// Limits bound what clients may take.
type Limits struct {
	// Connections is how many may be open.
	Connections int
	// Auth is how long a client may take for its key.
	Auth time.Duration
	// SendBytes is how much may wait for one client that does not read it, beside what is being sent; Send is how long one write may take.
	SendBytes int
	Send      time.Duration
	// Credit is how long a stream waits for its client.
	Credit time.Duration
	// Ping is how often the server pings. A client that has not answered by the next ping is gone.
	Ping time.Duration
	// Requests is how much one connection may have open at once, of it Streams and Subscriptions of these; Statements
	// is how many it may have prepared.
	Requests, Streams, Subscriptions, Statements int
	// Bytes bounds a batch's reply.
	Bytes int
}

// Server makes a session of each connection.
type Server struct {
	queries *query.Service
	auth    *auth.Authenticator
	limits  Limits
	version string
	metrics *Metrics
	log     *slog.Logger
	hub     *hub

	running  sync.WaitGroup
	mu       sync.Mutex // guards the fields below
	stopped  bool
	sessions map[*session]struct{}
}

// New makes a Server.
func New(queries *query.Service, who *auth.Authenticator, limits Limits, version string, metrics *Metrics, log *slog.Logger) *Server {
	return &Server{
		queries: queries, auth: who, limits: limits, version: version, metrics: metrics, log: log,
		hub: newHub(queries, metrics), sessions: make(map[*session]struct{}),
	}
}

// Register serves /ws.
func (s *Server) Register(app *fiber.App) {
	app.Get("/ws", s.upgrade, websocket.New(s.serve, websocket.Config{EnableCompression: true, WriteBufferPool: new(sync.Pool)}))
}

const (
	localDatabase = "database"
	localKey      = "key"
)

// upgrade reads what the handshake says: the database, and the key, which may come as a header or as ?token=.
func (s *Server) upgrade(c *fiber.Ctx) error {
	if !websocket.IsWebSocketUpgrade(c) {
		return fiber.NewError(fiber.StatusUpgradeRequired, "this address speaks WebSocket")
	}
	presented := auth.Bearer(c.Get(fiber.HeaderAuthorization))
	if presented == "" {
		presented = c.Query("token")
	}
	c.Locals(localKey, strings.Clone(presented))
	c.Locals(localDatabase, strings.Clone(c.Query("db")))
	return c.Next()
}

const mismatch = "Invalid API key (API key mismatch)"

// authorize takes a key for a session: for the database that the connection named, or else for the key's own.
func (s *Server) authorize(one *session, presented string) (*query.Error, *ending) {
	refuse := func(code query.Code, message string, close int) (*query.Error, *ending) {
		s.metrics.refused(refusedKey)
		return &query.Error{Code: code, Message: message}, &ending{close, message}
	}
	identity, err := s.auth.Identify(presented)
	switch {
	case errors.Is(err, auth.ErrUnknown):
		return refuse(query.CodeNotReady, err.Error(), websocket.CloseTryAgainLater)
	case err != nil:
		return refuse(query.CodeUnauthorized, mismatch, websocket.ClosePolicyViolation)
	}
	if !one.named {
		one.database = identity.Default()
	}
	if !identity.May(one.database) {
		return refuse(query.CodeForbidden, "This API key cannot access database '"+one.database+"'.", websocket.ClosePolicyViolation)
	}
	one.keyName = identity.Name
	one.identity.Store(identity)
	one.authenticated.Store(true)
	return nil, nil
}

func (s *Server) serve(conn *websocket.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	one := newSession(s, conn, conn.Locals(localDatabase).(string), ctx, cancel) //nolint:forcetypeassert // set by upgrade
	if why := s.admit(one, conn.Locals(localKey).(string)); why != nil {         //nolint:forcetypeassert // set by upgrade
		one.end(why)
		return
	}
	defer s.leave(one)
	one.run()
}

// admit returns why a connection cannot be taken, or nil.
func (s *Server) admit(one *session, presented string) *ending {
	if presented != "" {
		if _, why := s.authorize(one, presented); why != nil {
			return why
		}
	}
	if _, err := s.queries.Database(one.database); err != nil {
		s.metrics.refused(refusedDatabase)
		return &ending{websocket.CloseInternalServerErr, err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped:
		return endStopping
	case len(s.sessions) >= s.limits.Connections:
		s.metrics.refused(refusedConnections)
		return &ending{websocket.CloseTryAgainLater, "too many connections (MAX_CONNECTIONS)"}
	}
	s.sessions[one] = struct{}{}
	s.metrics.connections.Inc()
	s.running.Add(1)
	return nil
}

func (s *Server) leave(one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, one)
	s.metrics.connections.Dec()
	s.running.Done()
}

// Stop tells every client that the server goes away, stops their queries and returns when all connections are closed.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	for one := range s.sessions {
		one.hangUp(endStopping)
	}
	s.mu.Unlock()
	s.running.Wait()
}
