package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
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
		return strings.Contains(m, "duckling_gateway_ws_connections 0\n") && strings.Contains(m, "duckling_gateway_running_queries 0\n")
	})
}

// Statements that came in one write run side by side, however quick they were: they do not wait for each other in the reader.
func TestStatementsThatCameTogetherRunSideBySide(t *testing.T) {
	s := shop(t, func(c *Config) { c.ResultCache = 0 })
	c := s.login("/ws")
	const statement = "SELECT count(*) AS n FROM range(?) AS a(i), range(1000) AS b(j), range(1000) AS c(k) WHERE i + j * k = 7"
	for range 3 {
		c.ask(`{"id":"q","type":"query","sql":"%s","params":[0]}`, statement)
	}
	// The first is slow for once; the ping came in the same write and is answered before it.
	var wire []byte
	for _, frame := range []string{fmt.Sprintf(`{"id":"long","type":"query","sql":"%s","params":[1000000000]}`, statement), `{"id":"p","type":"ping"}`} {
		wire = append(wire, masked(frame)...)
	}
	before := handovers(s)
	if _, err := c.conn.NetConn().Write(wire); err != nil {
		t.Fatal(err)
	}
	if r := c.read(); r.ID != "p" {
		t.Errorf("the first answer: %+v", r)
	}
	c.write(`{"id":"c","type":"cancel","target":"long"}`)
	c.replies(2)
	if n := handovers(s); n != before {
		t.Errorf("%v handovers: the statement ran in the reader", n-before)
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
