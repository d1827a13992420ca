package duckling_test

import (
	"fmt"
	"sync"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

func TestPoolSpreadsRequests(t *testing.T) {
	const size, each = 4, 25
	var (
		mu    sync.Mutex
		seen  = map[int]int{}
		full  = make(chan struct{})
		total int
	)
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			mu.Lock()
			seen[conn.Number]++
			if total++; total == size*each {
				close(full)
			}
			mu.Unlock()
			go func() { // every request stays in flight until all are
				<-full
				conn.Rows(f.ID(), `[{"n":1}]`)
			}()
			return true
		})
	})
	p, err := duckling.OpenPool(t.Context(), duckling.Config{URL: server.URL, APIKey: scripted.Key}, size)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all sync.WaitGroup
	for i := range size * each {
		all.Go(func() {
			if _, err := p.Query(t.Context(), "SELECT 1"); err != nil {
				t.Error(err)
			}
		})
		for p.InFlight() <= i { // so that each choice sees the one before
			if t.Failed() {
				return
			}
		}
	}
	all.Wait()
	for n := 1; n <= size; n++ {
		if seen[n] != each {
			t.Errorf("requests by connection: %v", seen)
			break
		}
	}
}

func TestPoolPrefersConnectionsThatAreUp(t *testing.T) {
	down := make(chan struct{})
	server := scripted.Start(t, func(conn *scripted.Conn) {
		if conn.Number == 1 {
			conn.Welcome()
			<-down
			return
		}
		answer(conn)
	})
	events := newLog()
	p, err := duckling.OpenPool(t.Context(), duckling.Config{URL: server.URL, APIKey: scripted.Key, NoReconnect: true, OnEvent: events.add}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	close(down)
	events.until(3)
	for range 10 {
		if !p.Client().Connected() {
			t.Fatal("the pool chose a connection that is down")
		}
	}
	if n := server.Connections(); n != 2 {
		t.Fatalf("%d connections", n)
	}
	if err := p.Ping(t.Context()); err != nil { // connects the other
		t.Fatal(err)
	}
	if n := server.Connections(); n != 3 {
		t.Fatalf("%d connections", n)
	}
}

func TestPoolPassesEverythingOn(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			switch f.Str("type") {
			case "batch":
				conn.Send(`{"id":%q,"success":true,"results":[{"success":true,"result":[{"n":1}],"duration":1}],"duration":1}`, f.ID())
			case "stream":
				s := startStream(conn, f)
				s.chunk(1)
				s.end()
			case "subscribe":
				sendWhole(conn, f.ID(), 0, 1)
			case "query":
				conn.Rows(f.ID(), `[{"n":1}]`)
			}
			return true
		})
	})
	p, err := duckling.NewPool(duckling.Config{URL: server.URL, APIKey: scripted.Key}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n, err := duckling.Get[int](t.Context(), p, "SELECT 1"); err != nil || n != 1 {
		t.Errorf("Get: %d (%v)", n, err)
	}
	statement := duckling.Statement{SQL: "SELECT 1"}
	if results, err := p.QueryBatch(t.Context(), statement); err != nil || only(t, results[0]) != 1 {
		t.Errorf("QueryBatch: %v", err)
	}
	if results, err := p.DoBatch(t.Context(), duckling.Batch{Statements: []duckling.Statement{statement}}); err != nil || only(t, results[0]) != 1 {
		t.Errorf("DoBatch: %v", err)
	}
	rows := 0
	for row, err := range p.Stream(t.Context(), "SELECT 1") {
		if err != nil || fmt.Sprint(row.Columns()) != "[{n BIGINT}]" {
			t.Errorf("Stream: %v", err)
		}
		rows++
	}
	for u, err := range p.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT 1"}) {
		if err != nil || only(t, u.Result) != 1 {
			t.Errorf("Subscribe: %v", err)
		}
		break
	}
	if rows != 1 || p.InFlight() != 0 {
		t.Errorf("%d rows, %d in flight", rows, p.InFlight())
	}
}

func TestPoolThatCannotBe(t *testing.T) {
	server := scripted.Start(t, answer)
	_, err := duckling.NewPool(duckling.Config{URL: server.URL, APIKey: scripted.Key}, 0)
	wantCode(t, err, duckling.CodeConfig)
	_, err = duckling.OpenPool(t.Context(), duckling.Config{URL: server.URL}, 1)
	wantCode(t, err, duckling.CodeConfig)
	_, err = duckling.OpenPool(t.Context(), duckling.Config{URL: server.URL, APIKey: "wrong"}, 2)
	wantCode(t, err, duckling.CodeAuthInvalid)
}
