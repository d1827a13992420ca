package query

import (
	"context"
	"fmt"
	"strings"

	"github.com/chittihq/duckling/pkg/duck"
)

// Volatile knows which statements may give another result on the same data: those with a clock, a random number or
// a sample in them. It goes by words, so a column or a string that happens to be such a word counts too.
type Volatile struct{ words map[string]bool }

// keywords are not functions by DuckDB's list, or depend on the connection or the process.
var keywords = []string{
	"sample", "tablesample", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "today", "now",
	"explain", "duckdb_memory", "duckdb_settings", "current_setting", "version", "pg_backend_pid", "txid_current", "connection_id",
}

// ReadVolatile asks DuckDB which functions are volatile, the companion's macros among them.
func ReadVolatile(companion string) (*Volatile, error) {
	db, err := duck.Open(companion, duck.Options{ReadOnly: true, Config: []duck.Setting{{Name: "threads", Value: "1"}}})
	if err != nil {
		return nil, fmt.Errorf("reading functions: %w", err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return nil, fmt.Errorf("reading functions: %w", err)
	}
	defer conn.Close()
	v := &Volatile{words: make(map[string]bool)}
	for _, word := range keywords {
		v.words[word] = true
	}
	macros := make(map[string]string)
	res, err := conn.Query(context.Background(), `SELECT lower(function_name), coalesce(stability, '') IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY'), coalesce(macro_definition, '') FROM duckdb_functions()`)
	if err != nil {
		return nil, fmt.Errorf("reading functions: %w", err)
	}
	defer res.Close()
	for {
		chunk, err := res.Next()
		if err != nil {
			return nil, fmt.Errorf("reading functions: %w", err)
		}
		if chunk == nil {
			break
		}
		for i := range chunk.Rows() {
			name := string(chunk.Column(0).Bytes(i))
			if duck.Slice[bool](chunk.Column(1))[i] {
				v.words[name] = true
			}
			macros[name] += " " + string(chunk.Column(2).Bytes(i))
		}
	}
	v.close(macros)
	return v, nil
}

// close adds the macros that use a volatile word, and those that use them.
func (v *Volatile) close(macros map[string]string) {
	for grown := true; grown; {
		grown = false
		for name, body := range macros {
			if !v.words[name] && v.Has(body) {
				v.words[name] = true
				grown = true
			}
		}
	}
}

// Has tells whether a statement has a volatile word in it.
func (v *Volatile) Has(sql string) bool {
	for word := range strings.FieldsFuncSeq(sql, notInWord) {
		if v.words[strings.ToLower(word)] {
			return true
		}
	}
	return false
}

func notInWord(r rune) bool {
	return r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
}
