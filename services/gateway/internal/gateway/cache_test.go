package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// A kept result is for who asks the same of the same database in the same form, and for nobody else.
func TestKeptResultsAreToldApart(t *testing.T) {
	data := t.TempDir()
	for i, id := range []string{"default", "other"} {
		p := gentest.New(t, data, id)
		p.Exec("CREATE TABLE t AS SELECT " + []string{"9007199254740993", "9007199254740995"}[i] + " AS n, TIMESTAMP '2025-01-31 10:00:00' AS t, '[1]'::JSON AS j")
		p.Publish()
	}
	s := start(t, data)
	gentest.Eventually(t, func() bool { _, body := s.get("/health"); return strings.Count(body, `"status":"healthy"`) == 3 })
	first := ""
	for range 2 { // the second time all are kept ones
		for _, one := range []struct{ parameters, want string }{
			{"", `[{"n":"9007199254740993","t":"2025-01-31 10:00:00","j":"[1]","x":1}]`},
			{"db=other", `[{"n":"9007199254740995","t":"2025-01-31 10:00:00","j":"[1]","x":1}]`},
			{"numberMode=number", `[{"n":9007199254740993,"t":"2025-01-31 10:00:00","j":"[1]","x":1}]`},
			{"numberMode=string", `[{"n":"9007199254740993","t":"2025-01-31 10:00:00","j":"[1]","x":"1"}]`},
			{"dateMode=iso", `[{"n":"9007199254740993","t":"2025-01-31T10:00:00","j":"[1]","x":1}]`},
			{"jsonMode=value", `[{"n":"9007199254740993","t":"2025-01-31 10:00:00","j":[1],"x":1}]`},
			{"format=csv", "n,t,j,x\r\n9007199254740993,2025-01-31 10:00:00,[1],1\r\n"},
			{"format=compact", `"rows":[["9007199254740993","2025-01-31 10:00:00","[1]",1]]`},
			{"params=[2]", `"x":2}]`}, {`params=["1"]`, `"x":"1"}]`}, {"params=[1.5]", `"x":1.5}]`}, {"params=[null]", `"x":null}]`}, {"params=[true]", `"x":true}]`}, {"params=[[1]]", `"x":[1]}]`},
		} {
			if !strings.Contains(one.parameters, "params") {
				one.parameters += "&params=[1]"
			}
			status, body := s.get("/api/query?sql=" + url.QueryEscape("SELECT n, t, j, ? AS x FROM t") + "&" + one.parameters)
			if status != http.StatusOK || !strings.Contains(body, one.want) {
				t.Errorf("%s: %d %s", one.parameters, status, body)
			}
		}
		_, m := s.get("/metrics")
		hits := value(t, m, "duckling_gateway_cache_hits_total")
		if misses := value(t, m, "duckling_gateway_cache_misses_total"); first == "" && hits != 0 || first != "" && (hits != 12 || misses != 12) {
			t.Errorf("%v hits and %v misses, 12 of either are expected in the end", hits, misses)
		}
		first = "done"
	}
}

// A full queue is told of with the time to come again, over HTTP and over WebSocket.
func TestFullQueueSaysWhenToComeAgain(t *testing.T) {
	s := shop(t, func(c *Config) { c.MaxConcurrent, c.MaxQueue = 1, 1 })
	c := s.login("/ws")
	for _, id := range []string{"runs", "waits"} {
		c.write(`{"id":"%s","type":"query","sql":"%s WHERE '%s' <> ''"}`, id, neverEnding, id)
	}
	gentest.Eventually(t, func() bool {
		_, m := s.get("/metrics")
		return value(t, m, "duckling_gateway_running_queries") == 1 && value(t, m, "duckling_gateway_waiting_queries") == 1
	})
	if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`); r.Code != "QUEUE_FULL" || !r.Retryable || r.RetryAfterMs <= 0 {
		t.Errorf("%+v", r)
	}
	status, body, header := s.send(http.MethodPost, "/api/query", `{"sql":"SELECT 2 AS a"}`, "Authorization", "Bearer "+key)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" || !strings.Contains(body, `"code":"QUEUE_FULL"`) {
		t.Errorf("%d %v %s", status, header, body)
	}
}
