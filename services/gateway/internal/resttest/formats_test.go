package resttest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/klauspost/compress/zstd"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// rawQuery posts a query and returns the answer, which must be closed. The client does not decompress.
func (s *server) rawQuery(body string, header ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+s.addr+"/api/query", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func sqlBody(sql string) string {
	text, _ := json.Marshal(map[string]string{"sql": sql})
	return string(text)
}

func TestFormatsByAccept(t *testing.T) {
	s := shop(t)
	for _, c := range []struct{ accept, format, contentType, want string }{
		{"", "", "application/json", `{"result":[{"a":1,"t":"2025-01-31 10:00:00"}],"database":"default","generation":1,`},
		{"*/*", "", "application/json", `{"result":`},
		{"application/vnd.duckling.compact+json", "", "application/vnd.duckling.compact+json",
			`{"columns":[{"name":"a","type":"INTEGER"},{"name":"t","type":"TIMESTAMP"}],"rows":[[1,"2025-01-31 10:00:00"]],"database":"default"`},
		{"text/html, application/x-ndjson;q=0.9, application/json;q=0.8", "", "application/x-ndjson", `{"a":1,"t":"2025-01-31 10:00:00"}` + "\n" + `{"end":true,"rows":1,"database":"default"`},
		{"text/csv", "", "text/csv; charset=utf-8; header=present", "a,t\r\n1,2025-01-31 10:00:00\r\n"},
		{"text/csv", "ndjson", "application/x-ndjson", `{"a":1`},
		{"application/vnd.apache.arrow.stream", "", "application/vnd.apache.arrow.stream", "\xff\xff\xff\xff"},
		{"application/vnd.apache.parquet", "", "application/vnd.apache.parquet", "PAR1"},
		{"application/json;q=0, text/csv;q=0.1", "", "text/csv; charset=utf-8; header=present", "a,t\r\n"},
	} {
		resp := s.rawQuery(fmt.Sprintf(`{"sql":"SELECT 1 AS a, TIMESTAMP '2025-01-31 10:00:00' AS t","format":%q}`, c.format), "Accept", c.accept)
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != c.contentType || !strings.HasPrefix(string(body), c.want) {
			t.Errorf("%s %s: %d %s\n got %.300q\nwant %q", c.accept, c.format, resp.StatusCode, resp.Header.Get("Content-Type"), body, c.want)
		}
		if resp.Header.Get("X-Duckling-Generation") != "1" || resp.Header.Get("X-Duckling-Position") != "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-1" ||
			resp.Header.Get("X-Duckling-Lag-Ms") == "" || resp.Header.Get("X-Duckling-As-Of") == "" || resp.Header.Get("X-Duckling-Database") != "default" {
			t.Errorf("%s: headers %v", c.accept, resp.Header)
		}
	}
	if resp := s.rawQuery(sqlBody("SELECT 1"), "Accept", "image/png"); resp.StatusCode != http.StatusNotAcceptable {
		t.Errorf("image/png: %d", resp.StatusCode)
	}
	if status, body := s.do("POST", "/api/query?format=xml", sqlBody("SELECT 1")); status != 400 || !strings.Contains(body, "it can be json, compact") {
		t.Errorf("xml: %d %s", status, body)
	}
	if status, body := s.do("POST", "/api/query?format=csv&bom=true", sqlBody("SELECT 1 AS a")); status != 200 || body != "\xef\xbb\xbfa\r\n1\r\n" {
		t.Errorf("bom: %d %q", status, body)
	}
}

// many is a result that is too long to be sent as a whole.
const many = "SELECT i AS id, 'row ' || i AS name FROM range(300000) t(i)"

func unpacked(t *testing.T, encoding string, body io.Reader) io.Reader {
	t.Helper()
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	case "zstd":
		r, err := zstd.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		return r
	}
	return body
}

func TestLargeResultsStream(t *testing.T) {
	s := shop(t)
	for _, encoding := range []string{"", "gzip", "zstd"} {
		for format, count := range map[string]func([]byte) int{
			"ndjson":  func(b []byte) int { return bytes.Count(b, []byte("\n")) - 1 },
			"csv":     func(b []byte) int { return bytes.Count(b, []byte("\r\n")) - 1 },
			"compact": func(b []byte) int { return bytes.Count(b, []byte(`,"row `)) },
			"arrow":   arrowRows,
			"parquet": parquetRows,
		} {
			resp := s.rawQuery(sqlBody(many), "Accept-Encoding", encoding, "Accept", map[string]string{
				"ndjson": "application/x-ndjson", "csv": "text/csv", "compact": "application/vnd.duckling.compact+json",
				"arrow": "application/vnd.apache.arrow.stream", "parquet": "application/vnd.apache.parquet",
			}[format])
			wanted := encoding
			if format == "parquet" {
				wanted = ""
			}
			if got := resp.Header.Get("Content-Encoding"); got != wanted {
				t.Errorf("%s %s: Content-Encoding is %q", format, encoding, got)
			}
			body, err := io.ReadAll(unpacked(t, resp.Header.Get("Content-Encoding"), resp.Body))
			if err != nil {
				t.Fatalf("%s %s: %v", format, encoding, err)
			}
			if n := count(body); n != 300000 {
				t.Errorf("%s %s: %d rows", format, encoding, n)
			}
			if resp.ContentLength != -1 || resp.Trailer.Get("X-Duckling-Rows") != "300000" {
				t.Errorf("%s %s: length %d, trailer %v", format, encoding, resp.ContentLength, resp.Trailer)
			}
			if format == "compact" && !json.Valid(body) {
				t.Error("compact is not JSON")
			}
		}
	}
}

func arrowRows(b []byte) int {
	r, err := ipc.NewReader(bytes.NewReader(b))
	if err != nil {
		return -1
	}
	defer r.Release()
	n := 0
	for r.Next() {
		n += int(r.RecordBatch().NumRows())
	}
	if r.Err() != nil {
		return -1
	}
	return n
}

func parquetRows(b []byte) int {
	r, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		return -1
	}
	defer r.Close()
	return int(r.NumRows())
}

// breaks fails in its last rows, long after the first have been sent.
const breaks = "SELECT CASE WHEN i < 290000 THEN i ELSE error('row ' || i) END AS id, 'row ' || i AS name FROM range(300000) t(i)"

func TestFailureAfterTheStatusIsNoticed(t *testing.T) {
	s := shop(t)
	for format := range map[string]bool{"ndjson": true, "csv": true, "compact": true, "arrow": true} {
		for _, encoding := range []string{"", "gzip"} {
			resp := s.rawQuery(strings.Replace(sqlBody(breaks), "{", `{"format":"`+format+`",`, 1), "Accept-Encoding", encoding)
			if resp.StatusCode != 200 {
				t.Fatalf("%s: %d", format, resp.StatusCode)
			}
			body, err := io.ReadAll(unpacked(t, encoding, resp.Body))
			if err == nil {
				t.Errorf("%s %s: the cut was not noticed", format, encoding)
			}
			if len(body) < 100000 || bytes.Contains(body, []byte(`"end":true`)) || resp.Trailer.Get("X-Duckling-Rows") != "" {
				t.Errorf("%s %s: %d bytes, trailer %v", format, encoding, len(body), resp.Trailer)
			}
			if format == "ndjson" && !bytes.Contains(body, []byte("\n{\"error\":")) {
				t.Errorf("%s: no line with the error: %q", encoding, body[len(body)-200:])
			}
		}
	}
	// One that fails before anything was sent has a status.
	for _, format := range []string{"ndjson", "csv", "arrow", "parquet", "compact", "json"} {
		resp := s.rawQuery(strings.Replace(sqlBody("SELECT error('no') AS a"), "{", `{"format":"`+format+`",`, 1))
		if resp.StatusCode != 400 || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", format, resp.StatusCode, resp.Header.Get("Content-Type"))
		}
	}
	gentest.Eventually(t, func() bool { return s.metric("duckling_gateway_running_queries 0") })
}

func (s *server) metric(line string) bool {
	_, body := s.get("/metrics")
	return strings.Contains(body, line+"\n")
}

// dial sends a request by hand, so that the test has the connection.
func (s *server) dial(sql, format string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	body := sqlBody(sql)
	if _, err := fmt.Fprintf(conn, "POST /api/query?format=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", format, key, len(body), body); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func TestClientThatGoesAwayEndsItsQuery(t *testing.T) {
	s := shop(t, func(c *Config) { c.QueryTimeout = time.Hour })
	const long = "SELECT count(*) FROM range(1000000000) a, range(1000) b"
	for _, c := range []struct{ sql, format string }{
		{long, "json"}, {long, "ndjson"}, // nothing has been sent yet
		{"SELECT i, repeat('x', 100) AS s FROM range(100000000) t(i)", "ndjson"}, // in the middle
	} {
		conn := s.dial(c.sql, c.format)
		if strings.Contains(c.sql, "repeat") {
			if _, err := bufio.NewReader(conn).ReadString('{'); err != nil {
				t.Fatal(err)
			}
		} else {
			gentest.Eventually(t, func() bool { return s.metric("duckling_gateway_running_queries 1") })
		}
		conn.Close()
		gentest.Eventually(t, func() bool {
			status, body := s.get("/api/queries")
			return status == 200 && !strings.Contains(body, `"id"`)
		})
	}
}

func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	s := shop(t, func(c *Config) { c.StreamTimeout = 300 * time.Millisecond })
	conn := s.dial("SELECT i, repeat('x', 100) AS s FROM range(100000000) t(i)", "ndjson")
	gentest.Eventually(t, func() bool { _, body := s.get("/api/queries"); return strings.Contains(body, `"id"`) })
	gentest.Eventually(t, func() bool { _, body := s.get("/api/queries"); return !strings.Contains(body, `"id"`) })
	gentest.Eventually(t, func() bool { return s.metric(`duckling_gateway_http_refused_total{limit="slow_reader"} 1`) })
	conn.Close()
	// A body whose length is known is cut off, too.
	conn = s.dial("SELECT repeat('x', 50000000) AS s", "json")
	gentest.Eventually(t, func() bool { return s.metric(`duckling_gateway_http_refused_total{limit="slow_reader"} 2`) })
	conn.Close()
}

func TestLargeWholeBodies(t *testing.T) {
	s := shop(t, func(c *Config) { c.StreamTimeout = 500 * time.Millisecond })
	for range 2 { // on one connection, on which no limit may be left
		resp := s.rawQuery(sqlBody(many))
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.ContentLength != int64(len(body)) || !json.Valid(body) || bytes.Count(body, []byte(`"name"`)) != 300000 {
			t.Errorf("%d of %d bytes, %v", len(body), resp.ContentLength, err)
		}
	}
}

func TestGetWithParametersAndETag(t *testing.T) {
	data := t.TempDir()
	p := gentest.New(t, data, "default")
	p.Shop()
	p.Publish()
	s := start(t, data)
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	get := func(parameters url.Values, header ...string) (int, string, http.Header) {
		t.Helper()
		return s.send(http.MethodGet, "/api/query?"+parameters.Encode(), "", append([]string{"Authorization", "Bearer " + key}, header...)...)
	}
	ask := url.Values{"sql": {"SELECT COUNT(*) AS n, ? AS x FROM `Order` WHERE userId = ?"}, "params": {`["it's",9]`}, "numberMode": {"string"}}
	status, body, header := get(ask)
	if status != 200 || !strings.HasPrefix(body, `{"result":[{"n":"10","x":"it's"}],`) || header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("%d %s %v", status, body, header)
	}
	tag := header.Get("ETag")
	if status, body, header := get(ask, "If-None-Match", `"x", `+tag); status != 304 || body != "" || header.Get("ETag") != tag {
		t.Errorf("unchanged: %d %q %v", status, body, header)
	}
	seen := map[string]string{tag: "as it was"}
	for name, change := range map[string]url.Values{
		"other format": {"format": {"csv"}}, "other mode": {"numberMode": {"auto"}}, "other params": {"params": {`["it's",8]`}},
		"other SQL": {"sql": {"SELECT ? AS a, ? AS b"}}, "other dates": {"dateMode": {"iso"}},
	} {
		changed := url.Values{}
		for k, v := range ask {
			changed[k] = v
		}
		for k, v := range change {
			changed[k] = v
		}
		status, _, header := get(changed, "If-None-Match", tag)
		if other, ok := seen[header.Get("ETag")]; status != 200 || ok {
			t.Errorf("%s: %d, the same tag as %s", name, status, other)
		}
		seen[header.Get("ETag")] = name
	}
	for _, sql := range []string{"SELECT now() AS t", "SELECT random() AS r", "SELECT nope"} {
		if _, _, header := get(url.Values{"sql": {sql}}); header.Get("ETag") != "" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", sql, header)
		}
	}
	if _, _, header := s.send("POST", "/api/query", sqlBody("SELECT 1"), "Authorization", key); header.Get("ETag") != "" || header.Get("Cache-Control") != "no-store" {
		t.Errorf("POST: %v", header)
	}
	p.Exec(`DELETE FROM "Order" WHERE id = 1`)
	p.Publish()
	gentest.Eventually(t, func() bool {
		status, _, header := get(ask, "If-None-Match", tag)
		return status == 200 && header.Get("ETag") != tag
	})
}

func TestJSONIsCompressed(t *testing.T) {
	s := shop(t)
	for _, encoding := range []string{"gzip", "zstd", "gzip;q=0.5, zstd;q=0.4", "br", ""} {
		resp := s.rawQuery(sqlBody("SELECT * FROM User"), "Accept-Encoding", encoding)
		got := resp.Header.Get("Content-Encoding")
		want := map[string]string{"gzip": "gzip", "zstd": "zstd", "gzip;q=0.5, zstd;q=0.4": "gzip"}[encoding]
		body, err := io.ReadAll(unpacked(t, got, resp.Body))
		if err != nil || got != want || !json.Valid(body) {
			t.Errorf("%q: %q, %v", encoding, got, err)
		}
	}
	if resp := s.rawQuery(sqlBody("SELECT 1"), "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" {
		t.Error("a short body was compressed")
	}
}

// DuckDB ends the process when it is given bytes that are no text, so none may come so far.
func TestBytesThatAreNoText(t *testing.T) {
	s := shop(t)
	for _, query := range []string{"sql=%86%af", "sql=SELECT%20%27%ff%27", "sql=SELECT%201%00", "sql=SELECT%201%20--%00"} {
		if status, body := s.get("/api/query?" + query); status != http.StatusBadRequest || !strings.Contains(body, `"code":"SQL_SYNTAX`) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	if status, body := s.get("/api/query?sql=SELECT%20length(%3F)%20AS%20n&params=%5B%22%86%22%5D"); status != http.StatusOK || !strings.Contains(body, `"n":1`) {
		t.Errorf("a parameter: %d %s", status, body)
	}
}
