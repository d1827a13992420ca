package server

import (
	"database/sql"
	"sync"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// seen tells of connections up to which place they see all that was committed, so that of many tables copied while nobody writes
// only the first waits for that. It goes by connection, for at its address there may be another server when the next is opened.
type seen struct {
	mu     sync.Mutex
	places map[any]binlog.Position // by the driver's connection
}

// mostSeen bounds the connections that are remembered, of which some are closed by now.
const mostSeen = 256

func (s *seen) has(conn *sql.Conn, p binlog.Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.places[identity(conn)]
	return ok && p.GTIDs != nil && at.GTIDs.Contains(p.GTIDs) && at.Reached(p.File, p.Offset)
}

// reach notes that conn sees everything up to p, which has GTIDs.
func (s *seen) reach(conn *sql.Conn, p binlog.Position) {
	p.GTIDs = p.GTIDs.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places == nil || len(s.places) >= mostSeen {
		s.places = map[any]binlog.Position{}
	}
	s.places[identity(conn)] = p
}

func identity(conn *sql.Conn) (id any) {
	_ = conn.Raw(func(driverConn any) error { id = driverConn; return nil }) // of a connection that is closed: nil, which sees nothing
	return id
}
