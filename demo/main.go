// Command demo shows Duckling at work on one machine: a generated shop in a real MySQL, live
// traffic against it, the copy, and then the guide's queries over WebSocket with how far
// behind the source each answer is. Everything it starts ends with it.
//
//	MYSQL_CONNECTION_STRING  a database to read; without it a private MySQL 9.7 is started
//	DEMO_SECONDS             end by itself after so many seconds of queries, with a summary
//	DEMO_SCALE               size of the shop, 1 being 100k users and 1M orders
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"

	duckling "github.com/chittihq/duckling/sdk/go"
)

type settings struct {
	Source  string  `env:"MYSQL_CONNECTION_STRING"`
	Seconds int     `env:"DEMO_SECONDS"`
	Scale   float64 `env:"DEMO_SCALE" envDefault:"1"`
	Rate    float64 `env:"DEMO_RATE" envDefault:"50"`
	Bin     string  `env:"DUCKLING_BIN" envDefault:"bin"`
}

func main() {
	if err := run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() error {
	cfg, err := env.ParseAs[settings]()
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	shop, err := openShop(ctx, cfg)
	if err != nil {
		return err
	}
	defer shop.close()
	server, err := startServer(cfg, shop.url)
	if err != nil {
		return err
	}
	defer server.close()

	traffic, err := shop.startTraffic(ctx, cfg.Rate)
	if err != nil {
		return err
	}
	defer traffic.stop()
	if err := server.showCopy(ctx); err != nil {
		return err
	}
	client, err := duckling.Open(ctx, duckling.Config{URL: server.webSocket(), APIKey: server.key})
	if err != nil {
		return fmt.Errorf("connecting to the gateway: %w", err)
	}
	defer client.Close()

	fmt.Printf("\nQueries of the guide over %s, while %.0f transactions a second go into the shop.\n", server.webSocket(), cfg.Rate)
	if cfg.Seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(cfg.Seconds)*time.Second)
		defer cancel()
	} else {
		fmt.Println("Ctrl-C ends everything.")
	}
	board := newBoard()
	err = board.loop(ctx, client)
	traffic.stop()
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = nil
	}
	if err == nil {
		board.summary(traffic.shop.Stats())
	}
	return err
}
