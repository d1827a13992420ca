// Package sandbox decides which statements clients may run. DuckDB has no
// privileges inside a process, so a statement is parsed by an engine of its own,
// which holds nothing, and its syntax tree is compared with lists of what is
// allowed. What the lists do not name is refused, so that a new DuckDB release
// brings nothing in unseen.
//
// The engine that runs the statement is locked down as well (package reader); the two do not rely on each other.
package sandbox

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/chittihq/duckling/pkg/duck"
)

// RefusedError says why a statement may not run.
type RefusedError struct {
	// Syntax is true when the statement could not be parsed.
	Syntax bool
	Reason string
	// Offset is where in the statement the reason is, or -1.
	Offset int
}

func (e *RefusedError) Error() string { return e.Reason }

// Checker checks statements. It is safe for concurrent use.
type Checker struct {
	// calls and tables are the functions there are, and whether they are allowed.
	calls, tables map[string]bool
	// system are the views that DuckDB brings along and finds by bare name.
	system map[string]bool

	mu     sync.Mutex // guards the fields below
	db     *duck.DB
	conn   *duck.Conn
	parser *duck.Stmt
}

// Open starts the parsing engine. macros are names of further functions that may be called.
func Open(macros []string) (*Checker, error) {
	db, err := duck.Open("", duck.Options{
		Config: []duck.Setting{{Name: "threads", Value: "1"}, {Name: "memory_limit", Value: "256MB"}},
		After:  []duck.Setting{{Name: "enable_external_access", Value: "false"}, {Name: "lock_configuration", Value: "true"}},
	})
	if err != nil {
		return nil, fmt.Errorf("opening parser: %w", err)
	}
	conn, err := db.Connect()
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("opening parser: %w", err)
	}
	c := &Checker{db: db, conn: conn, calls: read(callList), tables: read(tableFunctionList)}
	for _, name := range macros {
		c.calls[name] = true
	}
	if c.system, err = systemViews(conn); err == nil {
		c.parser, err = conn.Prepare("SELECT json_serialize_sql(?::VARCHAR, skip_default := true, skip_empty := true, skip_null := true)")
	}
	if err != nil {
		conn.Close()
		db.Close()
		return nil, fmt.Errorf("preparing parser: %w", err)
	}
	return c, nil
}

// Close ends the parsing engine.
func (c *Checker) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parser.Close()
	c.conn.Close()
	c.db.Close()
}

func systemViews(conn *duck.Conn) (map[string]bool, error) {
	res, err := conn.Query(context.Background(), "SELECT DISTINCT lower(view_name) FROM duckdb_views() WHERE internal AND schema_name <> 'information_schema'")
	if err != nil {
		return nil, err
	}
	defer res.Close()
	names := make(map[string]bool)
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			return names, err
		}
		for i := range chunk.Rows() {
			names[string(chunk.Column(0).Bytes(i))] = true
		}
	}
}

// Check returns nil when sql is one statement that may run on the named database, else a *RefusedError.
// Any other error means that the check itself failed.
func (c *Checker) Check(sql, database string) error {
	if refused := unfit(sql); refused != nil {
		return refused
	}
	query, err := withoutExplain(sql)
	if err != nil {
		return err
	}
	tree, err := c.parse(query)
	if err != nil {
		return err
	}
	err = c.inspect(tree, strings.ToLower(database))
	if refused, ok := err.(*RefusedError); ok && refused.Offset >= 0 { //nolint:errorlint // made by inspect, never wrapped
		refused.Offset += len(sql) - len(query)
	}
	return err
}

func (c *Checker) parse(sql string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	res, err := c.parser.Query(context.Background(), sql)
	if err != nil {
		return nil, &RefusedError{Reason: "the statement cannot be parsed: " + err.Error(), Syntax: true, Offset: -1}
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return nil, fmt.Errorf("reading syntax tree: %w", err)
	}
	if chunk == nil || chunk.Column(0).Null(0) {
		return nil, fmt.Errorf("reading syntax tree: the parser gave none")
	}
	return append([]byte(nil), chunk.Column(0).Bytes(0)...), nil
}

// withoutExplain returns the query that EXPLAIN is asked for. EXPLAIN ANALYZE and options are refused.
func withoutExplain(sql string) (string, error) {
	rest := strings.TrimLeft(sql, " \t\r\n")
	first, after, _ := strings.Cut(strings.Map(oneSpace, rest), " ")
	if !strings.EqualFold(first, "explain") {
		return sql, nil
	}
	rest = strings.TrimLeft(rest[len(rest)-len(after):], " \t\r\n")
	if next, _, _ := strings.Cut(strings.Map(oneSpace, rest), " "); strings.EqualFold(next, "analyze") || strings.EqualFold(next, "analyse") || strings.HasPrefix(rest, "(") {
		return "", &RefusedError{Reason: "EXPLAIN is allowed for a query, without ANALYZE or options", Offset: -1}
	}
	return rest, nil
}

func oneSpace(r rune) rune {
	switch r {
	case '\t', '\r', '\n':
		return ' '
	}
	return r
}

func syntaxError(message, position string) *RefusedError {
	offset, err := strconv.Atoi(position)
	if err != nil {
		offset = -1
	}
	return &RefusedError{Syntax: true, Reason: "Parser Error: " + message, Offset: offset}
}
