package duckling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Stmt is a statement the server has checked and keeps. It is safe for concurrent use. The server
// forgets it when the connection is lost; it is then prepared again when it is next used.
type Stmt struct {
	client     *Client
	sql        string
	parameters int
	columns    []Column

	turn    chan struct{} // holds a token while somebody prepares; guards what follows
	session *session      // the connection that knows handle
	handle  string
}

// Prepare has the server check a statement and keep it. Close the Stmt when it is no longer needed.
func (c *Client) Prepare(ctx context.Context, sql string) (*Stmt, error) {
	if _, err := (Request{SQL: sql}).statement(); err != nil {
		return nil, err
	}
	s := &Stmt{client: c, sql: sql, turn: make(chan struct{}, 1)}
	w := c.patience(ctx, 0)
	defer w.stop()
	c.inFlight.Add(1)
	defer c.inFlight.Add(-1)
	for {
		session, err := c.acquire(w)
		if err != nil {
			return nil, err
		}
		if _, err = s.on(w, session); err == nil {
			return s, nil
		} else if !errors.Is(err, errNotSent) {
			return nil, err
		}
	}
}

// Parameters is how many values Query needs.
func (s *Stmt) Parameters() int { return s.parameters }

// Columns are the columns of the result as they were when the statement was first prepared.
func (s *Stmt) Columns() []Column { return s.columns }

// Query runs the statement, as Client.Query does.
func (s *Stmt) Query(ctx context.Context, args ...any) (*Result, error) {
	params, err := wire.Params(args)
	if err != nil {
		return nil, &Error{Code: CodeSQLParams, Message: "encoding the parameters", Err: err}
	}
	c := s.client
	w := c.patience(ctx, 0)
	defer w.stop()
	c.inFlight.Add(1)
	defer c.inFlight.Add(-1)
	for resends := 0; ; {
		session, err := c.acquire(w)
		if err != nil {
			return nil, err
		}
		result, err := s.runOn(w, session, params)
		switch {
		case err == nil:
			return result, nil
		case errors.Is(err, errNotSent):
		case CodeOf(err) == CodeStatementNotFound && resends == 0:
			resends++
			s.forget(w, session)
		case CodeOf(err) == CodeConnectionLost && c.cfg.RetryLost && resends < maxResends:
			resends++
		default:
			return nil, err
		}
	}
}

func (s *Stmt) runOn(w *patience, session *session, params []byte) (*Result, error) {
	handle, err := s.on(w, session)
	if err != nil {
		return nil, err
	}
	frame, err := session.exchange(w, wire.Execute(handle, params, wire.Reading{Meta: true}))
	if err != nil {
		return nil, err
	}
	reply, err := readReply(frame)
	if err != nil {
		return nil, err
	}
	return newResult(reply)
}

// on returns the statement's handle on a connection, preparing it there first if it is new.
func (s *Stmt) on(w *patience, session *session) (string, error) {
	if err := s.lock(w); err != nil {
		return "", err
	}
	defer s.unlock()
	if s.session == session && s.handle != "" {
		return s.handle, nil
	}
	frame, err := session.exchange(w, wire.Prepare(s.sql, string(s.client.cfg.Dialect)))
	if err != nil {
		return "", err
	}
	reply, err := readReply(frame)
	if err != nil {
		return "", err
	}
	var prepared []struct {
		Statement  string   `json:"statement"`
		Parameters int      `json:"parameters"`
		Columns    []Column `json:"columns"`
	}
	if err := json.Unmarshal(reply.Result.Text, &prepared); err != nil {
		return "", protocolError(err)
	}
	if len(prepared) != 1 || prepared[0].Statement == "" {
		return "", protocolError(errors.New("the reply to prepare names no statement"))
	}
	if s.session == nil {
		s.parameters, s.columns = prepared[0].Parameters, prepared[0].Columns
	}
	s.session, s.handle = session, prepared[0].Statement
	return s.handle, nil
}

// forget has the statement prepared again on the connection that no longer knows it.
func (s *Stmt) forget(w *patience, session *session) {
	if s.lock(w) != nil {
		return // out of time, which the next step reports
	}
	defer s.unlock()
	if s.session == session {
		s.handle = ""
	}
}

func (s *Stmt) lock(w *patience) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-w.ctx.Done():
		return fmt.Errorf("waiting for the statement to be prepared: %w", w.ctx.Err())
	case <-w.expired:
		return timedOut(w.limit)
	}
}

func (s *Stmt) unlock() { <-s.turn }

// Close lets the server forget the statement. It does not wait for that.
func (s *Stmt) Close() {
	s.turn <- struct{}{}
	defer s.unlock()
	if s.handle != "" {
		s.session.tell(wire.Deallocate(s.handle))
	}
}
