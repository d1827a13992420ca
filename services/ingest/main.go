// Command ingest follows the binlogs of MySQL and MariaDB sources and copies their tables into JetStream.
package main

import (
	"context"
	"os"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/ingest/internal/ingest"
)

func main() {
	cfg := new(ingest.Config)
	os.Exit(daemon.Program{
		Name: "ingest", Config: cfg, Run: cfg.Run,
		Commands: map[string]func(context.Context, *daemon.Env) error{"check": cfg.Check},
	}.Main(os.Args[1:]))
}
