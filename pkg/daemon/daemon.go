// Package daemon is what every service's main shares: configuration, signals, logs,
// metrics, health and exit codes.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/chittihq/duckling/pkg/config"
)

// Version is set by the build with -ldflags -X; without it the build's own revision is told.
var Version = ""

// Exit codes of every service.
const (
	ExitOK = 0
	// ExitFailed: one line on standard error says why. A supervisor may start the service again.
	ExitFailed = 1
	// ExitConfig: the configuration is wrong, and starting again would not help.
	ExitConfig = 2
)

// Settings are the variables that every service takes.
type Settings struct {
	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text"`
	// MetricsAddr is where /metrics and /health are served; empty means nowhere.
	MetricsAddr string `env:"METRICS_ADDR"`
}

// Problems implements config.Checker.
func (s *Settings) Problems() []string {
	if s.LogFormat != "text" && s.LogFormat != "json" {
		return []string{"LOG_FORMAT must be text or json"}
	}
	return nil
}

// Env is what a service gets from its surroundings.
type Env struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	Health  *Health
	// Out is standard output, for commands that print.
	Out io.Writer
	// Args follow the command.
	Args []string
}

// Program is one service.
type Program struct {
	Name string
	// Config is filled by config.Load before anything runs. It points to a struct.
	Config any
	// Run serves until ctx ends and then returns nil, having finished what was in hand.
	Run func(ctx context.Context, env *Env) error
	// Commands are run instead of Run when the first argument names one.
	Commands map[string]func(ctx context.Context, env *Env) error
	// HealthURL is what the command `healthcheck` asks, when METRICS_ADDR is not it.
	HealthURL func() string
}

// Main runs the program and returns its exit code. The first SIGINT or SIGTERM ends Run's
// context; a second one ends the process at once.
func (p Program) Main(args []string) int {
	var settings Settings
	loaded := config.Load(p.Config, &settings)
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	if command == "version" {
		fmt.Println(p.Name, version())
		return ExitOK
	}
	if loaded != nil {
		var e *config.Error
		if errors.As(loaded, &e) {
			for _, problem := range e.Problems {
				fmt.Fprintf(os.Stderr, "%s: %s\n", p.Name, problem)
			}
		} else {
			fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, loaded)
		}
		return ExitConfig
	}
	log := newLogger(os.Stderr, settings, p.Name)
	run := p.Run
	switch {
	case command == "healthcheck":
		addr := settings.MetricsAddr
		run = func(ctx context.Context, _ *Env) error { return p.healthcheck(ctx, addr) }
		settings.MetricsAddr = ""
	case command != "":
		var known bool
		if run, known = p.Commands[command]; !known {
			fmt.Fprintf(os.Stderr, "%s: unknown command %q\n", p.Name, command)
			return ExitConfig
		}
		settings.MetricsAddr = ""
	}
	if err := p.serve(settings, log, run, args); err != nil {
		var e *config.Error
		if errors.As(err, &e) {
			log.Error("stopped", "error", err.Error())
			return ExitConfig
		}
		log.Error("stopped", "error", err.Error())
		return ExitFailed
	}
	return ExitOK
}

func (p Program) serve(settings Settings, log *slog.Logger, run func(context.Context, *Env) error, args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once the first signal is taken the second has its default effect.
	context.AfterFunc(ctx, stop)

	env := &Env{Log: log, Metrics: newRegistry(), Health: NewHealth(), Out: os.Stdout, Args: args[min(1, len(args)):]}
	if settings.MetricsAddr == "" {
		return ignoreCancel(run(ctx, env))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	ready := make(chan error, 1)
	go func() { served <- serveMetrics(ctx, settings.MetricsAddr, env, ready) }()
	if err := <-ready; err != nil {
		return err
	}
	err := run(ctx, env)
	cancel()
	return errors.Join(ignoreCancel(err), <-served)
}

// ignoreCancel treats the end that was asked for as success.
func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func newLogger(w io.Writer, settings Settings, name string) *slog.Logger {
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if settings.LogFormat == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	return slog.New(handler).With("service", name, "version", version())
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func version() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "dev"
}
