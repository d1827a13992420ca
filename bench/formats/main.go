// Command formats measures how fast the gateway sends large results over HTTP in each format, and the memory that it takes
// for it, beside a loop that reads the same rows through the driver alone.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/testkit/stack"
)

// runs is how often each is measured; the best counts.
const runs = 3

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "formats:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "duckling-formats-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the system's temporary directory
	page := report.New("formats", "Results of a million and of ten million rows with six columns (integer, two texts, decimal, time, float) over HTTP on one machine, best of "+
		strconv.Itoa(runs)+". The client reads and drops what it gets. Memory is the gateway's peak resident set while it sends that format, DuckDB's cache of the file included, which is what grows with the table: rows that are made by the statement take the same for a million and for ten (TestTenMillionRowsInFlatMemory). "+
		"The driver's loop reads the same rows in one process and looks at none.")
	for _, size := range []struct {
		name string
		rows int
	}{{"1M", 1_000_000}, {"10M", 10_000_000}} {
		if err := measure(ctx, page, filepath.Join(dir, size.name), size.rows); err != nil {
			return err
		}
	}
	return page.Save()
}

func measure(ctx context.Context, page *report.Report, dir string, rows int) error {
	path, err := makeOrders(filepath.Join(dir, "data"), "default", rows)
	if err != nil {
		return err
	}
	driver, err := driverOnly(path)
	if err != nil {
		return err
	}
	table := [][]string{line("driver's loop", "", rows, driver, 0, 0)}
	for _, format := range []string{"ndjson", "compact", "csv", "arrow", "parquet"} {
		for _, encoding := range []string{"", "zstd", "gzip"} {
			if encoding != "" && format != "ndjson" && format != "arrow" || rows > 1_000_000 && encoding == "gzip" {
				continue
			}
			g, err := startGateway(ctx, dir)
			if err != nil {
				return err
			}
			best, bytes, err := g.fastest(ctx, format, encoding)
			peak := g.peak()
			g.stop()
			if err != nil {
				return fmt.Errorf("%s %s: %w", format, encoding, err)
			}
			table = append(table, line(format, encoding, rows, best, bytes, peak))
		}
	}
	page.Line("%d rows:", rows)
	page.Table([]string{"format", "compressed", "seconds", "rows/s", "MB sent", "peak memory MB"}, table...)
	return nil
}

func line(format, encoding string, rows int, took time.Duration, bytes, peak int64) []string {
	megabytes := func(n int64) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%.0f", float64(n)/1e6)
	}
	return []string{format, encoding, fmt.Sprintf("%.2f", took.Seconds()), fmt.Sprintf("%.0f", float64(rows)/took.Seconds()), megabytes(bytes), megabytes(peak)}
}

const key = "formats"

// gateway is the real binary, in a process of its own for each measurement, so that its peak of memory is of that one.
type gateway struct {
	cmd  *exec.Cmd
	addr string
}

func startGateway(ctx context.Context, dir string) (*gateway, error) {
	binary, err := stack.Binary("", "gateway")
	if err != nil {
		return nil, err
	}
	addr := filepath.Join(dir, "addr")
	if err := os.RemoveAll(addr); err != nil {
		return nil, err
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "DATA_DIR="+filepath.Join(dir, "data"), "DUCKLING_API_KEY="+key, "HOST=127.0.0.1", "PORT=0", "ADDR_FILE="+addr,
		"QUERY_TIMEOUT=10m", "LOG_LEVEL=error", "DUCKDB_MEMORY_LIMIT=200MB", "DUCKDB_TEMP_DIR="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	g := &gateway{cmd: cmd}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if text, err := os.ReadFile(addr); err == nil {
			g.addr = string(text)
			if resp, err := g.get(ctx, "/health/ready", ""); err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					return g, nil
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.stop()
	return nil, fmt.Errorf("the gateway is not ready: %w", ctx.Err())
}

func (g *gateway) get(ctx context.Context, path, encoding string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if encoding != "" {
		req.Header.Set("Accept-Encoding", encoding)
	}
	return (&http.Transport{DisableCompression: true, DisableKeepAlives: true, ReadBufferSize: 256 << 10}).RoundTrip(req)
}

func (g *gateway) fastest(ctx context.Context, format, encoding string) (best time.Duration, bytes int64, err error) {
	for range runs {
		began := time.Now()
		resp, err := g.get(ctx, "/api/query?format="+format+"&sql="+strings.ReplaceAll(statement, " ", "%20"), encoding)
		if err != nil {
			return 0, 0, err
		}
		if resp.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(resp.Body) // it is only told
			return 0, 0, fmt.Errorf("status %d: %s", resp.StatusCode, text)
		}
		bytes, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, make([]byte, 256<<10))
		resp.Body.Close()
		if err != nil {
			return 0, 0, err
		}
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	return best, bytes, nil
}

// peak is the gateway's largest resident set so far, in bytes.
func (g *gateway) peak() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(os.Interrupt) // it has ended already when this fails
	_ = g.cmd.Wait()
}
