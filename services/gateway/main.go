// Command gateway answers queries over WebSocket and HTTP from the newest published generations.
package main

import (
	"os"
	"runtime"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gateway"
)

// ballast is never touched, so that it takes no memory. The collector runs when the heap has doubled, and the gateway's own is so small that
// it would do that dozens of times a second under small statements, for a tenth of their processor time.
var ballast = make([]byte, 32<<20)

func main() {
	// A call of DuckDB holds one of Go's processors until the scheduler notices. With as many as there are cores, requests
	// and answers would wait behind statements while a core is idle.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * gateway.Cores)
	}
	cfg := new(gateway.Config)
	code := daemon.Program{Name: "gateway", Config: cfg, Run: cfg.Run}.Main(os.Args[1:])
	runtime.KeepAlive(ballast)
	os.Exit(code)
}
