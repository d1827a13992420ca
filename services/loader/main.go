// Command loader applies the frames of each database's stream to its DuckDB file and publishes generations of it.
// `loader backup`, `loader backups` and `loader restore` keep generations elsewhere and bring them back.
package main

import (
	"context"
	"os"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/loader/internal/loader"
)

func main() {
	cfg := new(loader.Config)
	os.Exit(daemon.Program{Name: "loader", Config: cfg, Run: cfg.Run, Commands: map[string]func(context.Context, *daemon.Env) error{
		"backup": cfg.BackUp, "backups": cfg.ListBackups, "restore": cfg.Restore,
	}}.Main(os.Args[1:]))
}
