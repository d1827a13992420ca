package gateway

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

const key = "the-key"

// server is a running gateway.
type server struct {
	t    *testing.T
	addr string
	stop func()
}

// start runs the gateway on a data directory until the test ends or stop is called.
func start(t *testing.T, data string, change ...func(*Config)) *server {
	t.Helper()
	return startLogging(t, data, slog.New(slog.DiscardHandler), change...)
}

func startLogging(t *testing.T, data string, log *slog.Logger, change ...func(*Config)) *server {
	t.Helper()
	c := &Config{AddrFile: filepath.Join(t.TempDir(), "addr")}
	t.Setenv("DUCKLING_API_KEY", key)
	if err := config.Load(c); err != nil {
		t.Fatal(err)
	}
	c.DataDir, c.Host, c.Port, c.TempDir, c.APIKey, c.MemoryLimit = data, "127.0.0.1", 0, t.TempDir(), key, "1GB"
	for _, f := range change {
		f(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	env := &daemon.Env{Log: log, Metrics: prometheus.NewRegistry(), Health: daemon.NewHealth(), Out: io.Discard}
	go func() { ended <- c.Run(ctx, env) }()
	stopped := false
	s := &server{t: t, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with: %v", err)
		}
	}}
	t.Cleanup(s.stop)
	gentest.Eventually(t, func() bool {
		addr, err := os.ReadFile(c.AddrFile)
		s.addr = string(addr)
		return err == nil
	})
	return s
}

// shop starts a gateway that serves the guide's tables.
func shop(t *testing.T, change ...func(*Config)) *server {
	t.Helper()
	return shopLogging(t, slog.New(slog.DiscardHandler), change...)
}

func shopLogging(t *testing.T, log *slog.Logger, change ...func(*Config)) *server {
	t.Helper()
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Shop()
	p.Publish()
	s := startLogging(t, data, log, change...)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	return s
}

// do sends a request with the key and returns the status and the body.
func (s *server) do(method, path, body string, header ...string) (int, string) {
	s.t.Helper()
	status, out, _ := s.send(method, path, body, append([]string{"Authorization", "Bearer " + key}, header...)...)
	return status, out
}

func (s *server) get(path string) (int, string) { s.t.Helper(); return s.do(http.MethodGet, path, "") }

func (s *server) send(method, path, body string, header ...string) (int, string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(out), resp.Header
}

func TestREST(t *testing.T) {
	s := shop(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // is contained in the answer
	}{
		{"POST", "/api/query", `{"sql":"SELECT COUNT(*) AS n FROM ` + "`Order`" + ` WHERE userId = ?","params":[9]}`, 200, `{"result":[{"n":10}],"database":"default","generation":1,"position":{"gtidSet":"3E11FA47`},
		{"POST", "/api/query", `{"sql":"SELECT 1 AS a","database":"default"}`, 200, `"lagMs":`},
		{"POST", "/api/query", `{"sql":"SELECT 1 AS a","database":"duckdb"}`, 200, `[{"a":1}]`},
		{"POST", "/api/query", `{"sql":"SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e","params":[1,"x",null,true,1.5]}`, 200, `[{"a":1,"b":"x","c":null,"d":true,"e":1.5}]`},
		{"POST", "/api/query", `{"sql":"SELECT id FROM User WHERE id IN (SELECT unnest(?)) ORDER BY id","params":[[3,1]]}`, 200, `[{"id":1},{"id":3}]`},
		{"POST", "/api/query", `{"sql":"SELECT 9223372036854775807 AS a, TIMESTAMP '2025-01-01' AS t","numberMode":"number","dateMode":"sql"}`, 200, `[{"a":9223372036854775807,"t":"2025-01-01 00:00:00"}]`},
		{"POST", "/api/query", `{"sql":"SELECT \"it's\" AS a","dialect":"mysql"}`, 200, `[{"a":"it's"}]`},
		{"POST", "/api/query", `{"sql":"SELECT nope FROM User"}`, 404, `"code":"NOT_FOUND","retryable":false,"position":7`},
		{"POST", "/api/query", `{"sql":"DELETE FROM User"}`, 403, `"code":"SQL_FORBIDDEN"`},
		{"POST", "/api/query", `{"sql":"SELECT 1","dateMode":"unix"}`, 400, `"code":"BAD_REQUEST"`},
		{"POST", "/api/query", `{"sql":"SELECT ?","params":[{"a":1}]}`, 400, `"code":"SQL_PARAMS"`},
		{"POST", "/api/query", `{"sql":""}`, 400, `SQL query is required`},
		{"POST", "/api/query", `not json`, 400, `"code":"BAD_REQUEST"`},
		{"POST", "/api/query", `{"sql":"SELECT 1","database":"other"}`, 404, `Database 'other' not found. Available databases: default`},
		{"GET", "/api/tables?db=other", "", 404, `"code":"DATABASE_NOT_FOUND"`},
		{"GET", "/api/tables", "", 200, `["Order","OrderItem","Product","User"]`},
		{"GET", "/api/tables/Order/schema", "", 200, `{"columns":[{"column_name":"id","column_type":"INTEGER","null":"NO","key":null,"default_value":null,"extra":null,"comment":""},`},
		{"GET", "/api/tables/Order/data?limit=2&offset=1", "", 200, `[{"id":2,"userId":15,"total":2.25,"status":"sent","createdAt":"2025-01-03 12:00:00"},{`},
		{"GET", "/api/tables/order/count", "", 200, `{"count":1000}`},
		{"GET", "/api/tables/Nope/count", "", 404, `table 'Nope' does not exist`},
		{"GET", "/api/tables/__duckling_shadow/data", "", 404, `does not exist`},
		{"GET", "/api/databases", "", 200, `{"databases":[{"id":"default","databaseId":"default","name":"default","status":"healthy","database":"default","generation":1,`},
		{"GET", "/health", "", 200, `"status":"healthy"`},
		{"GET", "/health/ready", "", 200, `"ready"`},
		{"GET", "/status", "", 200, `"tables":[{"name":"Order","rows":1000}`},
		{"GET", "/metrics", "", 200, `duckling_gateway_open_generations 1`},
		{"GET", "/sync/status", "", 503, `NATS_URL is not set for the gateway`},
		{"GET", "/cdc/status", "", 503, `NATS_URL is not set for the gateway`},
		{"POST", "/sync/full", "", 503, `"code":"UNAVAILABLE"`},
		{"POST", "/sync/table/Order", "", 503, `"code":"UNAVAILABLE"`},
		{"GET", "/nowhere", "", 404, `{"error":"there is no GET /nowhere; GET /openapi.json lists what there is","code":"NOT_FOUND"`},
		{"GET", "/api/nowhere", "", 404, `there is no GET /api/nowhere`},
		{"POST", "/api/tables", "", 405, `/api/tables does not take POST`},
		{"POST", "/api/query", `{"sql":"SELECT '<&>' <"}`, 400, `at end of input`},
		{"POST", "/api/query", `{"sql":"SELECT 1 <=> <"}`, 400, `at or near \"<\"`},
		{"POST", "/api/query", `{"sql":"SELECT 1","params":7}`, 400, `params must be an array`},
		{"POST", "/api/query", `{"sql":["SELECT 1"]}`, 400, `sql must be a string and is an array`},
		{"POST", "/api/query", `["SELECT 1"]`, 400, `the request must be an object and is an array`},
		{"POST", "/api/query", `sql=SELECT 1`, 400, `the request is not valid JSON: invalid character 's'`},
	} {
		status, body := s.do(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %s\n got %d %.400s\nwant %d %s", c.method, c.path, c.body, status, body, c.status, c.want)
		}
		if c.path != "/metrics" && !json.Valid([]byte(body)) {
			t.Errorf("%s %s: not JSON: %s", c.method, c.path, body)
		}
	}
}

func TestNothingAnswersWithoutTheKey(t *testing.T) {
	s := shop(t)
	for _, path := range []string{"/api/tables", "/api/databases", "/api/tables/User/data", "/api/nowhere", "/health", "/health/ready", "/status", "/sync/status", "/cdc/status", "/metrics"} {
		for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", ""}, {"Authorization", "Bearer "}} {
			if status, body, _ := s.send(http.MethodGet, path, "", header...); status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d %s", path, header, status, body)
			}
		}
	}
	if status, _, _ := s.send(http.MethodPost, "/api/query", `{"sql":"SELECT 1"}`); status != http.StatusUnauthorized {
		t.Errorf("query without a key: %d", status)
	}
	if status, body, _ := s.send(http.MethodGet, "/health/live", ""); status != http.StatusOK {
		t.Errorf("liveness: %d %s", status, body)
	}
	for _, header := range []string{key, "bearer " + key} {
		if status, _, _ := s.send(http.MethodGet, "/status", "", "Authorization", header); status != http.StatusOK {
			t.Errorf("Authorization: %s: %d", header, status)
		}
	}
}

func TestGatewayWaitsForTheLoader(t *testing.T) {
	data := t.TempDir()
	s := start(t, data)
	if status, body := s.get("/health"); status != http.StatusServiceUnavailable {
		t.Errorf("health without a database: %d %s", status, body)
	}
	p := gentest.New(t, data, "default")
	gentest.Eventually(t, func() bool {
		status, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT 1"}`)
		return status == http.StatusServiceUnavailable && strings.Contains(body, "the first copy is still under way")
	})
	p.Shop()
	p.Publish()
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	if status, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT count(*) AS n FROM User"}`); status != http.StatusOK || !strings.Contains(body, `[{"n":100}]`) {
		t.Errorf("%d %s", status, body)
	}
}

// A generation that is not what was published is told of, and the one before goes on being served.
func TestDamagedGenerationIsNotServed(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Shop()
	p.Publish()
	s := start(t, data)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	p.Damage = true
	p.Publish()
	gentest.Eventually(t, func() bool {
		_, body := s.get("/status")
		return strings.Contains(body, "is damaged") && strings.Contains(body, `"generation":1,`)
	})
	if status, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT count(*) AS n FROM User"}`); status != http.StatusOK || !strings.Contains(body, `"generation":1`) {
		t.Errorf("%d %s", status, body)
	}
	p.Damage = false
	p.Publish()
	gentest.Eventually(t, func() bool {
		_, body := s.get("/status")
		return strings.Contains(body, `"generation":3,`) && !strings.Contains(body, "damaged")
	})
}

func TestStopEndsRunningQueries(t *testing.T) {
	s := shop(t)
	answered := make(chan string, 1)
	go func() {
		_, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT count(*) FROM range(1000000000) a, range(1000) b"}`)
		answered <- body
	}()
	gentest.Eventually(t, func() bool {
		_, body := s.get("/metrics")
		return strings.Contains(body, "duckling_gateway_running_queries 1")
	})
	s.stop()
	if body := <-answered; !strings.Contains(body, `"code":"CANCELLED"`) {
		t.Errorf("got %s", body)
	}
}
