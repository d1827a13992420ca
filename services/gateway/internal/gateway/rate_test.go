package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A key that has spent what it may send is told when to come again, and another key is served meanwhile. Pings and metrics are free.
func TestRateOfOneKey(t *testing.T) {
	// One statement in a thousand seconds: however slow the machine is, nothing comes back during the test.
	s := shop(t, func(c *Config) {
		c.QueryRate, c.QueryBurst, c.Access.KeysFile = 0.001, 5, t.TempDir()+"/keys.json"
	})
	status, body := s.do(http.MethodPost, "/api/databases/default/api-keys", `{"name":"reports"}`)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		t.Fatal(status, body)
	}
	other := s.connect("/ws", nil)
	other.read() // welcome
	if r := other.ask(`{"id":"a","type":"auth","apiKey":"%s"}`, made.Secret); !r.Success {
		t.Fatalf("%+v", r)
	}
	c := s.login("/ws")
	for i := range 3 {
		if r := c.ask(`{"id":"%d","type":"query","sql":"SELECT 1 AS a"}`, i); !r.Success {
			t.Fatalf("statement %d of 5: %+v", i+1, r)
		}
	}
	if r := c.ask(`{"id":"b","type":"batch","queries":[{"sql":"SELECT 1"},{"sql":"SELECT 2"},{"sql":"SELECT 3"}]}`); r.Code != "RATE_LIMITED" || !r.Retryable || r.RetryAfterMs < 900_000 {
		t.Errorf("a batch of three with two left: %+v", r)
	}
	if r := c.ask(`{"id":"b","type":"batch","queries":[{"sql":"SELECT 1"},{"sql":"SELECT 2"}]}`); !r.Success {
		t.Errorf("a batch of two with two left: %+v", r)
	}
	if r := c.ask(`{"id":"b","type":"batch","queries":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"sql":"SELECT 1"},`, 6), ",")); r.Code != "LIMIT_EXCEEDED" || r.Retryable {
		t.Errorf("a batch that can never be sent: %+v", r)
	}
	refused := 2
	for _, f := range []string{
		`"type":"query","sql":"SELECT 1"`, `"type":"prepare","sql":"SELECT 1"`, `"type":"execute","statement":"s1"`, `"type":"stream","sql":"SELECT 1","credit":1`, `"type":"subscribe","sql":"SELECT 1"`,
	} {
		if r := c.ask(`{"id":"f",%s}`, f); r.Code != "RATE_LIMITED" {
			t.Errorf("%s: %+v", f, r)
		}
		refused++
	}
	for _, path := range []string{"/api/query?sql=SELECT+1", "/api/tables/Order/data", "/api/tables/Order/schema"} {
		status, _, header := s.send(http.MethodGet, path, "", "Authorization", "Bearer "+key)
		if after, err := strconv.Atoi(header.Get("Retry-After")); status != http.StatusTooManyRequests || err != nil || after < 900 {
			t.Errorf("%s: %d, Retry-After %q", path, status, header.Get("Retry-After"))
		}
		refused++
	}
	if status, body := s.do(http.MethodPost, "/api/jobs", `{"sql":"SELECT 1"}`); status != http.StatusTooManyRequests || !strings.Contains(body, `"code":"RATE_LIMITED"`) {
		t.Errorf("a job: %d %s", status, body)
	}
	refused++
	if r := c.ask(`{"id":"p","type":"ping"}`); !r.Success {
		t.Errorf("a ping: %+v", r)
	}
	if r := other.ask(`{"id":"q","type":"query","sql":"SELECT 1 AS a"}`); !r.Success {
		t.Errorf("another key: %+v", r)
	}
	if _, m := s.get("/metrics"); !strings.Contains(m, fmt.Sprintf(`duckling_gateway_query_rejections_total{limit="rate"} %d`, refused)) {
		t.Errorf("%d were refused; the metric says otherwise", refused)
	}
}
