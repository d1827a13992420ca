package resttest

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/rest"
)

// Every route there is, and some that are not, must answer nothing but liveness to those without a good key.
func TestNothingAnswersWithoutAKey(t *testing.T) {
	s := shop(t, func(c *Config) { c.Access.KeysFile = filepath.Join(t.TempDir(), "keys.json") })
	routes := rest.Routes()
	for _, path := range []string{"/api/nowhere", "/api/", "/sync/x", "/cdc/x", "/status/x", "/health/x", "/metrics/x"} {
		routes = append(routes, rest.Route{Method: http.MethodGet, Path: path}, rest.Route{Method: http.MethodPost, Path: path})
	}
	for _, r := range routes {
		path := r.Path
		for _, name := range []string{":database", ":table", ":query", ":job", ":key", ":id"} {
			path = strings.ReplaceAll(path, name, "default")
		}
		for _, header := range [][]string{nil, {"Authorization", "Bearer wrong"}, {"Authorization", ""}, {"Authorization", "Bearer "}, {"Authorization", "dk_x"},
			{"Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."}} {
			status, body, answer := s.send(r.Method, path+"?token=", `{"sql":"SELECT 1"}`, header...)
			if r.Path == "/health/live" {
				if status != 200 {
					t.Errorf("liveness: %d", status)
				}
				continue
			}
			if status != 401 || !strings.Contains(body, `"code":"AUTH_`) || answer.Get("WWW-Authenticate") != "Bearer" || strings.Contains(body, "default") {
				t.Errorf("%s %s with %q: %d %s", r.Method, path, header, status, body)
			}
		}
	}
	if status, body, _ := s.send("GET", "/nowhere", ""); status != 404 || strings.Contains(body, "duckling") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := s.send("GET", "/api/tables?token="+key, ""); status != 200 {
		t.Errorf("the key as ?token=: %d", status)
	}
}

// two starts a gateway on two databases and makes a key for the one named shop.
func two(t *testing.T, change ...func(*Config)) (s *server, secret, id string) {
	t.Helper()
	data := t.TempDir()
	publish(t, data, "default")
	publish(t, data, "shop")
	s = start(t, data, append([]func(*Config){func(c *Config) { c.Access.KeysFile = filepath.Join(t.TempDir(), "keys.json") }}, change...)...)
	gentest.Eventually(t, func() bool {
		_, body := s.get("/health")
		return strings.Count(body, `"status":"healthy"`) == 3
	})
	secret, id = s.makeKey("shop")
	return s, secret, id
}

func (s *server) makeKey(database string) (secret, id string) {
	s.t.Helper()
	var made struct {
		Secret string
		APIKey struct{ ID string }
	}
	status, body := s.do("POST", "/api/databases/"+database+"/api-keys", `{"name":"report"}`)
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 201 {
		s.t.Fatalf("%d %s", status, body)
	}
	return made.Secret, made.APIKey.ID
}

func TestKeyOfOneDatabase(t *testing.T) {
	s, secret, id := two(t)
	as := func(method, path, body string) (int, string) {
		t.Helper()
		status, text, _ := s.send(method, path, body, "Authorization", "Bearer "+secret)
		return status, text
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/tables", "", 200, `["Order"`},
		{"GET", "/api/tables?db=shop", "", 200, `["Order"`},
		{"POST", "/api/query", sqlBody("SELECT 1 AS a"), 200, `"database":"shop"`},
		{"POST", "/api/query", `{"sql":"SELECT 1 AS a","database":"shop"}`, 200, `"database":"shop"`},
		{"GET", "/status", "", 200, `"id":"shop"`},
		{"GET", "/api/databases", "", 200, `"id":"shop"`},
		{"GET", "/health", "", 200, `"id":"shop"`},
		{"GET", "/sync/status", "", 503, `UNAVAILABLE`},
		{"GET", "/api/tables?db=default", "", 403, `"code":"FORBIDDEN"`},
		{"GET", "/api/tables?db=other", "", 403, `"code":"FORBIDDEN"`},
		{"POST", "/api/query?db=default", sqlBody("SELECT 1"), 403, `cannot access database 'default'`},
		{"POST", "/api/query", `{"sql":"SELECT 1","database":"default"}`, 403, `"code":"FORBIDDEN"`},
		{"GET", "/api/query?sql=SELECT+1&db=default", "", 403, `"code":"FORBIDDEN"`},
		{"POST", "/api/jobs?db=default", sqlBody("SELECT 1"), 403, `"code":"FORBIDDEN"`},
		{"GET", "/sync/status?db=default", "", 403, `"code":"FORBIDDEN"`},
		{"POST", "/sync/full", "", 403, `admin key`},
		{"POST", "/sync/pause", "", 403, `admin key`},
		{"POST", "/sync/resume", "", 403, `admin key`},
		{"POST", "/sync/table/Order", "", 403, `admin key`},
		{"GET", "/metrics", "", 403, `admin key`},
		{"GET", "/api/queries", "", 403, `admin key`},
		{"GET", "/api/databases/shop/api-keys", "", 403, `admin key`},
		{"POST", "/api/databases/shop/api-keys", `{"name":"x"}`, 403, `admin key`},
		{"DELETE", "/api/databases/shop/api-keys/" + id, "", 403, `admin key`},
	} {
		status, body := as(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.want)
		}
		if named := strings.Contains(c.path+c.body, "default"); !named && strings.Contains(body, `"default"`) {
			t.Errorf("%s %s names another database: %s", c.method, c.path, body)
		}
	}
	// SQL cannot reach the other database either.
	if status, body := as("POST", "/api/query", sqlBody(`SELECT * FROM "default".main.User`)); status == 200 {
		t.Errorf("the other database by its name: %d %s", status, body)
	}
	if _, body := s.get("/api/databases/shop/api-keys"); strings.Contains(body, secret) || strings.Contains(body, "sha256") || !strings.Contains(body, id) {
		t.Errorf("list: %s", body)
	}
	if status, body := s.do("POST", "/api/databases/nope/api-keys", `{"name":"x"}`); status != 404 || !strings.Contains(body, "Available databases: default, shop") {
		t.Errorf("unknown database: %d %s", status, body)
	}

	// A job is seen by its own key and by the admin.
	_, mine, _ := s.submit(sqlBody("SELECT 1"))
	if status, _ := as("GET", "/api/jobs/"+mine.ID, ""); status != 404 {
		t.Errorf("a job of another key: %d", status)
	}
	if status, _ := as("DELETE", "/api/jobs/"+mine.ID, ""); status != 404 {
		t.Errorf("deleting a job of another key: %d", status)
	}
	if _, body := as("GET", "/api/jobs", ""); body != `{"jobs":[]}` {
		t.Errorf("jobs: %s", body)
	}

	if status, _ := s.do("PATCH", "/api/databases/shop/api-keys/"+id, `{"enabled":false}`); status != 200 {
		t.Error(status)
	}
	if status, body := as("GET", "/api/tables", ""); status != 401 {
		t.Errorf("disabled: %d %s", status, body)
	}
	if status, _ := s.do("PATCH", "/api/databases/shop/api-keys/"+id, `{"enabled":true}`); status != 200 {
		t.Error(status)
	}
	if status, body := as("GET", "/api/tables", ""); status != 200 {
		t.Errorf("enabled again: %d %s", status, body)
	}
	if status, _ := s.do("DELETE", "/api/databases/shop/api-keys/"+id, ""); status != 200 {
		t.Error(status)
	}
	if status, body := as("GET", "/api/tables", ""); status != 401 {
		t.Errorf("revoked: %d %s", status, body)
	}
}

// Gateways that share NATS agree on the keys, and the table of keys outlives them.
func TestKeysInNATS(t *testing.T) {
	nats, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nats.Stop(); err != nil {
			t.Error(err)
		}
	})
	data := t.TempDir()
	publish(t, data, "shop")
	open := func() *server {
		s := start(t, data, func(c *Config) { c.NATSURL = config.Secret(nats.ClientURL()) })
		gentest.Eventually(t, func() bool { status, _ := s.get("/api/databases/shop/api-keys"); return status == 200 })
		return s
	}
	one, other := open(), open()
	secret, id := one.makeKey("shop")
	asks := func(s *server) int {
		status, _, _ := s.send("GET", "/api/tables", "", "Authorization", secret)
		return status
	}
	gentest.Eventually(t, func() bool { return asks(other) == 200 })
	one.stop()
	third := open()
	gentest.Eventually(t, func() bool { return asks(third) == 200 })
	if status, body := other.do("DELETE", "/api/databases/shop/api-keys/"+id, ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	gentest.Eventually(t, func() bool { return asks(third) == 401 })
}

func TestWebSocketTakesTheSameKeys(t *testing.T) {
	s, secret, id := two(t)
	dial := func(path string, header http.Header) *websocket.Conn {
		t.Helper()
		conn, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, header)
		if err != nil {
			t.Fatalf("%v %v", err, resp)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	read := func(conn *websocket.Conn) string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, text, err := conn.ReadMessage()
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	say := func(conn *websocket.Conn, frame string) string {
		t.Helper()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
		return read(conn)
	}
	const ask = `{"id":"2","type":"query","sql":"SELECT 1 AS a","meta":true}`
	good := dial("/ws", nil)
	read(good)
	if got := say(good, `{"id":"1","type":"auth","apiKey":"`+secret+`"}`); !strings.Contains(got, `"authenticated":true`) {
		t.Fatal(got)
	}
	if got := say(good, ask); !strings.Contains(got, `[{"a":1}]`) {
		t.Error(got)
	}
	by := dial("/ws?db=shop", http.Header{"Authorization": {"Bearer " + secret}})
	read(by)
	if got := say(by, ask); !strings.Contains(got, `[{"a":1}]`) {
		t.Error(got)
	}
	wrong := dial("/ws?db=default", nil)
	read(wrong)
	if got := say(wrong, `{"id":"1","type":"auth","apiKey":"`+secret+`"}`); !strings.Contains(got, `"code":"FORBIDDEN"`) {
		t.Error(got)
	}
	if got := read(wrong); !strings.Contains(got, "1008") || !strings.Contains(got, "cannot access database 'default'") {
		t.Error(got)
	}
	if status, _ := s.do("DELETE", "/api/databases/shop/api-keys/"+id, ""); status != 200 {
		t.Fatal(status)
	}
	if got := say(good, ask); !strings.Contains(got, `"code":"AUTH_INVALID"`) {
		t.Error(got)
	}
	if got := read(good); !strings.Contains(got, "1008") {
		t.Error(got)
	}
}

func TestTokensOfAnotherSystem(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	s, _, _ := two(t, func(c *Config) { c.Access.JWTSecret = secret })
	token := func(claims jwt.MapClaims) string {
		claims["sub"], claims["exp"] = "ada", time.Now().Add(time.Hour).Unix()
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, c := range []struct {
		claims jwt.MapClaims
		path   string
		status int
	}{
		{jwt.MapClaims{"databases": []string{"shop"}}, "/api/tables", 200},
		{jwt.MapClaims{"databases": []string{"shop"}}, "/api/tables?db=default", 403},
		{jwt.MapClaims{"databases": "*"}, "/api/tables?db=default", 200},
		{jwt.MapClaims{"databases": "*"}, "/metrics", 403},
		{jwt.MapClaims{"admin": true}, "/metrics", 200},
		{jwt.MapClaims{}, "/api/tables", 403},
	} {
		if status, body, _ := s.send("GET", c.path, "", "Authorization", "Bearer "+token(c.claims)); status != c.status {
			t.Errorf("%v %s: %d %s", c.claims, c.path, status, body)
		}
	}
}

func TestCORS(t *testing.T) {
	closed := shop(t)
	_, _, header := closed.send("GET", "/health/live", "", "Origin", "https://shop.example")
	if header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("an origin is allowed though none is set")
	}
	s := shop(t, func(c *Config) { c.Access.CORSOrigins = []string{"https://shop.example"} })
	status, _, header := s.send("OPTIONS", "/api/query", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST")
	if status != 204 || header.Get("Access-Control-Allow-Origin") != "https://shop.example" || !strings.Contains(header.Get("Access-Control-Allow-Headers"), "Authorization") ||
		header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", status, header)
	}
	if status, _, header := s.send("POST", "/api/query", sqlBody("SELECT 1"), "Origin", "https://shop.example", "Authorization", key); status != 200 ||
		header.Get("Access-Control-Allow-Origin") != "https://shop.example" || !strings.Contains(header.Get("Access-Control-Expose-Headers"), "X-Duckling-Generation") ||
		!strings.Contains(strings.Join(header.Values("Vary"), ","), "Origin") {
		t.Errorf("%d %v", status, header)
	}
	if _, _, header := s.send("POST", "/api/query", sqlBody("SELECT 1"), "Origin", "https://evil.example", "Authorization", key); header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", header)
	}
}
