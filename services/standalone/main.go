// Command duckling-server is Duckling in one process tree: it hosts JetStream and runs
// ingest, loader and gateway, which it finds beside itself. Killing or restarting one of them leaves the others alone.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/standalone/internal/supervise"
)

type settings struct {
	DataDir string        `env:"DATA_DIR" envDefault:"/app/data"`
	NATSURL config.Secret `env:"NATS_URL" envDefault:"embedded"`
	// The services check these too; checked here, one message comes instead of three.
	config.Sources
	APIKey config.Secret `env:"DUCKLING_API_KEY,required,notEmpty"`
	// MetricsPort is ingest's, the next two are the loader's and the gateway's. They listen on loopback.
	MetricsPort int `env:"METRICS_PORT" envDefault:"3002"`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	cfg := new(settings)
	return daemon.Program{
		Name:      "duckling-server",
		Config:    cfg,
		Run:       func(ctx context.Context, env *daemon.Env) error { return serve(ctx, cfg, env.Log) },
		HealthURL: func() string { return fmt.Sprintf("http://127.0.0.1:%d/health/ready", cfg.MetricsPort+2) },
	}.Main(args)
}

// serve hosts the bus, if it is to, and the services. The bus ends after those that use it.
func serve(ctx context.Context, cfg *settings, log *slog.Logger) error {
	natsURL := cfg.NATSURL.Reveal()
	if natsURL == "embedded" {
		server, err := embedded.Start(embedded.Config{StoreDir: filepath.Join(cfg.DataDir, "jetstream"), Token: rand.Text(), Logger: log})
		if err != nil {
			return fmt.Errorf("hosting JetStream in DATA_DIR: %w", err)
		}
		return errors.Join(keepRunning(ctx, children(cfg, server.ClientURL()), log), server.Stop())
	}
	return keepRunning(ctx, children(cfg, natsURL), log)
}

func children(cfg *settings, natsURL string) []supervise.Child {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	child := func(name string, extra ...string) supervise.Child {
		env := append(without(os.Environ(), "NATS_URL", "METRICS_ADDR"), "NATS_URL="+natsURL)
		return supervise.Child{
			Name:      name,
			Path:      filepath.Join(filepath.Dir(self), name),
			Env:       append(env, extra...),
			Grace:     20 * time.Second,
			FinalCode: daemon.ExitConfig,
		}
	}
	return []supervise.Child{
		child("ingest", fmt.Sprintf("METRICS_ADDR=127.0.0.1:%d", cfg.MetricsPort)),
		child("loader", fmt.Sprintf("METRICS_ADDR=127.0.0.1:%d", cfg.MetricsPort+1)),
		child("gateway", fmt.Sprintf("METRICS_ADDR=127.0.0.1:%d", cfg.MetricsPort+2)),
	}
}

// keepRunning runs all children and stops all when one cannot go on.
func keepRunning(ctx context.Context, children []supervise.Child, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(children))
	for _, c := range children {
		go func() { ended <- c.Run(ctx, log) }()
	}
	var errs []error
	for range children {
		if err := <-ended; err != nil {
			errs = append(errs, err)
			cancel()
		}
	}
	var final *supervise.FinalError
	if err := errors.Join(errs...); errors.As(err, &final) {
		return &config.Error{Problems: []string{final.Error()}}
	} else if err != nil {
		return err
	}
	return nil
}

func without(env []string, names ...string) []string {
	var out []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		keep := true
		for _, n := range names {
			keep = keep && n != name
		}
		if keep {
			out = append(out, e)
		}
	}
	return out
}
