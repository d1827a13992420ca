// Command loader applies the frames of each database's stream to its DuckDB file and publishes generations of it.
package main

import (
	"os"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/loader/internal/loader"
)

func main() {
	cfg := new(loader.Config)
	os.Exit(daemon.Program{Name: "loader", Config: cfg, Run: cfg.Run}.Main(os.Args[1:]))
}
