// Command gateway answers queries over WebSocket and HTTP from the newest published generations.
package main

import (
	"os"
	"runtime"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gateway"
)

func main() {
	// A call of DuckDB holds one of Go's processors until the scheduler notices. With as many as there are cores, requests
	// and answers would wait behind statements while a core is idle.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * gateway.Cores)
	}
	cfg := new(gateway.Config)
	os.Exit(daemon.Program{Name: "gateway", Config: cfg, Run: cfg.Run}.Main(os.Args[1:]))
}
