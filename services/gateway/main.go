// Command gateway answers queries over WebSocket and HTTP from the newest published generations.
package main

import (
	"os"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gateway"
)

func main() {
	cfg := new(gateway.Config)
	os.Exit(daemon.Program{Name: "gateway", Config: cfg, Run: cfg.Run}.Main(os.Args[1:]))
}
