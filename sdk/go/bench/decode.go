package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

type order struct {
	ID        int64       `json:"id"`
	UserID    int32       `json:"userId"`
	Status    string      `json:"status"`
	Total     json.Number `json:"total"`
	CreatedAt string      `json:"createdAt"`
	Note      string      `json:"note"`
}

// decoding fetches the large result and reads it in several ways.
func decoding(ctx context.Context, url string) error {
	client, err := duckling.Open(ctx, duckling.Config{URL: url, APIKey: "k"})
	if err != nil {
		return err
	}
	defer client.Close()
	var result *duckling.Result
	fetch, err := best(func() (err error) {
		result, err = client.Query(ctx, "SELECT large")
		return err
	})
	if err != nil {
		return err
	}
	text := result.JSON()
	fmt.Printf("%d rows x %d columns, %.1f MB of JSON        best of 5\n", result.Len(), len(result.Columns()), float64(len(text))/1e6)
	line := func(name string, took time.Duration) {
		fmt.Printf("  %-38s %8.1f ms %8.1f MB/s\n", name, micros(took)/1000, float64(len(text))/1e6/took.Seconds())
	}
	line("Query: sent, received and checked", fetch)
	for _, way := range []struct {
		name string
		read func() error
	}{
		{"ParseResult: checked and indexed", func() error { _, err := duckling.ParseResult(text); return err }},
		{"Collect: rows into structs", func() error { _, err := duckling.Collect[order](result); return err }},
		{"encoding/json into structs", func() error { var all []order; return json.Unmarshal(text, &all) }},
		{"Collect: rows into maps", func() error { _, err := duckling.Collect[map[string]any](result); return err }},
		{"encoding/json into maps", func() error { var all []map[string]any; return json.Unmarshal(text, &all) }},
	} {
		took, err := best(way.read)
		if err != nil {
			return err
		}
		line(way.name, took)
	}
	return nil
}

func best(work func() error) (time.Duration, error) {
	least := time.Duration(1<<63 - 1)
	for range 5 {
		start := time.Now()
		if err := work(); err != nil {
			return 0, err
		}
		least = min(least, time.Since(start))
	}
	return least, nil
}
