// Package loader puts the service together.
package loader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/loader/internal/backup"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

// Config are the loader's settings.
type Config struct {
	// DataDir is where the DuckDB files and their generations are. One loader writes to it.
	DataDir string        `env:"DATA_DIR" envDefault:"/app/data"`
	NATSURL config.Secret `env:"NATS_URL,required,notEmpty"`
	config.Sources

	// MemoryLimit is what DuckDB may use for each database, as 4GB; empty means DuckDB's own default, 80 % of the machine.
	MemoryLimit string `env:"DUCKDB_MEMORY_LIMIT"`
	// Threads is how many threads DuckDB uses for each database; 0 means one for each core.
	Threads int `env:"DUCKDB_THREADS"`

	PublishInterval time.Duration `env:"PUBLISH_INTERVAL" envDefault:"100ms"`
	BatchRows       int           `env:"BATCH_MAX_ROWS" envDefault:"200000"`
	BatchDelay      time.Duration `env:"BATCH_MAX_DELAY" envDefault:"50ms"`
	// SyncMinutes is how often source and DuckDB are compared; 0 means never.
	SyncMinutes int `env:"SYNC_INTERVAL_MINUTES" envDefault:"15"`
	// Rebuild is how often each table is copied anew; 0 means never.
	Rebuild time.Duration `env:"FULL_RESYNC_INTERVAL" envDefault:"24h"`
	// CheckRows is about how many rows of a table are compared at once; 0 means all.
	CheckRows int `env:"RESYNC_PART_ROWS" envDefault:"2000000"`

	// StreamKeep is how long frames stay in the stream after they were committed, for a file that is restored
	// from a backup; 0 keeps few.
	StreamKeep time.Duration `env:"STREAM_KEEP"`

	Backups backup.Config
}

// Problems implements config.Checker.
func (c *Config) Problems() []string {
	problems := append(c.Sources.Problems(), c.Backups.Problems()...)
	complain := func(wrong bool, text string) {
		if wrong {
			problems = append(problems, text)
		}
	}
	complain(c.DataDir == "", "DATA_DIR is empty; name the directory that the gateway reads too")
	complain(c.Threads < 0, "DUCKDB_THREADS must not be negative")
	complain(c.PublishInterval < 0, "PUBLISH_INTERVAL must not be negative")
	complain(c.BatchRows < 1, "BATCH_MAX_ROWS must be at least 1")
	complain(c.BatchDelay < 0, "BATCH_MAX_DELAY must not be negative")
	complain(c.StreamKeep < 0, "STREAM_KEEP must not be negative")
	complain(c.SyncMinutes < 0, "SYNC_INTERVAL_MINUTES must not be negative")
	complain(c.Rebuild < 0, "FULL_RESYNC_INTERVAL must not be negative")
	complain(c.CheckRows < 0, "RESYNC_PART_ROWS must not be negative")
	return problems
}

// Run serves all databases until ctx ends or one of them cannot go on.
func (c *Config) Run(ctx context.Context, env *daemon.Env) error {
	databases, err := c.Databases()
	if err != nil {
		return err
	}
	b, err := bus.Connect(ctx, bus.Config{URL: c.NATSURL.Reveal(), Name: "loader", Logger: env.Log})
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := replica.NewMetrics(env.Metrics)
	ended := make(chan error, len(databases))
	replicas := make(map[string]*replica.Replica, len(databases))
	for _, d := range databases {
		r := replica.New(replica.Config{
			Database: d.ID, DataDir: c.DataDir, DuckDB: live.Options{MemoryLimit: c.MemoryLimit, Threads: c.Threads},
			BatchRows: c.BatchRows, BatchDelay: c.BatchDelay, PublishInterval: c.PublishInterval, StreamKeep: c.StreamKeep,
			CheckEvery: time.Duration(c.SyncMinutes) * time.Minute, RebuildEvery: c.Rebuild, CheckRows: c.CheckRows,
		}, b, metrics, env.Log)
		replicas[d.ID] = r
		go func() {
			err := r.Run(ctx)
			stop()
			ended <- err
		}()
	}
	go report(ctx, replicas, env.Health)
	var errs []error
	for range databases {
		if err := <-ended; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// reportEvery is how soon a change of readiness shows.
const reportEvery = 250 * time.Millisecond

func report(ctx context.Context, replicas map[string]*replica.Replica, health *daemon.Health) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		for id, r := range replicas {
			health.Set(fmt.Sprintf("database %s", id), r.Ready())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
