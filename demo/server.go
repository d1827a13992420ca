package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chittihq/duckling/testkit/process"
	"github.com/chittihq/duckling/testkit/stack"
)

// server is duckling-server: JetStream and the three services.
type server struct {
	key     string
	addr    string
	dir     string
	process *process.Process
}

func startServer(cfg settings, source string) (*server, error) {
	dir, err := os.MkdirTemp("", "duckling-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	ports, err := stack.FreePorts(3)
	if err != nil {
		return nil, err
	}
	s := &server{key: "demo", addr: "127.0.0.1:" + ports[0], dir: dir}
	path, err := filepath.Abs(filepath.Join(cfg.Bin, "duckling-server"))
	if err != nil {
		return nil, fmt.Errorf("finding duckling-server: %w", err)
	}
	log, err := os.Create(s.log())
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(path)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(),
		"DATA_DIR=" + filepath.Join(dir, "data"), "PORT=" + ports[0], "METRICS_PORT=" + ports[1],
		"DUCKLING_API_KEY=" + s.key, "MYSQL_CONNECTION_STRING=" + source,
	}
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = process.Start(cmd); err != nil {
		return nil, fmt.Errorf("starting %s (run 'make build' first): %w", path, err)
	}
	fmt.Printf("Duckling is starting on %s; its log is %s.\n", s.addr, s.log())
	return s, nil
}

func (s *server) log() string       { return filepath.Join(s.dir, "duckling.log") }
func (s *server) webSocket() string { return "ws://" + s.addr + "/ws" }

// syncStatus is the part of GET /sync/status the demo shows.
type syncStatus struct {
	Tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
		Copy *struct {
			Rows          int64   `json:"rows"`
			EstimatedRows int64   `json:"estimatedRows"`
			RowsPerSecond float64 `json:"rowsPerSecond"`
			ETASeconds    float64 `json:"etaSeconds"`
		} `json:"copy"`
	} `json:"tables"`
}

// showCopy prints the copy's progress until every table has been copied and the gateway serves them.
func (s *server) showCopy(ctx context.Context) error {
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.process.Exited():
			return fmt.Errorf("duckling-server ended with code %d:\n%s", s.process.ExitCode(), s.tail())
		case <-tick.C:
		}
		var status syncStatus
		if err := s.get(ctx, "/sync/status", &status); err != nil {
			continue // not up yet; the process's end is noticed above
		}
		line, rows := copyLine(status)
		fmt.Printf("\rCopying: %-100s", line)
		if !s.serves(ctx, "User", "Order", "OrderItem", "Product") {
			continue
		}
		took := time.Since(began).Seconds()
		fmt.Printf("\rCopied %d rows in %.1f s from the start of Duckling, %.0f rows/s, with traffic going on.%-30s\n", rows, took, float64(rows)/took, "")
		return nil
	}
}

func copyLine(status syncStatus) (line string, rows int64) {
	var parts []string
	for _, t := range status.Tables {
		if t.Copy == nil {
			rows += t.Rows
			parts = append(parts, fmt.Sprintf("%s done", t.Name))
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %d of about %d, %.0f rows/s, %.0f s left",
			t.Name, t.Copy.Rows, t.Copy.EstimatedRows, t.Copy.RowsPerSecond, t.Copy.ETASeconds))
	}
	return strings.Join(parts, "; "), rows
}

// serves tells whether the gateway answers from all of these tables.
func (s *server) serves(ctx context.Context, tables ...string) bool {
	var names []string
	if err := s.get(ctx, "/api/tables", &names); err != nil {
		return false
	}
	for _, t := range tables {
		if !slices.Contains(names, t) {
			return false
		}
	}
	return true
}

func (s *server) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func (s *server) tail() string {
	data, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-3000):])
}

func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.process.Stop(ctx); err != nil {
		fmt.Println("stopping Duckling:", err)
	}
	if err := os.RemoveAll(s.dir); err != nil {
		fmt.Println("removing the demo's files:", err)
	}
}
