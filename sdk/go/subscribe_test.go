package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

func sendWhole(conn *scripted.Conn, id string, seq, n int) {
	conn.Send(`{"id":%q,"success":true,"type":"update","seq":%d,"result":[{"n":%d}],"meta":%s,"duration":1}`, id, seq, n, scripted.Meta("n BIGINT"))
}

func sendDiff(conn *scripted.Conn, id string, seq, added, removed int) {
	conn.Send(`{"id":%q,"success":true,"type":"update","seq":%d,"added":[{"n":%d}],"removed":[{"n":%d}],"meta":%s,"duration":1}`, id, seq, added, removed, scripted.Meta("n BIGINT"))
}

func only(t *testing.T, r *duckling.Result) int {
	t.Helper()
	n, err := duckling.Collect[int](r)
	if err != nil || len(n) != 1 {
		t.Fatalf("rows %v (%v)", n, err)
	}
	return n[0]
}

func TestSubscribeYieldsUpdatesAndUnsubscribes(t *testing.T) {
	gone := make(chan struct{})
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		var id string
		conn.Each(func(f scripted.Frame) bool {
			switch f.Str("type") {
			case "subscribe":
				if f["diff"] != true || fmt.Sprint(f["minIntervalMs"]) != "250" {
					t.Errorf("the subscription is %v", f)
				}
				id = f.ID()
				sendWhole(conn, id, 0, 3)
				sendDiff(conn, id, 1, 4, 3)
				sendWhole(conn, id, 2, 5)
			case "unsubscribe":
				if f.Str("target") == id {
					conn.Send(`{"id":%q,"success":true,"result":[{"unsubscribed":true}]}`, f.ID())
					close(gone)
				}
			}
			return true
		})
	})
	var got []string
	for u, err := range c.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT n", Diff: true, MinInterval: 250 * time.Millisecond}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Meta().Generation != 42 {
			t.Errorf("generation %d", u.Meta().Generation)
		}
		if u.Result != nil {
			got = append(got, fmt.Sprint(only(t, u.Result)))
		} else {
			got = append(got, fmt.Sprintf("+%d-%d", only(t, u.Added), only(t, u.Removed)))
		}
		if len(got) == 3 {
			break
		}
	}
	if fmt.Sprint(got) != "[3 +4-3 5]" {
		t.Fatalf("updates %v", got)
	}
	<-gone
}

func TestSubscriptionOutlivesItsConnectionAndRepeatsNothing(t *testing.T) {
	c := open(t, duckling.Config{ReconnectDelay: time.Millisecond}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			switch {
			case f.Str("type") != "subscribe":
				return true
			case conn.Number == 1:
				sendWhole(conn, f.ID(), 0, 1)
				conn.Close(1001, "the server is stopping")
				return false
			}
			sendWhole(conn, f.ID(), 0, 1) // the same as before
			sendWhole(conn, f.ID(), 1, 2)
			return true
		})
	})
	var got []int
	// With Diff every update waits its turn, so that none of them can hide the repeated one.
	for u, err := range c.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT n", Diff: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, only(t, u.Result)); len(got) == 2 {
			break
		}
	}
	if fmt.Sprint(got) != "[1 2]" {
		t.Fatalf("updates %v", got)
	}
}

func TestSlowReaderGetsTheNewest(t *testing.T) {
	sent := make(chan struct{})
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if f.Str("type") == "subscribe" {
				sendWhole(conn, f.ID(), 0, 0)
				<-sent
				for i := range 500 {
					sendWhole(conn, f.ID(), i+1, i+1)
				}
			}
			return true
		})
	})
	var got []int
	for u, err := range c.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT n"}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, only(t, u.Result)); len(got) == 2 {
			break
		}
		close(sent)
		if err := c.Ping(t.Context()); err != nil { // answered after all updates
			t.Fatal(err)
		}
	}
	if fmt.Sprint(got) != "[0 500]" {
		t.Fatalf("updates %v", got)
	}
}

func TestReaderFarBehindOnDifferencesGetsAWholeResult(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		subscriptions := 0
		conn.Each(func(f scripted.Frame) bool {
			if f.Str("type") == "subscribe" {
				if subscriptions++; subscriptions == 2 {
					sendWhole(conn, f.ID(), 0, 1000)
					return true
				}
				sendWhole(conn, f.ID(), 0, 0)
				for i := range 500 {
					sendDiff(conn, f.ID(), i+1, i+1, i)
				}
			}
			return true
		})
	})
	var last *duckling.Update
	for u, err := range c.Subscribe(t.Context(), duckling.Subscription{SQL: "SELECT n", Diff: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if last == nil {
			if err := c.Ping(t.Context()); err != nil { // answered after all updates
				t.Fatal(err)
			}
		} else if u.Result == nil {
			t.Fatal("a difference followed differences that were dropped")
		}
		if last = u; u.Result != nil && only(t, u.Result) == 1000 {
			break
		}
	}
}

func TestSubscriptionEnds(t *testing.T) {
	c := open(t, duckling.Config{NoReconnect: true}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			switch f.Str("sql") {
			case "SELECT gone":
				sendWhole(conn, f.ID(), 0, 1)
				conn.Fail(f.ID(), "NOT_FOUND", "the table is gone")
			case "SELECT gap":
				sendWhole(conn, f.ID(), 0, 1)
				sendDiff(conn, f.ID(), 2, 1, 0)
			case "SELECT rows":
				conn.Rows(f.ID(), `[]`)
			case "SELECT cut":
				return false
			}
			return true
		})
	})
	end := func(ctx context.Context, s duckling.Subscription) error {
		for _, err := range c.Subscribe(ctx, s) {
			if err != nil {
				return err
			}
		}
		t.Fatalf("%s ended without an error", s.SQL)
		return nil
	}
	wantCode(t, end(t.Context(), duckling.Subscription{SQL: "SELECT gone"}), duckling.CodeNotFound)
	wantCode(t, end(t.Context(), duckling.Subscription{SQL: "SELECT gap", Diff: true}), duckling.CodeProtocol)
	wantCode(t, end(t.Context(), duckling.Subscription{SQL: "SELECT rows"}), duckling.CodeProtocol)
	wantCode(t, end(t.Context(), duckling.Subscription{SQL: "SELECT silent", Timeout: time.Millisecond}), duckling.CodeRequestTimeout)
	wantCode(t, end(t.Context(), duckling.Subscription{}), duckling.CodeBadRequest)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := end(ctx, duckling.Subscription{SQL: "SELECT silent"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error is %v", err)
	}
	wantCode(t, end(t.Context(), duckling.Subscription{SQL: "SELECT cut"}), duckling.CodeConnectionLost)
}
