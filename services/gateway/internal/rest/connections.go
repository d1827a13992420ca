package rest

import (
	"encoding/json"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// limited is a listener that turns connections away while too many are open. One that has become a WebSocket's does not count: ws has
// a limit of its own for these.
type limited struct {
	net.Listener
	most    int64
	open    atomic.Int64
	refused func()
}

// Limit bounds how many connections that are no WebSocket's app may have open. It is to be served on what is returned.
func (s *Server) Limit(app *fiber.App, listener net.Listener) net.Listener {
	l := &limited{Listener: listener, most: int64(s.Connections), refused: func() { s.Metrics.refused.WithLabelValues(refusedConnections).Inc() }}
	app.Server().ConnState = func(_ net.Conn, state fasthttp.ConnState) {
		switch state {
		case fasthttp.StateNew:
			l.open.Add(1)
			s.Metrics.connections.Inc()
		case fasthttp.StateHijacked, fasthttp.StateClosed:
			l.open.Add(-1)
			s.Metrics.connections.Dec()
		}
	}
	return l
}

// Accept returns the next connection that there is room for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.open.Load() < l.most {
			return conn, err
		}
		l.refused()
		go turnAway(conn)
	}
}

// turnAway answers the first request of a connection, if it comes soon, and closes it.
func turnAway(conn net.Conn) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(time.Second)) != nil {
		return
	}
	// A connection that is closed with something unread loses its answer too.
	if _, err := conn.Read(make([]byte, 16<<10)); err != nil {
		return
	}
	body, err := json.Marshal(describe(&query.Error{Code: query.CodeNotReady, Message: "too many connections (MAX_HTTP_CONNECTIONS)", RetryAfter: time.Second}))
	if err != nil {
		return
	}
	// The client may have gone; there is nobody else to tell.
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", len(body), body)
}
