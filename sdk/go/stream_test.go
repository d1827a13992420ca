package duckling_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// streamer plays a gateway's side of one stream, keeping to the credit it is given.
type streamer struct {
	conn   *scripted.Conn
	id     string
	credit int
	chunks int
	rows   int
}

func startStream(conn *scripted.Conn, f scripted.Frame) *streamer {
	s := &streamer{conn: conn, id: f.ID(), credit: number(f["credit"])}
	conn.Send(`{"id":%q,"success":true,"type":"start","meta":%s}`, s.id, scripted.Meta("n BIGINT"))
	return s
}

func number(v any) int {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return int(i)
}

// chunk sends the next rows, waiting for credit; ok is false when something else came.
func (s *streamer) chunk(count int) (other scripted.Frame, ok bool) {
	for s.credit == 0 {
		f, alive := s.conn.Next()
		if !alive || f.Str("type") != "credit" || f.ID() != s.id {
			return f, false
		}
		s.credit += number(f["credit"])
	}
	var rows strings.Builder
	for i := range count {
		fmt.Fprintf(&rows, `,{"n":%d}`, s.rows+i)
	}
	s.conn.Send(`{"id":%q,"success":true,"type":"chunk","seq":%d,"result":[%s]}`, s.id, s.chunks, rows.String()[1:])
	s.credit--
	s.chunks++
	s.rows += count
	return nil, true
}

func (s *streamer) end() {
	s.conn.Send(`{"id":%q,"success":true,"type":"end","chunks":%d,"rows":%d,"duration":3}`, s.id, s.chunks, s.rows)
}

func TestStreamYieldsEveryRowInOrder(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Welcome()
		for {
			f, ok := conn.Next()
			switch {
			case !ok:
				return
			case f.Str("type") == "credit": // left over from a stream that has ended
			case f.Str("type") == "ping":
				conn.Pong(f.ID())
			case f.Str("type") != "stream":
				t.Errorf("unexpected %v", f)
			default:
				s := startStream(conn, f)
				for range 50 {
					if other, ok := s.chunk(7); !ok {
						t.Errorf("in place of credit came %v", other)
						return
					}
				}
				s.end()
			}
		}
	})
	rows := c.Stream(t.Context(), "SELECT n FROM big")
	for range 2 { // a sequence may be ranged over again
		want := 0
		for row, err := range rows {
			var n int
			if err != nil {
				t.Fatal(err)
			}
			if err := row.Scan(&n); err != nil || n != want || row.Meta().Generation != 42 {
				t.Fatalf("row %d is %d of generation %d (%v)", want, n, row.Meta().Generation, err)
			}
			want++
		}
		if want != 350 {
			t.Fatalf("%d rows", want)
		}
	}
	if n := c.InFlight(); n != 0 {
		t.Fatalf("%d in flight", n)
	}
}

func TestEmptyStreamHasColumns(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			startStream(conn, f).end()
			return true
		})
	})
	s, err := c.OpenStream(t.Context(), duckling.Request{SQL: "SELECT n FROM none"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Next() {
		t.Fatal("a row")
	}
	if s.Next() || s.Err() != nil || fmt.Sprint(s.Columns()) != "[{n BIGINT}]" || s.Meta().Generation != 42 {
		t.Fatalf("columns %v, error %v", s.Columns(), s.Err())
	}
}

func TestLeavingAStreamCancelsIt(t *testing.T) {
	cancelled := make(chan string, 1)
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			s := startStream(conn, f)
			for {
				if other, ok := s.chunk(1); !ok {
					if other.Str("type") == "cancel" && other.Str("target") == s.id {
						conn.Send(`{"id":%q,"success":true,"result":[{"cancelled":true}]}`, other.ID())
						conn.Fail(s.id, "CANCELLED", "Query cancelled")
						cancelled <- s.id
					}
					return true
				}
			}
		})
	})
	for _, err := range c.Stream(t.Context(), "SELECT n FROM big") {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	<-cancelled
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// failing ranges over a stream until its error.
func failing(t *testing.T, ctx context.Context, c *duckling.Client) (rows int, err error) {
	t.Helper()
	for _, err := range c.Stream(ctx, "SELECT n FROM big") {
		if err != nil {
			return rows, err
		}
		rows++
	}
	t.Fatalf("the stream ended well after %d rows", rows)
	return 0, nil
}

func TestStreamThatFailsOnTheWay(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			s := startStream(conn, f)
			s.chunk(3)
			conn.Fail(s.id, "SLOW_CONSUMER", "no credit for 60 s")
			return true
		})
	})
	rows, err := failing(t, t.Context(), c)
	if wantCode(t, err, duckling.CodeSlowConsumer); rows != 3 {
		t.Fatalf("%d rows", rows)
	}
}

func TestStreamThatIsCutIsNoticed(t *testing.T) {
	for name, script := range map[string]func(*scripted.Conn, *streamer){
		"missing row":   func(_ *scripted.Conn, s *streamer) { s.rows++; s.end() },
		"missing chunk": func(_ *scripted.Conn, s *streamer) { s.chunks++; s.end() },
		"gap":           func(_ *scripted.Conn, s *streamer) { s.chunks++; s.chunk(1) },
		"strange frame": func(conn *scripted.Conn, s *streamer) { conn.Rows(s.id, `[{"n":1}]`) },
		"bad chunk": func(conn *scripted.Conn, s *streamer) {
			conn.Raw(fmt.Sprintf(`{"id":%q,"success":true,"type":"chunk","seq":1,"result":[{]}`, s.id))
		},
		"too much": func(_ *scripted.Conn, s *streamer) {
			for s.credit = 100; s.credit > 0; {
				s.chunk(1)
			}
		},
	} {
		c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
			conn.Each(func(f scripted.Frame) bool {
				if f.Str("type") == "stream" {
					s := startStream(conn, f)
					s.chunk(1)
					script(conn, s)
				}
				return true
			})
		})
		if name == "too much" {
			s, err := c.OpenStream(t.Context(), duckling.Request{SQL: "SELECT 1"})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Ping(t.Context()); err != nil { // everything has arrived
				t.Fatal(err)
			}
			for s.Next() {
			}
			wantCode(t, s.Err(), duckling.CodeProtocol)
			s.Close()
			continue
		}
		_, err := failing(t, t.Context(), c)
		if duckling.CodeOf(err) != duckling.CodeProtocol {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestStreamEndsWithItsContextItsTimeAndItsConnection(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			switch f.Str("sql") {
			case "":
			case "SELECT cut":
				startStream(conn, f).chunk(1)
				return false
			default:
				startStream(conn, f).chunk(1)
			}
			return true
		})
	})
	slow, err := c.OpenStream(t.Context(), duckling.Request{SQL: "SELECT slow", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	for slow.Next() {
	}
	wantCode(t, slow.Err(), duckling.CodeRequestTimeout)

	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.OpenStream(ctx, duckling.Request{SQL: "SELECT 1", Timeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Next()
	cancel()
	if s.Next() || !errors.Is(s.Err(), context.Canceled) {
		t.Fatalf("the error is %v", s.Err())
	}

	cut, err := c.OpenStream(t.Context(), duckling.Request{SQL: "SELECT cut", Timeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	for cut.Next() {
	}
	wantCode(t, cut.Err(), duckling.CodeConnectionLost)
}

func TestStreamThatCannotStart(t *testing.T) {
	c := open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			conn.Fail(f.ID(), "SQL_SYNTAX", "no")
			return true
		})
	})
	_, err := failing(t, t.Context(), c)
	wantCode(t, err, duckling.CodeSQLSyntax)
	_, err = c.OpenStream(t.Context(), duckling.Request{})
	wantCode(t, err, duckling.CodeBadRequest)
	if n := c.InFlight(); n != 0 {
		t.Fatalf("%d in flight", n)
	}
}
