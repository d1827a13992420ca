// Package dialect turns what MySQL users type into DuckDB's SQL: quoting and
// comments, operators, clauses, and calls of functions that DuckDB has under
// another name or not at all (the companion database has macros for those). It works on
// tokens, so that text in strings and comments is never touched, and keeps a map
// of positions, so that errors point into the text the user sent.
//
// What DuckDB takes and gives a meaning keeps that meaning, unless the mode is MySQL.
// docs/sql-differences.md lists where the two then differ.
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
	// MySQL reads all as MySQL does: "x" is a string, backslashes escape, || is OR, and functions that both have are MySQL's.
	MySQL Mode = "mysql"
	// DuckDB sends the text as it is, except for information_schema.
	DuckDB Mode = "duckdb"
)

// ErrAmbiguousBackslash is returned for a statement in which \' ends a string by DuckDB's rules and does
// not by MySQL's, and both readings make sense. Guessing would let text that was escaped for one
// be read as the other, which is how injections work.
var ErrAmbiguousBackslash = errors.New(`the text has a \' that MySQL and DuckDB read differently; send parameters, write '' for a quote, or choose the dialect (mysql or duckdb)`)

// UnsupportedError is returned for what MySQL has and the gateway has not.
type UnsupportedError struct {
	Reason string
	// Offset is where in the text it is.
	Offset int
}

func (e *UnsupportedError) Error() string { return e.Reason }

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

// Translate reads one statement. Its errors are ErrAmbiguousBackslash and *UnsupportedError; what makes no sense is left for DuckDB to refuse.
func Translate(sql string, mode Mode) (*Translation, error) {
	backslash, err := escapes(sql, mode)
	if err != nil {
		return nil, err
	}
	w := &writer{statement: newStatement(sql, tokenize(sql, backslash, mode == MySQL), mode == MySQL), mode: mode, backslash: backslash}
	if mode != DuckDB {
		w.edits = plan(w.statement)
	}
	w.run()
	if w.err != nil {
		return nil, w.err
	}
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
	switch plainly, escapedly := sensible(plain), sensible(escaped); {
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
func sensible(tokens []token) bool {
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
