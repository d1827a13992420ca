package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// statements plays a gateway that keeps prepared statements, by connection.
type statements struct {
	mu       sync.Mutex
	prepared int
	gone     map[string]bool
	freed    chan string
}

func (s *statements) serve(conn *scripted.Conn) {
	known := map[string]bool{}
	conn.Each(func(f scripted.Frame) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		handle := f.Str("statement")
		switch f.Str("type") {
		case "prepare":
			if f.Str("sql") == "SELEC" {
				conn.Fail(f.ID(), "SQL_SYNTAX", "syntax error")
				return true
			}
			s.prepared++
			handle = fmt.Sprintf("s%d", s.prepared)
			known[handle] = true
			conn.Send(`{"id":%q,"success":true,"result":[{"statement":%q,"parameters":1,"columns":[{"name":"n","type":"BIGINT"}]}]}`, f.ID(), handle)
		case "execute":
			if !known[handle] || s.gone[handle] {
				conn.Fail(f.ID(), "STATEMENT_NOT_FOUND", "no statement "+handle)
				return true
			}
			params := f["params"].([]any)
			if fmt.Sprint(params[0]) == "cut" {
				return false
			}
			conn.MetaRows(f.ID(), fmt.Sprintf(`[{"n":%v}]`, params[0]), "n BIGINT")
		case "deallocate":
			conn.Send(`{"id":%q,"success":true,"result":[{"deallocated":true}]}`, f.ID())
			s.freed <- handle
		}
		return true
	})
}

func (s *statements) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepared
}

func newStatements() *statements {
	return &statements{gone: map[string]bool{}, freed: make(chan string, 1)}
}

func run(t *testing.T, s *duckling.Stmt, n int) {
	t.Helper()
	result, err := s.Query(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if got := only(t, result); got != n {
		t.Fatalf("%d, not %d", got, n)
	}
}

func TestPreparedStatement(t *testing.T) {
	server := newStatements()
	c := open(t, duckling.Config{ReconnectDelay: time.Millisecond}, server.serve)
	s, err := c.Prepare(t.Context(), "SELECT ? AS n")
	if err != nil || s.Parameters() != 1 || fmt.Sprint(s.Columns()) != "[{n BIGINT}]" {
		t.Fatalf("%v (%v)", s, err)
	}
	run(t, s, 7)
	run(t, s, 8)
	if n := server.count(); n != 1 {
		t.Fatalf("prepared %d times", n)
	}

	// The server may drop it, ...
	server.mu.Lock()
	server.gone["s1"] = true
	server.mu.Unlock()
	run(t, s, 9)

	// ... and does when the connection is lost. Several users then prepare it once.
	_, err = s.Query(t.Context(), "cut")
	wantCode(t, err, duckling.CodeConnectionLost)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { run(t, s, i) })
	}
	all.Wait()
	if n := server.count(); n != 3 {
		t.Fatalf("prepared %d times", n)
	}
	s.Close()
	if handle := <-server.freed; handle != "s3" {
		t.Fatalf("%s was deallocated", handle)
	}
}

func TestStatementThatCannotBePrepared(t *testing.T) {
	c := open(t, duckling.Config{}, newStatements().serve)
	_, err := c.Prepare(t.Context(), "SELEC")
	wantCode(t, err, duckling.CodeSQLSyntax)
	_, err = c.Prepare(t.Context(), "")
	wantCode(t, err, duckling.CodeBadRequest)
}

func TestStatementArguments(t *testing.T) {
	c := open(t, duckling.Config{}, newStatements().serve)
	s, err := c.Prepare(t.Context(), "SELECT ? AS n")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Query(t.Context(), make(chan int))
	wantCode(t, err, duckling.CodeSQLParams)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
}

func TestStatementIsSentAgainWhereAllowed(t *testing.T) {
	server := newStatements()
	var cuts atomic.Int32
	c := open(t, duckling.Config{ReconnectDelay: time.Millisecond, RetryLost: true}, func(conn *scripted.Conn) {
		if conn.Number == 2 {
			cuts.Add(1)
			conn.Welcome() // and cut
			return
		}
		server.serve(conn)
	})
	s, err := c.Prepare(t.Context(), "SELECT ? AS n")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Query(t.Context(), "cut")
	wantCode(t, err, duckling.CodeConnectionLost) // each try is cut
	run(t, s, 5)
	if n := cuts.Load(); n != 1 {
		t.Fatalf("%d cuts", n)
	}
}
