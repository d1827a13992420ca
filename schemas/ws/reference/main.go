// Command reference writes docs/protocol.md from protocol.schema.json. Run it in schemas/: go run ./ws/reference (make gen does).
package main

import (
	"fmt"
	"os"
)

// Where things are, seen from schemas/.
const (
	schemaFile = "ws/protocol.schema.json"
	pageFile   = "../docs/protocol.md"
)

func main() {
	if err := run(schemaFile, pageFile); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(schema, page string) error {
	text, err := os.ReadFile(schema)
	if err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	root, err := parse(text)
	if err != nil {
		return fmt.Errorf("reading %s: %w", schema, err)
	}
	if err := os.WriteFile(page, []byte(write(root)), 0o644); err != nil { //nolint:gosec // a page for all to read
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}
