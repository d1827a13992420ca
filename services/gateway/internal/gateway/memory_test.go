package gateway

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// Ten million rows take no more memory than a million: what has been sent is held by nobody. The rows are made by the statement, so that there is no file whose
// cache grows with them.
func TestTenMillionRowsInFlatMemory(t *testing.T) {
	data := t.TempDir()
	gentest.New(t, data, "default").Publish()
	s, pid := launch(t, data, "DUCKDB_MEMORY_LIMIT=256MB", "QUERY_TIMEOUT=10m")
	gentest.Eventually(t, func() bool { status, _ := s.get("/health/ready"); return status == http.StatusOK })
	// ask streams so many rows and returns the most memory that the process has had until then.
	ask := func(format string, rows int) (most, bytes int) {
		t.Helper()
		sql := url.QueryEscape("SELECT i AS id, 'row number ' || i AS name, i % 97 AS price FROM range(" + strconv.Itoa(rows) + ") t(i)")
		resp, err := http.Get("http://" + s.addr + "/api/query?token=" + key + "&format=" + format + "&sql=" + sql)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.Trailer.Get("X-Duckling-Rows") != strconv.Itoa(rows) {
			t.Fatalf("%s: %v after %d bytes, trailer %v", format, err, n, resp.Trailer)
		}
		return peak(t, pid), int(n)
	}
	for _, format := range []string{"ndjson", "arrow"} {
		few, _ := ask(format, 1_000_000)
		many, size := ask(format, 10_000_000)
		t.Logf("%s: %d MB for 1M rows, %d MB for 10M rows of %d MB", format, few>>20, many>>20, size>>20)
		if many > few+few/4 {
			t.Errorf("%s: %d bytes for ten million rows, %d for a million", format, many, few)
		}
	}
}

// peak is the most memory that a process has had, in bytes.
func peak(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("the kernel tells no peak")
	return 0
}
