// Command contract is the other side of the clients' contract tests: the real gateway, and somebody who kills, freezes
// and restarts it and publishes new generations when an exchange says so. exchanges.json beside it is the one list of
// exchanges, and README.md says how it is read.
//
// It prints one line of JSON with the addresses, and ends when its standard input does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// patience bounds every wait; only a failing exchange waits that long.
const patience = 3 * time.Minute

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "duckling-contract-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the system's temporary directory
	g, err := newGateway(dir)
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.start(ctx, ""); err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: control(g), ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(listener) }() // it ends by Close
	defer server.Close()
	err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"url": "ws://" + g.addr + "/ws", "key": key, "control": "http://" + listener.Addr().String(),
	})
	if err != nil {
		return fmt.Errorf("telling the addresses: %w", err)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// control does what the path says and answers when it is done. Pages of browsers may ask too.
func control(g *gateway) http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(ctx context.Context, body string) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			body, err := io.ReadAll(r.Body)
			if err == nil {
				ctx, cancel := context.WithTimeout(r.Context(), patience)
				defer cancel()
				err = do(ctx, string(body))
			}
			if err != nil {
				http.Error(w, path+": "+err.Error(), http.StatusInternalServerError)
			}
		})
	}
	handle("/kill", func(context.Context, string) error { return g.process.Kill() })
	handle("/stop", func(ctx context.Context, _ string) error { return g.process.Stop(ctx) })
	handle("/start", g.start)
	handle("/freeze", func(ctx context.Context, _ string) error { return g.freeze(ctx) })
	handle("/thaw", func(context.Context, string) error { return g.thaw() })
	handle("/publish", g.publish)
	handle("/running", func(ctx context.Context, body string) error {
		n, err := strconv.Atoi(body)
		if err != nil {
			return fmt.Errorf("how many statements: %w", err)
		}
		return g.awaitRunning(ctx, n)
	})
	return mux
}
