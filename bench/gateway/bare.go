package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// publish makes a data directory with one generation and returns that one's path.
func publish(data string, rows int) (string, error) {
	dir := generation.Dir(data, "default")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, generation.FileName(1))
	db, err := duck.Open(path, duck.Options{})
	if err != nil {
		return "", err
	}
	conn, err := db.Connect()
	if err != nil {
		return "", err
	}
	err = conn.Exec(fmt.Sprintf(`CREATE TABLE "Order" AS SELECT i::BIGINT AS id, (i * 7919 %% 100000)::INTEGER AS userId, (i %% 10000 / 100.0)::DECIMAL(12,2) AS total,
		['paid', 'open', 'sent'][i %% 3 + 1] AS status, TIMESTAMP '2025-01-01' + INTERVAL (i) SECOND AS createdAt, 'note ' || i AS note FROM range(%d) t(i); CHECKPOINT`, rows))
	conn.Close()
	db.Close()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	sum, err := generation.HeaderSum(file)
	if err != nil {
		return "", err
	}
	now := time.Now()
	return path, generation.Write(dir, &generation.Manifest{
		Database: "default", Generation: 1, File: filepath.Base(path), Size: info.Size(), HeaderSHA256: sum, SourceTime: now, PublishedAt: now,
		Position: generation.Position{CommitTime: now}, DuckDB: duck.Version(), Tables: []generation.Table{{Name: "Order", Rows: int64(rows)}},
	})
}

// bare runs a statement in a loop in each of some goroutines, prepared once, and reads what comes back.
func bare(path string, s statement, inflight int, o options) (outcome, error) {
	var config []duck.Setting
	if o.threads != "" {
		config = append(config, duck.Setting{Name: "threads", Value: o.threads})
	}
	db, err := duck.Open(path, duck.Options{ReadOnly: true, Config: config})
	if err != nil {
		return outcome{}, err
	}
	defer db.Close()
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		all    []float64
		failed error
	)
	cpu := ownCPU()
	began := time.Now()
	end := began.Add(time.Duration(o.seconds * float64(time.Second)))
	for worker := range inflight {
		group.Go(func() {
			var mine timed
			err := loop(db, s, worker, o.rows, end, &mine)
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			all = append(all, mine.all...)
		})
	}
	group.Wait()
	slices.Sort(all)
	return outcome{Count: len(all), Seconds: time.Since(began).Seconds(), Latencies: all, CPU: ownCPU() - cpu}, failed
}

func loop(db *duck.DB, s statement, worker, rows int, end time.Time, mine *timed) error {
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	stmt, err := conn.Prepare(s.SQL)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for n := worker * 7919; ; n += 104729 {
		began := time.Now()
		if began.After(end) {
			return nil
		}
		var params []any
		if s.Key {
			params = []any{int64(n % rows)}
		}
		result, err := stmt.Stream(context.Background(), params...)
		if err != nil {
			return err
		}
		for {
			chunk, err := result.Next()
			if err != nil {
				result.Close()
				return err
			}
			if chunk == nil {
				break
			}
		}
		result.Close()
		mine.add(time.Since(began))
	}
}
