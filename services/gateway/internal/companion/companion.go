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
	// An instance of its own in memory, because only ATTACH can ask for the file format that keeps macros with types.
	db, err := duck.Open("", duck.Options{Config: []duck.Setting{{Name: "threads", Value: "1"}}})
	if err != nil {
		return "", fmt.Errorf("creating companion database: %w", err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return "", fmt.Errorf("creating companion database: %w", err)
	}
	defer conn.Close()
	attach := fmt.Sprintf("ATTACH %s AS %s (STORAGE_VERSION 'v1.4.0')", duck.Literal(path), Name)
	for _, sql := range []string{attach, "USE " + Name, macros, views, "CHECKPOINT " + Name} {
		if err := conn.Exec(sql); err != nil {
			return "", fmt.Errorf("filling companion database: %w", err)
		}
	}
	return path, nil
}

// SchemaMySQL holds the macros that only the translator calls.
const SchemaMySQL = Name + ".mysql"

var macroName = regexp.MustCompile(`(?m)^CREATE MACRO (?:mysql\.)?"?([^\s"(]+)"?\(`)

// Macros are the names of the functions and operators that the companion defines, in lower case, without their schema.
func Macros() []string {
	var names []string
	for _, m := range macroName.FindAllStringSubmatch(macros, -1) {
		names = append(names, strings.ToLower(m[1]))
	}
	return names
}
