// Package loop asks a statement again and again, by several goroutines of one process.
package loop

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/chittihq/duckling/testkit/usage"
)

// Statement is one that is measured.
type Statement struct {
	Name string
	SQL  string
	Key  bool // takes a key as its parameter
}

// Task is what a loop is to do.
type Task struct {
	Path      string // of the DuckDB file
	Statement Statement
	InFlight  int
	Rows      int // keys are below it
	Seconds   float64
	Threads   string // DuckDB's own choice when empty
}

// Outcome is what one round gave.
type Outcome struct {
	Count     int
	Seconds   float64
	Latencies []float64 // ms, sorted
	// CPU is the processor time of the process that ran the statements, and Client that of the one that asked for them, in seconds.
	CPU, Client float64
}

// Run calls what make makes in each of the goroutines until the round is over, with another key each time.
func (t Task) Run(make func() (ask func(key int64) error, done func(), err error)) (Outcome, error) {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		all    []float64
		failed error
	)
	before, err := usage.CPU(os.Getpid())
	if err != nil {
		return Outcome{}, err
	}
	began := time.Now()
	end := began.Add(time.Duration(t.Seconds * float64(time.Second)))
	for worker := range t.InFlight {
		group.Go(func() {
			var mine []float64
			err := func() error {
				ask, done, err := make()
				if err != nil {
					return err
				}
				defer done()
				for n := worker * 7919; ; n += 104729 {
					began := time.Now()
					if began.After(end) {
						return nil
					}
					if err := ask(int64(n % t.Rows)); err != nil {
						return err
					}
					mine = append(mine, float64(time.Since(began).Nanoseconds())/1e6)
				}
			}()
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			all = append(all, mine...)
		})
	}
	group.Wait()
	took := time.Since(began)
	after, err := usage.CPU(os.Getpid())
	slices.Sort(all)
	return Outcome{Count: len(all), Seconds: took.Seconds(), Latencies: all, CPU: (after - before).Seconds()}, errors.Join(failed, err)
}
