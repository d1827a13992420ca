package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/testkit/seed"
)

// A statement runs in its connection's reader when it was quick the last time. One that is not after all keeps neither a ping nor a
// cancel waiting, and the connection goes on, time after time.
func TestStatementThatIsSlowForOnceKeepsNobodyWaiting(t *testing.T) {
	s := shop(t, func(c *Config) { c.ResultCache = 0 })
	c := s.login("/ws")
	const statement = "SELECT count(*) AS n FROM range(?) AS a(i), range(1000) AS b(j), range(1000) AS c(k) WHERE i + j * k = 7"
	quick := func() {
		for range 3 { // the first one makes it known and the second one quick
			if r := c.ask(`{"id":"q","type":"query","sql":"%s","params":[0]}`, statement); !r.Success {
				t.Fatalf("%+v", r)
			}
		}
	}
	// On a busy machine it may not have been quick. It has its answers then all the same.
	for round := 0; round < 5 || handovers(s) < 3; round++ {
		if round == 200 {
			t.Fatal("no statement ran in its connection's reader")
		}
		quick()
		c.write(`{"id":"long","type":"query","sql":"%s","params":[1000000000]}`, statement)
		running(s, 1) // else the ping might come with it
		if r := c.ask(`{"id":"p","type":"ping"}`); r.ID != "p" || !r.Success {
			t.Fatalf("round %d: the ping's answer: %+v", round, r)
		}
		c.write(`{"id":"c","type":"cancel","target":"long"}`)
		both := c.replies(2)
		if both["c"].Result[0]["cancelled"] != true || both["long"].Code != "CANCELLED" {
			t.Fatalf("round %d: %+v", round, both)
		}
	}
	// And it ends for a client that leaves.
	quick()
	c.write(`{"id":"long","type":"query","sql":"%s","params":[1000000000]}`, statement)
	c.conn.Close()
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return strings.Contains(m, "duckling_gateway_ws_connections 0\n")
	})
	running(s, 0)
}

// running waits until so many statements run.
func running(s *server, n int) {
	s.t.Helper()
	gentest.Eventually(s.t, func() bool {
		_, m := s.get("/metrics")
		return value(s.t, m, "duckling_gateway_running_queries") == float64(n)
	})
}

// Of statements that came in one write the brief ones run in the reader, one after the other. One that takes long after all keeps the others
// waiting for a moment only, and what has been answered before it too.
func TestSlowAmongStatementsThatCameTogether(t *testing.T) {
	s := shop(t, func(c *Config) { c.ResultCache = 0 })
	c := s.login("/ws")
	const statement = "SELECT count(*) AS n FROM range(?) AS a(i), range(1000) AS b(j), range(1000) AS c(k) WHERE i + j * k = 7"
	for range 20 {
		for range 3 {
			c.ask(`{"id":"q","type":"query","sql":"%s","params":[0]}`, statement)
			c.ask(`{"id":"q","type":"query","sql":"SELECT 1 AS x"}`)
		}
		c.together(`{"id":"before","type":"query","sql":"SELECT 1 AS x"}`, fmt.Sprintf(`{"id":"long","type":"query","sql":"%s","params":[1000000000]}`, statement),
			`{"id":"after","type":"query","sql":"SELECT 1 AS x"}`, `{"id":"p","type":"ping"}`)
		for id, r := range c.replies(3) {
			if !r.Success || id == "long" {
				t.Fatalf("%s: %+v", id, r)
			}
		}
		c.write(`{"id":"c","type":"cancel","target":"long"}`)
		if both := c.replies(2); both["long"].Code != "CANCELLED" {
			t.Fatalf("%+v", both)
		}
	}
}

// However a client's bytes are cut into writes, with pings and fragments among its frames, each statement is answered, once and with its own
// rows, also those whose bytes are followed by half a frame.
func TestAnyCutsOfFrames(t *testing.T) {
	s := shop(t, func(c *Config) { c.ResultCache = 0 })
	rng := rand.New(rand.NewPCG(seed.For(t), 0))
	c := s.login("/ws")
	for round := range 150 {
		var wire []byte
		want := map[string]int{}
		for i := range 1 + rng.IntN(100) {
			id := fmt.Sprintf("%d-%d", round, i)
			text := fmt.Sprintf(`{"id":"%s","type":"query","sql":"SELECT ?::BIGINT AS x","params":[%d]}`, id, round*1000+i)
			frame := masked(text)
			switch rng.IntN(12) {
			case 0: // a pong that nobody asked for
				wire = append(wire, 0x8a, 0x83, 0, 0, 0, 0, 'a', 'b', 'c')
			case 1: // in two fragments
				head, rest := masked(text[:20]), masked(text[20:])
				head[0], rest[0] = 0x01, 0x80
				frame = slices.Concat(head, rest)
			case 2: // one that is not brief
				frame = masked(fmt.Sprintf(`{"id":"%s","type":"query","sql":"SELECT sum(i)::BIGINT * 0 + ? AS x FROM range(300000) t(i)","params":[%d]}`, id, round*1000+i))
			}
			want[id] = round*1000 + i
			wire = append(wire, frame...)
		}
		last := fmt.Sprintf("%d-last", round)
		half := masked(fmt.Sprintf(`{"id":"%s","type":"query","sql":"SELECT ?::BIGINT AS x","params":[-1]}`, last))
		wire = append(wire, half[:9]...)
		for len(wire) > 0 {
			n := min(1+rng.IntN(6000), len(wire))
			if _, err := c.conn.NetConn().Write(wire[:n]); err != nil {
				t.Fatal(err)
			}
			wire = wire[n:]
		}
		for id, r := range c.replies(len(want)) {
			if !r.Success || fmt.Sprint(r.Result[0]["x"]) != fmt.Sprint(want[id]) {
				t.Fatalf("%s: %+v, want %d", id, r, want[id])
			}
			delete(want, id)
		}
		if len(want) > 0 {
			t.Fatalf("not answered: %v", want)
		}
		if _, err := c.conn.NetConn().Write(half[9:]); err != nil {
			t.Fatal(err)
		}
		if r := c.read(); r.ID != last || fmt.Sprint(r.Result[0]["x"]) != "-1" {
			t.Fatalf("the last one: %+v", r)
		}
	}
}

// together sends frames in one write.
func (c *client) together(frames ...string) {
	c.t.Helper()
	var wire []byte
	for _, frame := range frames {
		wire = append(wire, masked(frame)...)
	}
	if _, err := c.conn.NetConn().Write(wire); err != nil {
		c.t.Fatal(err)
	}
}

func handovers(s *server) float64 {
	_, m := s.get("/metrics")
	return value(s.t, m, "duckling_gateway_ws_handovers_total")
}

// masked is a client's frame, masked with zero.
func masked(payload string) []byte {
	head := []byte{0x81}
	if n := len(payload); n > 125 {
		head = append(head, 0x80|126, byte(n>>8), byte(n))
	} else {
		head = append(head, 0x80|byte(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}
