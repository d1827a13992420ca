package duckling_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// answer is a script that answers every query with one row.
func answer(conn *scripted.Conn) {
	conn.Each(func(f scripted.Frame) bool {
		conn.Rows(f.ID(), `[{"n":1}]`)
		return true
	})
}

// log keeps events in order.
type log struct {
	mu     sync.Mutex
	events []duckling.Event
	grown  chan struct{}
}

func newLog() *log { return &log{grown: make(chan struct{}, 100)} }

func (l *log) add(e duckling.Event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
	l.grown <- struct{}{}
}

// until waits for n events and returns their kinds.
func (l *log) until(n int) []string {
	for {
		l.mu.Lock()
		if len(l.events) >= n {
			kinds := make([]string, len(l.events))
			for i, e := range l.events {
				kinds[i] = e.Kind.String()
			}
			l.mu.Unlock()
			return kinds
		}
		l.mu.Unlock()
		<-l.grown
	}
}

func TestWrongKey(t *testing.T) {
	events := newLog()
	server := scripted.Start(t, answer)
	_, err := duckling.Open(t.Context(), duckling.Config{URL: server.URL, APIKey: "wrong", OnEvent: events.add})
	e := wantCode(t, err, duckling.CodeAuthInvalid)
	if e.Retryable || e.Error() != "Invalid API key (API key mismatch)" {
		t.Fatalf("the error is %+v", e)
	}
	if kinds := events.until(1); !slices.Equal(kinds, []string{"reconnectExhausted"}) {
		t.Fatalf("events %v", kinds)
	}
}

func TestUnknownDatabase(t *testing.T) {
	const reason = "Database 'x' not found. Available databases: a, b"
	server := scripted.Start(t, func(conn *scripted.Conn) { conn.Close(1011, reason) })
	_, err := duckling.Open(t.Context(), duckling.Config{URL: server.URL, APIKey: scripted.Key, Database: "x"})
	if e := wantCode(t, err, duckling.CodeDatabaseNotFound); e.Error() != reason || e.CloseCode != 1011 {
		t.Fatalf("the error is %+v", e)
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = duckling.Open(t.Context(), duckling.Config{URL: "ws://" + address + "/ws", APIKey: "k"})
	if e := wantCode(t, err, duckling.CodeConnect); !e.Retryable || !strings.Contains(e.Error(), address) {
		t.Fatalf("the error is %+v", e)
	}
}

func TestServerThatNeverAnswersToTheKey(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) { conn.Closed() })
	_, err := duckling.Open(t.Context(), duckling.Config{URL: server.URL, APIKey: "k", ConnectTimeout: 20 * time.Millisecond})
	wantCode(t, err, duckling.CodeConnect)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error is %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []duckling.Config{
		{URL: "ws://host/ws"},
		{APIKey: "k"},
		{APIKey: "k", URL: "tcp://host/ws"},
		{APIKey: "k", URL: "ws://"},
		{APIKey: "k", URL: "ws://host/ws", Dialect: "oracle"},
		{APIKey: "k", URL: "ws://host:port\x7f"},
	} {
		_, err := duckling.New(cfg)
		wantCode(t, err, duckling.CodeConfig)
	}
}

func TestNewConnectsAtTheFirstRequestOnce(t *testing.T) {
	server := scripted.Start(t, answer)
	c, err := duckling.New(duckling.Config{URL: server.URL, APIKey: scripted.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Connected() || server.Connections() != 0 {
		t.Fatal("it connected before it was asked anything")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Query(t.Context(), "SELECT 1"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := server.Connections(); n != 1 || !c.Connected() {
		t.Fatalf("%d connections were made", n)
	}
}

func TestLostConnectionIsMadeAgain(t *testing.T) {
	events := newLog()
	cut := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		if conn.Number == 1 {
			conn.Welcome()
			<-cut
			return
		}
		answer(conn)
	})
	c := openAt(t, duckling.Config{ReconnectDelay: time.Millisecond, OnEvent: events.add}, server)
	close(cut)
	kinds := events.until(4)
	if want := []string{"connected", "disconnected", "reconnecting", "connected"}; !slices.Equal(kinds, want) {
		t.Fatalf("events %v", kinds)
	}
	if _, err := c.Query(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	if e := events.events[3]; e.Attempt != 1 {
		t.Fatalf("the last event is %+v", e)
	}
}

func TestRequestsWaitWhileReconnecting(t *testing.T) {
	refuse := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		switch conn.Number {
		case 1:
			conn.Welcome() // and cut
		case 2:
			<-refuse // the client is reconnecting for as long as this takes
		default:
			answer(conn)
		}
	})
	events := newLog()
	c := openAt(t, duckling.Config{ReconnectDelay: time.Millisecond, OnEvent: events.add}, server)
	events.until(3) // connected, disconnected, reconnecting
	answered := make(chan error, 1)
	go func() {
		_, err := c.Query(t.Context(), "SELECT 1")
		answered <- err
	}()
	close(refuse)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
}

func TestInFlightRequestsFailWhenTheConnectionIsLost(t *testing.T) {
	c := open(t, duckling.Config{ReconnectDelay: time.Millisecond}, func(conn *scripted.Conn) {
		conn.Each(func(scripted.Frame) bool {
			conn.Close(1001, "the server is stopping")
			return false
		})
	})
	_, err := c.Query(t.Context(), "SELECT 1")
	if e := wantCode(t, err, duckling.CodeConnectionLost); e.CloseCode != 1001 || !e.Retryable || e.Error() != "the server is stopping" {
		t.Fatalf("the error is %+v", e)
	}
}

func TestMarkedRequestsAreSentAgain(t *testing.T) {
	restarting := func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if conn.Number < 3 {
				return false // cut in the middle of the request
			}
			if f.Str("type") == "batch" {
				conn.Send(`{"id":%q,"success":true,"results":[{"success":true,"result":[{"n":1}],"duration":1}],"duration":1}`, f.ID())
			} else {
				conn.Rows(f.ID(), `[{"n":1}]`)
			}
			return true
		})
	}
	quick := duckling.Config{ReconnectDelay: time.Millisecond}

	c := open(t, quick, restarting)
	if _, err := c.Do(t.Context(), duckling.Request{SQL: "SELECT 1", Retry: true}); err != nil {
		t.Errorf("a request with Retry: %v", err)
	}
	c = open(t, quick, restarting)
	if _, err := c.DoBatch(t.Context(), duckling.Batch{Statements: []duckling.Statement{{SQL: "SELECT 1"}}, Retry: true}); err != nil {
		t.Errorf("a batch with Retry: %v", err)
	}
	quick.RetryLost = true
	c = open(t, quick, restarting)
	if _, err := c.Query(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("a client with RetryLost: %v", err)
	}
}

func TestRequestThatBringsTheServerDownIsNotSentForEver(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) { conn.Each(func(scripted.Frame) bool { return false }) })
	c := openAt(t, duckling.Config{ReconnectDelay: time.Millisecond, RetryLost: true}, server)
	_, err := c.Query(t.Context(), "SELECT crash()")
	wantCode(t, err, duckling.CodeConnectionLost)
	if n := server.Connections(); n < 4 || n > 5 {
		t.Fatalf("%d connections", n)
	}
}

func TestReconnectingStopsWhenTheServerRefuses(t *testing.T) {
	for code, reason := range map[int]string{1008: "API key revoked", 1011: "Database 'default' not found. Available databases: a"} {
		events := newLog()
		server := scripted.Start(t, func(conn *scripted.Conn) {
			if conn.Welcome() {
				conn.Close(code, reason)
			}
		})
		openAt(t, duckling.Config{ReconnectDelay: time.Millisecond, OnEvent: events.add}, server)
		kinds := events.until(2)
		if want := []string{"connected", "disconnected"}; !slices.Equal(kinds, want) {
			t.Errorf("code %d: events %v", code, kinds)
		}
		if e := events.events[1]; !strings.Contains(e.Err.Error(), reason) {
			t.Errorf("code %d: disconnected because of %v", code, e.Err)
		}
		if n := server.Connections(); n != 1 {
			t.Errorf("code %d: %d connections", code, n)
		}
	}
}

func TestReconnectingGivesUpAndTheNextRequestStartsAfresh(t *testing.T) {
	events := newLog()
	server := scripted.Start(t, func(conn *scripted.Conn) {
		switch conn.Number {
		case 1:
			conn.Welcome() // and cut
		case 2, 3: // cut at once
		default:
			answer(conn)
		}
	})
	c := openAt(t, duckling.Config{ReconnectDelay: time.Millisecond, MaxReconnectAttempts: 2, OnEvent: events.add}, server)
	kinds := events.until(5)
	if want := []string{"connected", "disconnected", "reconnecting", "reconnecting", "reconnectExhausted"}; !slices.Equal(kinds, want) {
		t.Fatalf("events %v", kinds)
	}
	if err := events.events[4].Err; err == nil || !strings.Contains(err.Error(), "exhausted after 2 tries") {
		t.Fatalf("gave up because of %v", err)
	}
	if _, err := c.Query(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
}

func TestSilentServerIsNoticed(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Welcome()
		for {
			if _, ok := conn.Next(); !ok { // pings, which stay unanswered
				return
			}
		}
	})
	events := newLog()
	c := openAt(t, duckling.Config{PingInterval: 5 * time.Millisecond, NoReconnect: true, OnEvent: events.add}, server)
	_, err := c.Query(t.Context(), "SELECT 1")
	if e := wantCode(t, err, duckling.CodeConnectionLost); !strings.Contains(e.Error(), "did not answer a ping") {
		t.Fatalf("the error is %v", e)
	}
	c.Close() // no event follows
	if kinds := events.until(2); !slices.Equal(kinds, []string{"connected", "disconnected"}) {
		t.Fatalf("events %v", kinds)
	}
}

func TestServerThatRefusesTheHandshake(t *testing.T) {
	for status, code := range map[int]duckling.Code{401: duckling.CodeAuthInvalid, 403: duckling.CodeForbidden, 503: duckling.CodeConnect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		_, err := duckling.Open(t.Context(), duckling.Config{URL: server.URL, APIKey: scripted.Key})
		e := wantCode(t, err, code)
		if !strings.Contains(e.Error(), strconv.Itoa(status)) || e.Retryable != (status == 503) || strings.Contains(e.Error(), scripted.Key) {
			t.Errorf("status %d: the error is %+v", status, e)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	}
}

func TestCompression(t *testing.T) {
	for _, compress := range []bool{false, true} {
		long := strings.Repeat("x", 100_000)
		c := open(t, duckling.Config{Compress: compress}, func(conn *scripted.Conn) {
			if conn.Deflate != compress {
				t.Errorf("asked for compression: %v, compressed: %v", compress, conn.Deflate)
			}
			conn.Each(func(f scripted.Frame) bool {
				conn.Rows(f.ID(), `[{"s":"`+long+`"}]`)
				return true
			})
		})
		if s, err := duckling.Get[string](t.Context(), c, "SELECT ?", long); err != nil || s != long {
			t.Errorf("%d bytes came back (%v)", len(s), err)
		}
	}
}

func TestCallerGivesUpWaitingForAConnection(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) { conn.Closed() })
	c, err := duckling.New(duckling.Config{URL: server.URL, APIKey: scripted.Key, RequestTimeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Query(t.Context(), "SELECT 1")
	wantCode(t, err, duckling.CodeRequestTimeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Connect(ctx); !errors.Is(err, context.Canceled) || duckling.CodeOf(err) != "" {
		t.Fatalf("the error is %v", err)
	}
	if c.Connected() {
		t.Fatal("it says it is connected")
	}
	if n := server.Connections(); n > 1 {
		t.Fatalf("%d connections", n)
	}
}
