// Package served runs the real gateway, in a process of its own, on tables that need no source.
package served

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/process"
	"github.com/chittihq/duckling/testkit/publisher"
	"github.com/chittihq/duckling/testkit/stack"
)

// Key is the API key of every gateway.
const Key = "bench"

// Orders makes a table of that many orders, as the shop has them.
func Orders(rows int) string {
	return fmt.Sprintf(`CREATE TABLE "Order" AS SELECT i::BIGINT AS id, (i * 7919 %% 1000)::INTEGER AS userId, (i %% 10000 / 100.0)::DECIMAL(12,2) AS total,
		['paid', 'open', 'sent'][i %% 3 + 1] AS status, TIMESTAMP '2025-01-01' + INTERVAL (i) SECOND AS createdAt, 'order number ' || i AS note FROM range(%d) t(i)`, rows)
}

// Gateway is one that serves, and runs every statement: it keeps no results.
type Gateway struct {
	URL string // ws://...

	dir     string
	process *process.Process
}

// Start publishes what the statements make and returns when it is served.
func Start(ctx context.Context, sql string) (_ *Gateway, err error) {
	g := &Gateway{}
	if g.dir, err = os.MkdirTemp("", "duckling-bench-"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	if err := g.start(ctx, sql); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) start(ctx context.Context, sql string) error {
	data, err := publisher.New(filepath.Join(g.dir, "data"), "default")
	if err != nil {
		return err
	}
	_, err = data.Publish(ctx, sql)
	data.Close()
	if err != nil {
		return err
	}
	binary, err := stack.Binary("", "gateway")
	if err != nil {
		return err
	}
	ports, err := stack.FreePorts(1)
	if err != nil {
		return err
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "DATA_DIR="+filepath.Join(g.dir, "data"), "DUCKLING_API_KEY="+Key, "HOST=127.0.0.1", "PORT="+ports[0], "DUCKDB_TEMP_DIR="+g.dir, "LOG_LEVEL=error", "RESULT_CACHE_BYTES=0")
	cmd.Stderr = os.Stderr
	if g.process, err = process.Start(cmd); err != nil {
		return err
	}
	g.URL = "ws://" + net.JoinHostPort("127.0.0.1", ports[0]) + "/ws"
	return g.await(ctx)
}

func (g *Gateway) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		client, err := duckling.Open(ctx, duckling.Config{URL: g.URL, APIKey: Key})
		if err == nil {
			client.Close()
			return nil
		}
		if !g.process.Running() {
			return errors.Join(errors.New("the gateway has ended"), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the gateway: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Close ends the gateway and removes its data.
func (g *Gateway) Close() {
	if g.process != nil {
		_ = g.process.Kill() // it ends with this process in any case
	}
	_ = os.RemoveAll(g.dir) // it is in the system's temporary directory
}
