// Package ingest puts the service together: settings, the bus, and one source for each database.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path"
	"strings"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/preflight"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/services/ingest/internal/source"
)

// Config are the service's settings.
type Config struct {
	config.Sources
	NATSURL config.Secret `env:"NATS_URL,required,notEmpty"`
	// ServerID is the first of the ids under which the sources see this service as a replica, one
	// for each database; 0 derives them from host and database.
	ServerID uint32 `env:"MYSQL_SERVER_ID"`
	// Destructive says what to do when a table is dropped, or changed so that values may be lost: follow, pause
	// the table until a copy of it is asked for, or keep what was dropped and follow everything else.
	Destructive string `env:"DDL_DESTRUCTIVE" envDefault:"follow"`
	// ZeroDates says what becomes of dates that no calendar has.
	ZeroDates string `env:"ZERO_DATES" envDefault:"null"`
	// ResyncRate is how many rows a second are read of a source at most, for checks and scheduled rebuilds; 0 means as many as can be.
	ResyncRate int `env:"RESYNC_MAX_ROWS_PER_SECOND" envDefault:"200000"`
	// CopyRate is how many rows a second all copies together read of a source at most; 0 means as many as can be.
	CopyRate int `env:"COPY_MAX_ROWS_PER_SECOND"`
	// CopyConnections is how many connections to a source read tables at once.
	CopyConnections int `env:"COPY_CONNECTIONS" envDefault:"4"`
}

var destructive = map[string]source.Destructive{"follow": source.FollowDestructive, "pause": source.PauseDestructive, "keep": source.KeepDropped}

var zeroDates = map[string]cdcv1.ZeroDates{
	"null": cdcv1.ZeroDates_ZERO_DATES_NULL, "text": cdcv1.ZeroDates_ZERO_DATES_TEXT, "refuse": cdcv1.ZeroDates_ZERO_DATES_REFUSE,
}

// Problems implements config.Checker.
func (c *Config) Problems() []string {
	problems := c.Sources.Problems()
	if _, ok := destructive[c.Destructive]; !ok {
		problems = append(problems, "DDL_DESTRUCTIVE must be follow, pause or keep")
	}
	if _, ok := zeroDates[c.ZeroDates]; !ok {
		problems = append(problems, "ZERO_DATES must be null, text or refuse")
	}
	if c.ResyncRate < 0 {
		problems = append(problems, "RESYNC_MAX_ROWS_PER_SECOND must not be negative")
	}
	if c.CopyRate < 0 {
		problems = append(problems, "COPY_MAX_ROWS_PER_SECOND must not be negative")
	}
	if c.CopyConnections < 1 {
		problems = append(problems, "COPY_CONNECTIONS must be at least 1")
	}
	return problems
}

// Run follows every database until ctx ends.
func (c *Config) Run(ctx context.Context, env *daemon.Env) error {
	sources, err := c.configs()
	if err != nil {
		return err
	}
	b, err := bus.Connect(ctx, bus.Config{URL: c.NATSURL.Reveal(), Name: "ingest", Logger: env.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := source.NewMetrics(env.Metrics)
	ended := make(chan error, len(sources))
	running := map[string]*source.Source{}
	for _, cfg := range sources {
		s := source.New(cfg, b, env.Log, metrics)
		running[cfg.ID] = s
		go func() { ended <- s.Run(ctx) }()
	}
	go report(ctx, running, env.Health)
	var errs []error
	for range sources {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// reportEvery is how soon a change of readiness shows.
const reportEvery = 250 * time.Millisecond

func report(ctx context.Context, sources map[string]*source.Source, health *daemon.Health) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		for id, s := range sources {
			health.Set("database "+id, s.Ready())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Check prints what every source is set up for, and fails if one cannot be followed.
func (c *Config) Check(ctx context.Context, env *daemon.Env) error {
	sources, err := c.configs()
	if err != nil {
		return err
	}
	var failed []error
	for _, cfg := range sources {
		fmt.Fprintf(env.Out, "database %s at %s\n", cfg.ID, cfg.Server.Address())
		if err := check(ctx, env, cfg); err != nil {
			failed = append(failed, fmt.Errorf("database %s: %w", cfg.ID, err))
		}
	}
	return errors.Join(failed...)
}

func check(ctx context.Context, env *daemon.Env, cfg source.Config) error {
	s, err := server.Connect(ctx, cfg.Server)
	if err != nil {
		return err
	}
	defer s.Close()
	findings, err := preflight.Check(ctx, s, cfg.ServerID, cfg.Follow)
	if err != nil {
		return err
	}
	failed := 0
	for _, f := range findings {
		fmt.Fprintf(env.Out, "  %-4s %-28s %s\n", f.Grade, f.Check, f.Detail)
		if f.Mend != "" {
			fmt.Fprintf(env.Out, "       mend: %s\n", f.Mend)
		}
		if f.Grade == preflight.Fail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// configs turns the settings into sources.
func (c *Config) configs() ([]source.Config, error) {
	databases, err := c.Databases()
	if err != nil {
		return nil, err
	}
	var out []source.Config
	for i, d := range databases {
		tlsConfig, err := clientTLS(d.Source)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", d.ID, err)
		}
		id := c.ServerID + uint32(i)
		if c.ServerID == 0 {
			id = derivedID(d.ID)
		}
		out = append(out, source.Config{
			ID: d.ID,
			Server: server.Config{
				Host: d.Source.Host, Port: uint16(d.Source.Port), User: d.Source.User, Password: d.Source.Password.Reveal(),
				Schema: d.Source.Database, TLS: tlsConfig,
			},
			ServerID: id,
			Follow:   func(table string) bool { return follows(d, table) },
			Rules:    mysqltype.Rules{Masks: masks(d), Dates: zeroDates[c.ZeroDates]},

			Destructive:     destructive[c.Destructive],
			ResyncRate:      c.ResyncRate,
			CopyRate:        c.CopyRate,
			CopyConnections: c.CopyConnections,
		})
	}
	return out, nil
}

// follows applies include and exclude patterns; exclude wins.
func follows(d config.Database, table string) bool {
	for _, pattern := range d.Exclude {
		if ok, err := path.Match(pattern, table); ok || err != nil {
			return false
		}
	}
	for _, pattern := range d.Include {
		if ok, err := path.Match(pattern, table); ok && err == nil {
			return true
		}
	}
	return len(d.Include) == 0
}

// masks finds columns' masks. Names are compared without regard to case, the table's may be a pattern, and the tables by
// which gh-ost and pt-online-schema-change replace another have its masks, so that no spelling shows what was meant to
// be hidden. It is nil for a database without masks.
func masks(d config.Database) mysqltype.Masks {
	if len(d.Masks) == 0 {
		return nil
	}
	return func(table, column string) *mysqltype.Mask {
		for _, m := range d.Masks {
			if strings.EqualFold(m.Column, column) && (matches(m.Table, table) || matches(m.Table, replaced(table))) {
				return &mysqltype.Mask{Action: mysqltype.MaskAction(m.Action), Salt: m.Salt.Reveal()}
			}
		}
		return nil
	}
}

func matches(pattern, table string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(table))
	return ok || err != nil
}

// replaced is the table that a table of an online schema change stands for, else the table itself.
func replaced(table string) string {
	for _, suffix := range []string{"_gho", "_ghc", "_del", "_new", "_old"} {
		if base, ok := strings.CutSuffix(table, suffix); ok && strings.HasPrefix(base, "_") {
			return strings.TrimLeft(base, "_")
		}
	}
	return table
}

// derivedID gives every host and database an id of its own, above those people give by hand.
func derivedID(database string) uint32 {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	h := fnv.New32a()
	h.Write([]byte(host + "/" + database))
	return 1<<31 | h.Sum32()>>1
}
