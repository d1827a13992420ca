package duckling_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// open connects to the script and closes the client when the test ends.
func open(t *testing.T, cfg duckling.Config, script func(*scripted.Conn)) *duckling.Client {
	t.Helper()
	return openAt(t, cfg, scripted.Start(t, script))
}

func openAt(t *testing.T, cfg duckling.Config, server *scripted.Server) *duckling.Client {
	t.Helper()
	cfg.URL, cfg.APIKey = server.URL, scripted.Key
	c, err := duckling.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func wantCode(t *testing.T, err error, code duckling.Code) *duckling.Error {
	t.Helper()
	var e *duckling.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("the error is %v (code %q), not one with code %s", err, duckling.CodeOf(err), code)
	}
	return e
}

func TestQueryAnswersWithRowsAndMeta(t *testing.T) {
	c := open(t, duckling.Config{Database: "shop"}, func(conn *scripted.Conn) {
		if conn.Database != "shop" {
			t.Errorf("connected to database %q", conn.Database)
		}
		conn.Each(func(f scripted.Frame) bool {
			if f["meta"] != true || f.Str("numberMode") != "number" || f.Str("sql") != "SELECT id, name FROM User WHERE id > ?" {
				t.Errorf("the query is %v", f)
			}
			if params := fmt.Sprint(f["params"]); params != "[0]" {
				t.Errorf("the parameters are %s", params)
			}
			conn.MetaRows(f.ID(), `[{"id":9007199254740993,"name":"Ada"},{"id":2,"name":"Bo"}]`, "id BIGINT", "name VARCHAR")
			return true
		})
	})
	result, err := c.Query(t.Context(), "SELECT id, name FROM User WHERE id > ?", 0)
	if err != nil {
		t.Fatal(err)
	}
	var (
		id   int64
		name string
	)
	if err := result.Row(0).Scan(&id, &name); err != nil || id != 9007199254740993 || name != "Ada" {
		t.Fatalf("row 0 is %d %q (%v)", id, name, err)
	}
	if n := result.Len(); n != 2 {
		t.Fatalf("%d rows", n)
	}
	meta := result.Meta()
	if meta.Generation != 42 || meta.Lag != 310*time.Millisecond || !meta.LagKnown || meta.AsOf.Nanosecond() != 123456000 {
		t.Fatalf("meta is %+v", meta)
	}
	if want := (duckling.Position{GTIDSet: "0-1-77", File: "bin.000003", Offset: 4242}); meta.Position != want {
		t.Fatalf("position is %+v", meta.Position)
	}
	if d := result.Duration(); d != 500*time.Microsecond {
		t.Fatalf("duration is %v", d)
	}
	if columns := fmt.Sprint(result.Columns()); columns != "[{id BIGINT} {name VARCHAR}]" {
		t.Fatalf("columns are %s", columns)
	}
}

func TestRepliesOutOfOrderReachTheirRequests(t *testing.T) {
	const n = 200
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		var held []scripted.Frame
		conn.Each(func(f scripted.Frame) bool {
			if held = append(held, f); len(held) < n {
				return true
			}
			for i := len(held) - 1; i >= 0; i-- {
				conn.Rows(held[i].ID(), fmt.Sprintf(`[{"n":%v}]`, held[i]["params"].([]any)[0]))
			}
			return true
		})
	})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if got, err := duckling.Get[int](t.Context(), c, "SELECT ?", i); err != nil || got != i {
				t.Errorf("request %d was answered %d (%v)", i, got, err)
			}
		})
	}
	all.Wait()
	if left := c.InFlight(); left != 0 {
		t.Errorf("%d requests are still in flight", left)
	}
}

func TestServerErrorKeepsEverythingItSays(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Send(`{"id":%q,"success":false,"error":"queue full: 50 queries are waiting","code":"QUEUE_FULL","retryable":true,"retryAfterMs":250,"position":0}`, f.ID())
			return true
		})
	})
	_, err := c.Query(t.Context(), "SELECT 1")
	e := wantCode(t, err, duckling.CodeQueueFull)
	if !e.Retryable || e.RetryAfter != 250*time.Millisecond || !e.HasPosition || e.Position != 0 || e.Error() != "queue full: 50 queries are waiting" {
		t.Fatalf("the error is %+v", e)
	}
}

func TestCancelledContextReturnsAtOnceAndTellsTheServer(t *testing.T) {
	asked, told := make(chan struct{}), make(chan string, 1)
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		var slow string
		conn.Each(func(f scripted.Frame) bool {
			switch f.Str("type") {
			case "query":
				slow = f.ID()
				close(asked)
			case "cancel":
				if f.Str("target") != slow {
					t.Errorf("cancel names %q, not %q", f.Str("target"), slow)
				}
				told <- f.Str("target")
				conn.Send(`{"id":%q,"success":true,"result":[{"cancelled":true}]}`, f.ID())
				conn.Fail(slow, "CANCELLED", "Query cancelled")
			}
			return true
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Query(ctx, "SELECT slow()"); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	<-told
	if err := c.Ping(t.Context()); err != nil {
		t.Fatalf("the connection did not survive: %v", err)
	}
}

func TestContextThatHasEndedSendsNothing(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			t.Errorf("the server got %v", f)
			return true
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Query(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v", err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRequestTimeoutTellsTheServer(t *testing.T) {
	told := make(chan struct{})
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if f.Str("type") == "cancel" {
				close(told)
			}
			return true
		})
	})
	_, err := c.Do(t.Context(), duckling.Request{SQL: "SELECT slow()", Timeout: 100 * time.Millisecond})
	e := wantCode(t, err, duckling.CodeRequestTimeout)
	if !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error is %+v", e)
	}
	<-told
}

func TestLargeResult(t *testing.T) {
	const n = 20_000 // rows of 600 bytes and more: over 10 MB
	long := strings.Repeat("0123456789", 60)
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, `,{"id":%d,"text":"a text with \"quotes\" and é %s %d"}`, i, long, i)
	}
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Raw(fmt.Sprintf(`{"id":%q,"success":true,"result":[%s],"duration":1}`, f.ID(), rows.String()[1:]))
			return true
		})
	})
	type record struct {
		ID   int
		Text string
	}
	all, err := duckling.Select[record](t.Context(), c, "SELECT * FROM big")
	if err != nil || len(all) != n {
		t.Fatalf("%d rows (%v)", len(all), err)
	}
	for i, r := range all {
		if want := fmt.Sprintf(`a text with "quotes" and é %s %d`, long, i); r.ID != i || r.Text != want {
			t.Fatalf("row %d is %+v", i, r)
		}
	}
}

func TestRequestTooLargeForTheServerIsNotSent(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) { conn.Each(func(scripted.Frame) bool { return true }) })
	_, err := c.Query(t.Context(), "SELECT ?", strings.Repeat("x", 10<<20))
	wantCode(t, err, duckling.CodeBadRequest)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWrongRequestsAreRefusedHere(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) { conn.Each(func(scripted.Frame) bool { return true }) })
	_, err := c.Query(t.Context(), "")
	wantCode(t, err, duckling.CodeBadRequest)
	_, err = c.Query(t.Context(), "SELECT ?", make(chan int))
	if e := wantCode(t, err, duckling.CodeSQLParams); !strings.Contains(e.Error(), "parameter 1: a chan int cannot be bound") {
		t.Fatalf("the error is %v", e)
	}
	if _, err := c.QueryBatch(t.Context()); err != nil {
		t.Fatalf("an empty batch: %v", err)
	}
}

func TestFramesOfANewerServerAreLetPass(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Raw(`{"news":{"id":"17"},"id":"notice","success":true}`)
			conn.Raw(`{"success":true,"id":"99999","result":[]}`)
			conn.Raw(fmt.Sprintf(`{"future":[1,{"x":2}],"success":true,"result":[{"n":1}],"duration":0.1,"id":%q}`, f.ID()))
			return true
		})
	})
	if n, err := duckling.Get[int](t.Context(), c, "SELECT 1 AS n"); err != nil || n != 1 {
		t.Fatalf("%d (%v)", n, err)
	}
}

func TestUnreadableAnswersAreErrors(t *testing.T) {
	for _, answer := range []string{
		`{"id":"2","success":true,"result":[{"a":1},],"duration":1}`,
		`{"id":"2","success":true,"result":7,"duration":1}`,
		`{"id":"2","success":true,"duration":1}`,
		`{"id":"2","success":true,"result":[7],"duration":1}`,
		`{"id":"2","success":true,"result":[],"duration":"x"}`,
		`{"id":"2","success":true,"result":[],"duration":1,"meta":7}`,
		`{"id":"2","success":true,"result":[],"duration":1,"meta":{"columns":[{"name":7}]}}`,
		`{"id":"2","success":true,"result":[],"duration":1,"meta":{"columns":{}}}`,
		`{"id":"2","success":true,"result":[],"duration":1,"meta":{"position":{"file":{}}}}`,
		`{"id":"2","success":true,"result":[],"duration":1,"meta":{"asOf":"then"}}`,
		`{"id":"2","success":true,"result":[]} {}`,
	} {
		c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
			conn.Each(func(scripted.Frame) bool {
				conn.Raw(answer)
				return true
			})
		})
		_, err := c.Query(t.Context(), "SELECT 1")
		wantCode(t, err, duckling.CodeProtocol)
	}
}

func TestServerThatCouldNotReadARequestLosesTheConnection(t *testing.T) {
	c := open(t, duckling.Config{NoReconnect: true}, func(conn *scripted.Conn) {
		conn.Each(func(scripted.Frame) bool {
			conn.Send(`{"id":"parse-error","success":false,"error":"Frame is not a JSON object with an id","code":"BAD_REQUEST","retryable":false}`)
			return true
		})
	})
	_, err := c.Query(t.Context(), "SELECT 1")
	wantCode(t, err, duckling.CodeConnectionLost)
}
