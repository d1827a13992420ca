package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// makeOrders publishes a generation whose table orders has this many rows: an integer, a short text, a decimal, a time, a longer text
// and a float.
func makeOrders(data, database string, rows int) (path string, err error) {
	dir := generation.Dir(data, database)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	m := &generation.Manifest{
		Database: database, Generation: 1, File: generation.FileName(1), Position: generation.Position{CommitTime: time.Now()},
		SourceTime: time.Now(), PublishedAt: time.Now(), Tables: []generation.Table{{Name: "orders", Rows: int64(rows)}}, DuckDB: duck.Version(),
	}
	path = filepath.Join(dir, m.File)
	if err := fill(path, rows); err != nil {
		return "", fmt.Errorf("making orders: %w", err)
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
	m.Size = info.Size()
	if m.HeaderSHA256, err = generation.HeaderSum(file); err != nil {
		return "", err
	}
	return path, generation.Write(dir, m)
}

func fill(path string, rows int) error {
	db, err := duck.Open(path, duck.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(fmt.Sprintf(`CREATE TABLE orders AS SELECT i AS id, ['paid', 'open', 'sent'][i %% 3 + 1] AS status, (i %% 100000 / 100)::DECIMAL(12,2) AS total,
		TIMESTAMP '2025-01-01' + INTERVAL (i %% 31536000) SECOND AS createdAt, 'customer-' || (i * 7919 %% 100003) || '@example.com' AS email, (i %% 977) / 977 AS score
		FROM range(%d) t(i); CHECKPOINT`, rows))
}

const statement = "SELECT id, status, total, createdAt, email, score FROM orders"

// driverOnly reads the same rows through the driver, in this process, and looks at none of them.
func driverOnly(path string) (time.Duration, error) {
	db, err := duck.Open(path, duck.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	stmt, err := conn.Prepare(statement)
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	best := time.Duration(0)
	for range runs {
		began := time.Now()
		rows, err := stmt.Stream(context.Background())
		if err != nil {
			return 0, err
		}
		for {
			chunk, err := rows.Next()
			if err != nil {
				return 0, err
			}
			if chunk == nil {
				break
			}
		}
		rows.Close()
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}
