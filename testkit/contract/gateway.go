package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chittihq/duckling/testkit/process"
	"github.com/chittihq/duckling/testkit/publisher"
	"github.com/chittihq/duckling/testkit/stack"
)

const key = "contract-key"

// seed is the first generation. A query on pace, joined with itself, never ends until a later generation empties it.
const seed = `CREATE TABLE mark AS SELECT 1::BIGINT AS g;
CREATE TABLE item AS SELECT i::BIGINT AS id, 1::BIGINT AS g FROM range(20000) t(i);
CREATE TABLE pace AS SELECT i::BIGINT AS i FROM range(20000) t(i)`

// gateway is the real one, at an address that outlives its restarts.
type gateway struct {
	addr, dir, binary string
	data              *publisher.Publisher
	newest            uint64
	process           *process.Process
}

func newGateway(dir string) (*gateway, error) {
	binary, err := stack.Binary("", "gateway")
	if err != nil {
		return nil, err
	}
	ports, err := stack.FreePorts(1)
	if err != nil {
		return nil, err
	}
	g := &gateway{addr: net.JoinHostPort("127.0.0.1", ports[0]), dir: dir, binary: binary}
	if g.data, err = publisher.New(filepath.Join(dir, "data"), "default"); err != nil {
		return nil, err
	}
	g.newest, err = g.data.Publish(context.Background(), seed)
	return g, err
}

func (g *gateway) close() {
	if g.process != nil {
		_ = g.process.Kill() // it ends with this process in any case
	}
	g.data.Close()
}

// start starts the gateway, with one more NAME=value in its environment if there is one, and waits until it serves the newest generation.
func (g *gateway) start(ctx context.Context, setting string) error {
	log, err := os.OpenFile(filepath.Join(g.dir, "gateway.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	_, port, err := net.SplitHostPort(g.addr)
	if err != nil {
		return err
	}
	cmd := exec.Command(g.binary)
	cmd.Env = []string{
		"DATA_DIR=" + filepath.Join(g.dir, "data"), "DUCKLING_API_KEY=" + key, "HOST=127.0.0.1", "PORT=" + port,
		"DUCKDB_TEMP_DIR=" + g.dir, "DUCKDB_MEMORY_LIMIT=500MB", "CORS_ORIGINS=*",
	}
	if setting != "" {
		cmd.Env = append(cmd.Env, setting)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if g.process, err = process.Start(cmd); err != nil {
		return err
	}
	if err := g.awaitServed(ctx); err != nil {
		text, _ := os.ReadFile(log.Name()) // it is only told
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// freeze returns when the gateway has stopped, which it does some time after it was told to.
func (g *gateway) freeze(ctx context.Context) error {
	if err := g.process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		running, err := g.threadsRunning()
		if err != nil || !running {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// threadsRunning tells whether a thread of the gateway has not stopped. Source: proc_pid_stat(5); the state follows the name in brackets.
func (g *gateway) threadsRunning() (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", g.process.Pid()))
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return false, err
		}
		if _, state, _ := strings.Cut(string(stat), ") "); !strings.HasPrefix(state, "T") {
			return true, nil
		}
	}
	return false, nil
}

func (g *gateway) thaw() error { return g.process.Signal(syscall.SIGCONT) }

// publish makes a generation and, when the gateway runs, waits until it is served.
func (g *gateway) publish(ctx context.Context, sql string) error {
	n, err := g.data.Publish(ctx, sql)
	if err != nil {
		return err
	}
	g.newest = n
	if !g.process.Running() {
		return nil
	}
	return g.awaitServed(ctx)
}

func (g *gateway) awaitServed(ctx context.Context) error {
	return g.await(ctx, func() error {
		var answer struct{ Generation uint64 }
		if err := g.get(ctx, "/api/query?sql="+url.QueryEscape("SELECT 1"), &answer); err != nil {
			return err
		}
		if answer.Generation < g.newest {
			return fmt.Errorf("generation %d is served, not %d", answer.Generation, g.newest)
		}
		return nil
	})
}

func (g *gateway) awaitRunning(ctx context.Context, n int) error {
	return g.await(ctx, func() error {
		var answer struct{ Queries []any }
		if err := g.get(ctx, "/api/queries", &answer); err != nil {
			return err
		}
		if len(answer.Queries) != n {
			return fmt.Errorf("%d statements are at work, not %d", len(answer.Queries), n)
		}
		return nil
	})
}

func (g *gateway) await(ctx context.Context, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		if !g.process.Running() {
			return fmt.Errorf("the gateway has ended: %w", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (g *gateway) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
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
