// Command ingest follows the binlogs of MySQL and MariaDB sources and copies their tables into JetStream.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/ingest/internal/ingest"
)

// What ingest keeps is small and what it makes is short-lived, so a collection at each doubling would cost a fifth of its
// time. Near the limit the collector works as often as it must.
const (
	growth      = 400
	memoryLimit = 200 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	cfg := new(ingest.Config)
	os.Exit(daemon.Program{
		Name: "ingest", Config: cfg, Run: cfg.Run,
		Commands: map[string]func(context.Context, *daemon.Env) error{"check": cfg.Check},
	}.Main(os.Args[1:]))
}
