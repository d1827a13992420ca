// Command loader applies the frames of each database's stream to its DuckDB file and publishes generations of it.
// `loader backup`, `loader backups` and `loader restore` keep generations elsewhere and bring them back.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/loader/internal/loader"
)

// growth has the collector work at half as much garbage again as there is in use: frames are large arrays without pointers, which cost it nothing,
// and what it lets gather is memory that DuckDB could use.
const growth = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	cfg := new(loader.Config)
	os.Exit(daemon.Program{Name: "loader", Config: cfg, Run: cfg.Run, Commands: map[string]func(context.Context, *daemon.Env) error{
		"backup": cfg.BackUp, "backups": cfg.ListBackups, "restore": cfg.Restore,
	}}.Main(os.Args[1:]))
}
