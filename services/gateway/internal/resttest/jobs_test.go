package resttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

type jobStatus struct {
	ID, State, Format, Error, Code string
	Rows, Bytes                    int64
}

func (s *server) submit(body string) (int, jobStatus, http.Header) {
	s.t.Helper()
	status, text, header := s.send("POST", "/api/jobs", body, "Authorization", key)
	var j jobStatus
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		s.t.Fatalf("%v: %s", err, text)
	}
	return status, j, header
}

// await waits until a job has ended.
func (s *server) await(id string) (j jobStatus) {
	s.t.Helper()
	gentest.Eventually(s.t, func() bool {
		status, body := s.get("/api/jobs/" + id)
		j = jobStatus{}
		if err := json.Unmarshal([]byte(body), &j); err != nil || status != 200 {
			s.t.Fatalf("%d %s", status, body)
		}
		return j.State == "done" || j.State == "failed"
	})
	return j
}

func TestJobs(t *testing.T) {
	s := shop(t)
	status, j, header := s.submit(sqlBody(many))
	if status != http.StatusAccepted || header.Get("Location") != "/api/jobs/"+j.ID || j.Format != "ndjson" {
		t.Fatalf("%d %+v %v", status, j, header)
	}
	j = s.await(j.ID)
	if j.State != "done" || j.Rows != 300000 || j.Bytes < 300000 {
		t.Fatalf("%+v", j)
	}
	status, body, header := s.send("GET", "/api/jobs/"+j.ID+"/result", "", "Authorization", key)
	if status != 200 || int64(len(body)) != j.Bytes || strings.Count(body, "\n") != 300001 || header.Get("X-Duckling-Rows") != "300000" || header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("result: %d, %d bytes, %v", status, len(body), header)
	}
	for _, c := range []struct {
		offset, limit int
		first         int
		count         int
		more          bool
	}{{0, 3, 0, 3, true}, {2046, 5, 2046, 5, true}, {4096, 1, 4096, 1, true}, {299998, 10, 299998, 2, false}, {300000, 10, 0, 0, false}, {12345, 5000, 12345, 5000, true}} {
		_, body := s.get(fmt.Sprintf("/api/jobs/%s/result?offset=%d&limit=%d", j.ID, c.offset, c.limit))
		var page struct {
			Result  []struct{ ID int }
			Total   int
			HasMore bool
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatalf("%v: %.200s", err, body)
		}
		if len(page.Result) != c.count || page.Total != 300000 || page.HasMore != c.more {
			t.Errorf("page %+v: %d rows, %d in all, more %v", c, len(page.Result), page.Total, page.HasMore)
			continue
		}
		for i, row := range page.Result {
			if row.ID != c.first+i {
				t.Fatalf("page %+v: row %d is %d", c, i, row.ID)
			}
		}
	}
	if status, _ := s.do("DELETE", "/api/jobs/"+j.ID, ""); status != http.StatusNoContent {
		t.Errorf("delete: %d", status)
	}
	for _, path := range []string{"", "/result"} {
		if status, body := s.get("/api/jobs/" + j.ID + path); status != 404 || !strings.Contains(body, `"NOT_FOUND"`) {
			t.Errorf("after delete: %d %s", status, body)
		}
	}
	if !s.metric("duckling_gateway_job_result_bytes 0") {
		t.Error("bytes of a deleted result are still counted")
	}

	_, j, _ = s.submit(`{"sql":"SELECT * FROM User","format":"parquet"}`)
	s.await(j.ID)
	if _, body := s.get("/api/jobs/" + j.ID + "/result"); parquetRows([]byte(body)) != 100 {
		t.Errorf("parquet has %d rows", parquetRows([]byte(body)))
	}
	if status, body := s.get("/api/jobs/" + j.ID + "/result?limit=1"); status != 400 {
		t.Errorf("a page of parquet: %d %s", status, body)
	}

	_, j, _ = s.submit(sqlBody(breaks))
	if j = s.await(j.ID); j.State != "failed" || j.Code != "SQL_ERROR" || j.Bytes != 0 {
		t.Errorf("%+v", j)
	}
	if status, body := s.get("/api/jobs/" + j.ID + "/result"); status != 400 || !strings.Contains(body, "SQL_ERROR") {
		t.Errorf("result of a failed job: %d %s", status, body)
	}
	if status, body := s.do("POST", "/api/jobs", `{"sql":""}`); status != 400 {
		t.Errorf("%d %s", status, body)
	}
}

const endless = "SELECT count(*) FROM range(1000000000) a, range(1000) b"

func TestJobLimits(t *testing.T) {
	s := shop(t, func(c *Config) {
		c.Jobs = Jobs{Running: 1, Max: 3, PerKey: 3, MaxBytes: 100000, Timeout: time.Minute, Expiry: time.Hour}
	})
	_, first, _ := s.submit(sqlBody(endless))
	gentest.Eventually(t, func() bool { _, body := s.get("/api/jobs/" + first.ID); return strings.Contains(body, `"running"`) })
	_, second, _ := s.submit(sqlBody(many))
	if status, body := s.get("/api/jobs/" + second.ID); status != 200 || !strings.Contains(body, `"queued"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body, header := s.send("GET", "/api/jobs/"+second.ID+"/result", "", "Authorization", key); status != 503 || header.Get("Retry-After") != "1" {
		t.Errorf("too early: %d %s %v", status, body, header)
	}
	if _, body := s.get("/api/queries"); !strings.Contains(body, `"kind":"job"`) {
		t.Errorf("queries: %s", body)
	}
	_, _, _ = s.submit(sqlBody("SELECT 1"))
	if status, body := s.do("POST", "/api/jobs", sqlBody("SELECT 1")); status != 429 || !strings.Contains(body, `"LIMIT_EXCEEDED"`) {
		t.Errorf("one too many: %d %s", status, body)
	}
	if !s.metric(`duckling_gateway_jobs_total{outcome="rejected"} 1`) {
		t.Error("the metric does not count the one that was rejected")
	}
	// Deleting a job that runs stops it, and the next one has its turn.
	if status, _ := s.do("DELETE", "/api/jobs/"+first.ID, ""); status != http.StatusNoContent {
		t.Error(status)
	}
	if j := s.await(second.ID); j.State != "failed" || j.Code != "RESULT_TOO_LARGE" {
		t.Errorf("%+v", j)
	}
	gentest.Eventually(t, func() bool { return s.metric("duckling_gateway_running_queries 0") })
}

func TestJobTimeoutAndExpiry(t *testing.T) {
	var temp string
	s := shop(t, func(c *Config) {
		c.Jobs.Timeout, c.Jobs.Expiry = 300*time.Millisecond, time.Millisecond
		temp = c.TempDir
	})
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(temp, "*", "jobs", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	_, j, _ := s.submit(sqlBody("SELECT 1 AS a"))
	gentest.Eventually(t, func() bool { status, _ := s.get("/api/jobs/" + j.ID); return status == 404 })
	if left := files(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	_, _, _ = s.submit(sqlBody(endless))
	gentest.Eventually(t, func() bool { return s.metric(`duckling_gateway_jobs_total{outcome="failed"} 1`) })
	_, _, _ = s.submit(sqlBody(endless))
	s.stop()
	if _, err := os.Stat(filepath.Join(temp, "jobs")); !os.IsNotExist(err) {
		t.Error(err)
	}
	if left := files(); len(left) > 0 {
		t.Errorf("left after the end: %v", left)
	}
}
