package loader

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/loader/internal/backup"
)

// BackUp is `loader backup [database]`: it stores the newest generation of each database, or of one.
func (c *Config) BackUp(ctx context.Context, env *daemon.Env) error {
	return c.each(env, func(id string, set *backup.Set) error {
		start := time.Now()
		info, err := set.Create(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Out, "%s: backup %s, %d bytes in %.1fs\n", id, info.Name, info.Generation.Size, time.Since(start).Seconds())
		return err
	})
}

// ListBackups is `loader backups [database]`.
func (c *Config) ListBackups(ctx context.Context, env *daemon.Env) error {
	out := tabwriter.NewWriter(env.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "database\tbackup\tbytes\tsource time\tposition")
	err := c.each(env, func(id string, set *backup.Set) error {
		all, err := set.List(ctx)
		for _, info := range all {
			g := info.Generation
			position := g.Position.GTIDSet
			if position == "" {
				position = fmt.Sprintf("%s:%d", g.Position.File, g.Position.Offset)
			}
			fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%s\n", id, info.Name, g.Size, g.SourceTime.Format(time.RFC3339), position)
		}
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// Restore is `loader restore [database [backup]]`: it makes each database's newest backup, or the one that is named, the loader's
// file. The loader must not run.
func (c *Config) Restore(ctx context.Context, env *daemon.Env) error {
	return c.each(env, func(id string, set *backup.Set) error {
		var name string
		var err error
		if len(env.Args) > 1 {
			name = env.Args[1]
		} else if name, err = set.Newest(ctx); err != nil {
			return err
		}
		info, err := set.Restore(ctx, name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Out, "%s: restored %s, as of %s; start the loader to go on from there\n", id, name, info.Generation.SourceTime.Format(time.RFC3339))
		return err
	})
}

// each calls fn for the database that the first argument names, or for all.
func (c *Config) each(env *daemon.Env, fn func(id string, set *backup.Set) error) error {
	if c.Backups.To == "" {
		return &config.Error{Problems: []string{"BACKUP_TO is not set: name a directory, or s3://bucket/prefix"}}
	}
	databases, err := c.Databases()
	if err != nil {
		return err
	}
	found := false
	for _, d := range databases {
		if len(env.Args) > 0 && env.Args[0] != d.ID {
			continue
		}
		found = true
		set, err := c.Backups.Open(c.DataDir, d.ID, env.Log)
		if err != nil {
			return err
		}
		if err := fn(d.ID, set); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there is no database %q", env.Args[0])
	}
	return nil
}
