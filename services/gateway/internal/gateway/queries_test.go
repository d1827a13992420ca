package gateway

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

func TestQueriesAreListedAndCancelled(t *testing.T) {
	s := shop(t)
	c := s.login("/ws")
	c.write(`{"id":"1","type":"query","sql":"%s"}`, neverEnding)
	var list struct {
		Queries []struct {
			ID, SQL, State, Kind, Database, Fingerprint string
			Generation                                  int
		}
	}
	gentest.Eventually(t, func() bool {
		_, body := s.get("/api/queries")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return len(list.Queries) == 1 && list.Queries[0].State == "running"
	})
	one := list.Queries[0]
	if one.SQL != neverEnding || one.Kind != "query" || one.Database != "default" || one.Generation != 1 || one.Fingerprint == "" {
		t.Errorf("%+v", one)
	}
	if status, body := s.do(http.MethodDelete, "/api/queries/"+one.ID, ""); status != http.StatusOK || body != `{"cancelled":true}` {
		t.Errorf("%d %s", status, body)
	}
	if r := c.read(); r.ID != "1" || r.Code != "CANCELLED" {
		t.Errorf("%+v", r)
	}
	if status, body := s.do(http.MethodDelete, "/api/queries/"+one.ID, ""); status != http.StatusNotFound || !strings.Contains(body, "NOT_FOUND") {
		t.Errorf("%d %s", status, body)
	}
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var one map[string]any
	if err := json.Unmarshal(p, &one); err != nil {
		return 0, fmt.Errorf("a log line is not JSON: %w", err)
	}
	l.all = append(l.all, one)
	return len(p), nil
}

func (l *lines) find(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for _, one := range l.all {
		if one["msg"] == message {
			found = append(found, one)
		}
	}
	return found
}

func TestStatementsAreLogged(t *testing.T) {
	log := new(lines)
	s := shopLogging(t, slog.New(slog.NewJSONHandler(log, nil)), func(c *Config) { c.AccessLog, c.SlowQuery = true, 50*time.Millisecond })
	c := s.login("/ws")
	for _, sql := range []string{"SELECT id FROM User WHERE name = 'x' AND id = 1", "select id\n from user where name = 'other' and id = 234", "SELECT nope", "SELECT count(*) AS n FROM range(4000) a, range(10000) b WHERE (a.range * b.range) % 7 = 3"} {
		frame, err := json.Marshal(map[string]string{"id": "1", "type": "query", "sql": sql})
		if err != nil {
			t.Fatal(err)
		}
		c.ask("%s", frame)
	}
	if slow := log.find("slow query"); len(slow) < 1 || !strings.Contains(fmt.Sprint(slow[len(slow)-1]["sql"]), "range(10000)") {
		t.Errorf("slow queries: %v", slow)
	}
	all := append(log.find("query"), log.find("slow query")...)
	prints := make(map[any]int)
	outcomes := make(map[any]int)
	for _, one := range all {
		prints[one["fingerprint"]]++
		outcomes[one["outcome"]]++
		if one["database"] != "default" || one["kind"] != "query" || one["ms"] == nil {
			t.Errorf("%v", one)
		}
		if one["msg"] == "query" && one["sql"] != nil {
			t.Errorf("the access log has the text of a statement: %v", one)
		}
	}
	if len(all) != 4 || len(prints) != 3 || outcomes["ok"] != 3 || outcomes["NOT_FOUND"] != 1 {
		t.Errorf("%d lines with %d fingerprints, outcomes %v", len(all), len(prints), outcomes)
	}
}
