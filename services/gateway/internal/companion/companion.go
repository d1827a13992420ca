// Package companion writes the small database that every generation is opened
// beside: MySQL's functions as macros, and views of the catalog without Duckling's own tables.
//
// It is a file, and opened read-only, so that it costs no SQL when a generation is opened and
// nothing in the serving process can be written to.
package companion

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/chittihq/duckling/pkg/duck"
)

// Name is what the database is called in SQL, after its file.
const Name = "companion"

var (
	//go:embed macros.sql
	macros string
	//go:embed views.sql
	views string
)

// Write makes the companion in dir and returns its path.
func Write(dir string) (string, error) {
	path := filepath.Join(dir, Name+".duckdb")
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("removing the former companion database: %w", err)
	}
	db, err := duck.Open(path, duck.Options{Config: []duck.Setting{{Name: "threads", Value: "1"}}})
	if err != nil {
		return "", fmt.Errorf("creating companion database: %w", err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return "", fmt.Errorf("creating companion database: %w", err)
	}
	defer conn.Close()
	for _, sql := range []string{macros, views, "CHECKPOINT"} {
		if err := conn.Exec(sql); err != nil {
			return "", fmt.Errorf("filling companion database: %w", err)
		}
	}
	return path, nil
}

var macroName = regexp.MustCompile(`(?m)^CREATE MACRO (\w+)\(`)

// Macros are the names of the functions that the companion defines, in lower case.
func Macros() []string {
	var names []string
	for _, m := range macroName.FindAllStringSubmatch(macros, -1) {
		names = append(names, strings.ToLower(m[1]))
	}
	return names
}
