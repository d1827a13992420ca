package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
		"RESULT_CACHE_BYTES=0", "DUCKDB_TEMP_DIR="+dir, "MAX_CONNECTIONS=10000")
	if o.threads != "" {
		cmd.Env = append(cmd.Env, "DUCKDB_THREADS="+o.threads)
	}
	if o.profile != "" {
		cmd.Env = append(cmd.Env, o.profile)
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

// cpu is how many seconds the gateway has used.
func (g *gateway) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const user, system, ticks = 11, 12, 100
	sum := 0.0
	for _, i := range []int{user, system} {
		n, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return 0, err
		}
		sum += n / ticks
	}
	return sum, nil
}

func ownCPU() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}
