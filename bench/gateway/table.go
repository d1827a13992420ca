package main

import (
	"fmt"
	"os"
	"path/filepath"
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
