package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
)

// without times the source's users where nothing is compared.
func (b *bench) without(ctx context.Context) error {
	return b.beside(ctx, "no comparison", func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(unmeasured):
			return nil
		}
	})
}

// beside runs something while rows change, and times point queries at the source meanwhile.
func (b *bench) beside(ctx context.Context, what string, do func() error) error {
	during, end := context.WithCancel(ctx)
	var busy sync.WaitGroup
	var wrote, asked error
	var took []time.Duration
	busy.Go(func() { wrote = b.Load(during, rows, changes, b.random.IntN) })
	busy.Go(func() { took, asked = b.pointQueries(during) })
	err := do()
	end()
	busy.Wait()
	if err := errors.Join(err, wrote, asked); err != nil {
		return err
	}
	p50, p99 := report.Quantile(took, 0.5), report.Quantile(took, 0.99)
	if len(b.felt) == 0 {
		b.alone = [2]time.Duration{p50, p99}
	}
	times := func(of, than time.Duration) string { return fmt.Sprintf("%.2f", float64(of)/float64(than)) }
	b.felt = append(b.felt, []string{what, fmt.Sprint(len(took)), fmt.Sprintf("%.2f", 1000*p50.Seconds()), fmt.Sprintf("%.2f", 1000*p99.Seconds()), times(p50, b.alone[0]), times(p99, b.alone[1])})
	return nil
}

// pointQueries reads rows by key until ctx ends.
func (b *bench) pointQueries(ctx context.Context) ([]time.Duration, error) {
	statement, err := b.DB.PrepareContext(ctx, "SELECT total FROM `Order` WHERE id = ?")
	if err != nil {
		return nil, fmt.Errorf("preparing the point query: %w", err)
	}
	defer statement.Close()
	random := rand.New(rand.NewPCG(3, 4))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var took []time.Duration
	for {
		began := time.Now()
		var total string
		if err := statement.QueryRowContext(ctx, 1+random.IntN(rows)).Scan(&total); err != nil {
			if ctx.Err() != nil {
				return took, nil
			}
			return nil, fmt.Errorf("reading a row by its key: %w", err)
		}
		took = append(took, time.Since(began))
		select {
		case <-ctx.Done():
			return took, nil
		case <-tick.C:
		}
	}
}
