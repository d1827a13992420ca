package duckling_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

func TestCloseFailsWhatIsInFlightAndAllThatFollows(t *testing.T) {
	asked, code := make(chan struct{}), make(chan int, 1)
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Welcome()
		conn.Next()
		close(asked)
		code <- conn.Closed()
	})
	c := openAt(t, duckling.Config{}, server)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Query(t.Context(), "SELECT 1")
		failed <- err
	}()
	<-asked
	c.Close()
	if err := <-failed; !errors.Is(err, duckling.ErrClosed) {
		t.Errorf("the request in flight failed with %v", err)
	}
	if got := <-code; got != 1000 {
		t.Errorf("the server saw close code %d", got)
	}
	if _, err := c.Query(t.Context(), "SELECT 1"); !errors.Is(err, duckling.ErrClosed) {
		t.Errorf("a request after Close failed with %v", err)
	}
}

func TestCloseWhileConnecting(t *testing.T) {
	dialed := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		close(dialed)
		conn.Closed()
	})
	c, err := duckling.New(duckling.Config{URL: server.URL, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- c.Connect(t.Context()) }()
	<-dialed
	c.Close()
	if err := <-failed; !errors.Is(err, duckling.ErrClosed) {
		t.Fatalf("Connect failed with %v", err)
	}
}

func TestCloseDoesNotWaitForAServerThatDoesNotReply(t *testing.T) {
	release := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Welcome()
		<-release // reads nothing, so it never answers the goodbye
	})
	c := openAt(t, duckling.Config{}, server)
	c.Close() // the test's own time limit tells if it hangs
	close(release)
}

// A caller that gives up while its request still waits behind a slow socket costs the server nothing.
func TestRequestGivenUpBeforeItLeftIsNotSent(t *testing.T) {
	read := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Welcome()
		<-read
		for {
			f, ok := conn.Next()
			if !ok {
				return
			}
			if f.Str("sql") == "SELECT never" || f.Str("type") == "cancel" {
				t.Errorf("the server got %v", f)
			}
			if f.Str("type") == "ping" {
				conn.Pong(f.ID())
			} else {
				conn.Rows(f.ID(), `[]`)
			}
		}
	})
	c := openAt(t, duckling.Config{}, server)
	var large sync.WaitGroup
	for range 3 { // together more than the socket holds
		large.Go(func() {
			if _, err := c.Query(t.Context(), "SELECT ?", strings.Repeat("x", 9<<20)); err != nil {
				t.Error(err)
			}
		})
	}
	for c.InFlight() < 3 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Query(ctx, "SELECT never"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error is %v", err)
	}
	close(read)
	large.Wait()
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}
