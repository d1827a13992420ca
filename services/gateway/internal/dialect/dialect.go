// Package dialect turns what MySQL users type into DuckDB's SQL: backticks, bare
// reserved table names, # comments, \' in strings, LIMIT a, b. It works on
// tokens, so that text in strings and comments is never touched, and keeps a map
// of positions, so that errors point into the text the user sent.
//
// It decides nothing about safety: the sandbox reads its output.
package dialect

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Mode is how a statement is read.
type Mode string

// The modes. In all but DuckDB, names in backticks and MySQL's spellings are taken.
const (
	// Auto reads "x" as a name and '\' as a string, as DuckDB does, unless only MySQL's reading of the backslash makes sense.
	Auto Mode = "auto"
	// MySQL reads "x" as a string and takes backslash escapes.
	MySQL Mode = "mysql"
	// DuckDB sends the text as it is, except for information_schema.
	DuckDB Mode = "duckdb"
)

// ErrAmbiguousBackslash is returned for a statement in which \' ends a string by DuckDB's rules and does
// not by MySQL's, and both readings make sense. Guessing would let text that was escaped for one
// be read as the other, which is how injections work.
var ErrAmbiguousBackslash = errors.New(`the text has a \' that MySQL and DuckDB read differently; send parameters, write '' for a quote, or choose the dialect (mysql or duckdb)`)

// ParseMode returns the mode named s; "" is Auto.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Auto, nil
	case Auto, MySQL, DuckDB:
		return m, nil
	default:
		return "", fmt.Errorf("dialect is %q; it can be auto, mysql or duckdb", s)
	}
}

// Translation is a statement in DuckDB's SQL and how its parts came about.
type Translation struct {
	SQL   string
	spans []span
}

// span says that the output from out on stands for the input from in on, byte by byte if copied.
type span struct {
	out, in int
	copied  bool
}

// Origin returns the offset in the original text of an offset in SQL.
func (t *Translation) Origin(offset int) int {
	if t.spans == nil {
		return offset
	}
	i := sort.Search(len(t.spans), func(i int) bool { return t.spans[i].out > offset }) - 1
	if i < 0 {
		return 0
	}
	if s := t.spans[i]; s.copied {
		return s.in + offset - s.out
	}
	return t.spans[i].in
}

// Translate reads one statement. The only error is ErrAmbiguousBackslash; what makes no sense is left for DuckDB to refuse.
func Translate(sql string, mode Mode) (*Translation, error) {
	backslash, err := escapes(sql, mode)
	if err != nil {
		return nil, err
	}
	w := &writer{sql: sql, mode: mode, backslash: backslash, tokens: tokenize(sql, backslash, mode == MySQL)}
	w.run()
	if !w.changed {
		return &Translation{SQL: sql}, nil
	}
	return &Translation{SQL: w.out.String(), spans: w.spans}, nil
}

// escapes tells whether a backslash escapes in the strings of sql.
func escapes(sql string, mode Mode) (bool, error) {
	if mode != Auto || !strings.Contains(sql, `\'`) {
		return mode == MySQL, nil
	}
	plain, escaped := tokenize(sql, false, false), tokenize(sql, true, false)
	if sameTokens(plain, escaped) {
		return false, nil
	}
	switch plainly, escapedly := sensible(sql, plain), sensible(sql, escaped); {
	case plainly && escapedly:
		return false, ErrAmbiguousBackslash
	case escapedly:
		return true, nil
	default:
		return false, nil
	}
}

func sameTokens(a, b []token) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// sensible tells whether every string ends, no backslash stands outside of one, and none touches a word, as in 'it\'s'.
func sensible(sql string, tokens []token) bool {
	for i, t := range tokens {
		if t.kind == unreadable {
			return false
		}
		if t.kind == str && i+1 < len(tokens) && (tokens[i+1].kind == word || tokens[i+1].kind == number) {
			return false
		}
	}
	return true
}
