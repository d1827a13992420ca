package main

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"github.com/chittihq/duckling/demo/shop"
)

// traffic is what goes on in the shop while the demo runs.
type traffic struct {
	shop *shop.Traffic
	stop func() // returns when the last transaction has ended
}

func (s *source) startTraffic(ctx context.Context, rate float64) (*traffic, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	t, err := shop.NewTraffic(s.db, rate, 1, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := t.Run(ctx); err != nil {
			log.Error("traffic ended", "error", err)
		}
	})
	return &traffic{shop: t, stop: func() { cancel(); running.Wait() }}, nil
}
