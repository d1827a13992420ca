package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// apiKey is the gateway's key in the benchmark.
const apiKey = "bench"

// gateway is a gateway that runs as a process.
type gateway struct {
	cmd  *exec.Cmd
	addr string
}

func serve(ctx context.Context, o options, dir string) (*gateway, error) {
	file := filepath.Join(dir, "addr")
	cmd := exec.CommandContext(ctx, o.binary)
	cmd.Env = append(os.Environ(), "DATA_DIR="+filepath.Join(dir, "data"), "DUCKLING_API_KEY="+apiKey, "HOST=127.0.0.1", "PORT=0", "ADDR_FILE="+file,
		"RESULT_CACHE_BYTES=0", "DUCKDB_TEMP_DIR="+dir, "SLOW_QUERY=0", "LOG_LEVEL=warn", "MAX_CONNECTIONS=10000")
	if o.threads != "" {
		cmd.Env = append(cmd.Env, "DUCKDB_THREADS="+o.threads)
	}
	if o.env != "" {
		cmd.Env = append(cmd.Env, o.env)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the gateway: %w", err)
	}
	g := &gateway{cmd: cmd}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if addr, err := os.ReadFile(file); err == nil && len(addr) > 0 {
			g.addr = string(addr)
			if g.ready() {
				return g, nil
			}
		}
	}
	g.stop()
	return nil, errors.New("the gateway does not become ready")
}

// serveEcho starts the server that only answers.
func serveEcho(ctx context.Context) (*gateway, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-echo") //nolint:gosec // itself
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the echo: %w", err)
	}
	addr, err := io.ReadAll(out)
	if err != nil {
		return nil, err
	}
	return &gateway{cmd: cmd, addr: strings.TrimSpace(string(addr))}, nil
}

// ready tells whether the gateway answers a query.
func (g *gateway) ready() bool {
	c, err := dial(g.addr)
	if err != nil {
		return false
	}
	defer c.conn.Close()
	if c.send([]byte(`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`)) != nil {
		return false
	}
	return c.receive() == nil
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	_ = g.cmd.Wait()
}
