// Package gateway puts the service together.
package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/companion"
	"github.com/chittihq/duckling/services/gateway/internal/control"
	"github.com/chittihq/duckling/services/gateway/internal/jobs"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
	"github.com/chittihq/duckling/services/gateway/internal/rest"
	"github.com/chittihq/duckling/services/gateway/internal/sandbox"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
	"github.com/chittihq/duckling/services/gateway/internal/ws"
)

// Run serves until ctx ends. Then it takes no more requests, stops the queries in flight and closes the generations.
func (c *Config) Run(ctx context.Context, env *daemon.Env) error {
	temp, err := c.tempDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }() // what stays behind is in the system's temporary directory
	companionPath, err := companion.Write(temp)
	if err != nil {
		return err
	}
	checker, err := sandbox.Open(companion.Macros())
	if err != nil {
		return err
	}
	defer checker.Close()

	engine := &reader.Engine{Companion: companionPath, TempDir: temp, MaxTemp: c.MaxTemp.String(), MemoryLimit: c.MemoryLimit, Threads: c.Threads, Ahead: c.PrepareAhead}
	databases := reader.NewSet(c.DataDir, engine, env.Health, reader.NewMetrics(env.Metrics), env.Log)
	volatile, err := query.ReadVolatile(companionPath)
	if err != nil {
		return err
	}
	tracer, err := tracing.FromEnvironment(ctx, daemon.Version, env.Log)
	if err != nil {
		return err
	}
	defer tracer.Close()
	queries := query.New(databases, checker, volatile, c.limits(), query.NewMetrics(env.Metrics), tracer, env.Log)
	asking := control.New(c.NATSURL.Reveal(), env.Log)
	keys := c.Access.keys(c.NATSURL != "", asking.Bus, env.Log)
	tokens, err := c.Access.tokens()
	if err != nil {
		return err
	}
	who := auth.New(c.APIKey.Reveal(), keys, tokens)
	reports := jobs.New(queries, c.Jobs.limits(temp), jobs.NewMetrics(env.Metrics), env.Log)
	sockets := ws.New(queries, who, c.wsLimits(), daemon.Version, ws.NewMetrics(env.Metrics), env.Log)

	listener, err := net.Listen("tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("listening (PORT): %w", err)
	}
	if listener, err = c.Access.secure(listener); err != nil {
		return err
	}
	if err := c.announce(listener.Addr()); err != nil {
		listener.Close()
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// Databases and NATS outlive the requests that use them.
	lasting, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	server := &rest.Server{
		Queries: queries, Databases: databases, Auth: who, Keys: keys, Jobs: reports, Control: asking, Gatherer: env.Metrics, Metrics: rest.NewMetrics(env.Metrics),
		Origins: c.Access.CORSOrigins, Connections: c.MaxHTTPConnections, SendTimeout: c.StreamTimeout, Version: daemon.Version, Started: time.Now(), Log: env.Log,
	}
	app := server.App(ctx)
	sockets.Register(app)
	listener = server.Limit(app, ws.Count(listener))

	group.Go(func() error { return databases.Run(lasting) })
	group.Go(func() error { return asking.Run(lasting) })
	group.Go(func() error { return keys.Run(lasting) })
	group.Go(func() error { return sockets.Run(lasting) })
	group.Go(func() error { return reports.Run(ctx) })
	stuck := make(chan error, 1)
	group.Go(func() error {
		err := queries.Run(lasting)
		if err != nil {
			stuck <- err
		}
		return err
	})
	group.Go(func() error {
		settle(ctx, databases)
		if ctx.Err() != nil {
			return listener.Close()
		}
		return serve(app, listener)
	})
	group.Go(func() error {
		<-ctx.Done()
		defer release()
		sockets.Stop()
		return shutdown(app)
	})
	env.Log.Info("gateway listens", "address", listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	select {
	case err := <-ended:
		return err
	case err := <-stuck:
		// The statements that cannot be stopped keep their databases open, so there is nothing to wait for.
		return err
	}
}

// settling is how long clients that came early wait for the databases that are there. A restarted gateway would otherwise tell
// the clients that come back first that their database is unknown, after which they do not try again.
const settling = 5 * time.Second

func settle(ctx context.Context, databases *reader.Set) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	databases.Settle(ctx)
}

func serve(app *fiber.App, listener net.Listener) error {
	if err := app.Listener(listener); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// grace is how long requests in flight get to end when the gateway stops; their queries have been stopped by then.
const grace = 10 * time.Second

func shutdown(app *fiber.App) error {
	if err := app.ShutdownWithTimeout(grace); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// announce writes the address to the file that is to have it, whole or not at all.
func (c *Config) announce(addr net.Addr) error {
	if c.AddrFile == "" {
		return nil
	}
	temp := c.AddrFile + ".tmp"
	if err := os.WriteFile(temp, []byte(addr.String()), 0o644); err != nil { //nolint:gosec // it is no secret
		return fmt.Errorf("writing ADDR_FILE: %w", err)
	}
	if err := os.Rename(temp, c.AddrFile); err != nil {
		return fmt.Errorf("writing ADDR_FILE: %w", err)
	}
	return nil
}
