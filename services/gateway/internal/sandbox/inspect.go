package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/chittihq/duckling/pkg/duck"
)

// node is one object of the syntax tree.
type node = map[string]any

// inspection is the walk through one statement's tree.
type inspection struct {
	*Checker
	database string
	weight   *weight
	aliases  map[string]bool
	nesting  nesting
}

// inspect reads the output of json_serialize_sql.
func (c *Checker) inspect(tree []byte, database string) error {
	var root struct {
		Error      bool   `json:"error"`
		ErrorType  string `json:"error_type"`
		Message    string `json:"error_message"`
		Position   string `json:"position"`
		Statements []any  `json:"statements"`
	}
	if err := json.Unmarshal(tree, &root); err != nil {
		if strings.Contains(err.Error(), "max depth") {
			return &RefusedError{Reason: "the statement is nested too deeply", Offset: -1}
		}
		return fmt.Errorf("reading syntax tree: %w", err)
	}
	switch {
	case root.Error && root.ErrorType == "parser":
		return syntaxError(root.Message, root.Position)
	case root.Error:
		return &RefusedError{Reason: "only queries are allowed: SELECT, FROM, WITH, VALUES, SHOW, DESCRIBE, SUMMARIZE and EXPLAIN of one", Offset: -1}
	case len(root.Statements) != 1:
		return &RefusedError{Reason: fmt.Sprintf("exactly one statement is allowed, the text has %d", len(root.Statements)), Offset: -1}
	}
	i := inspection{Checker: c, database: database, weight: new(weight), aliases: aliases(root.Statements[0], make(map[string]bool))}
	return i.walk(root.Statements[0])
}

func (i inspection) walk(v any) error {
	switch v := v.(type) {
	case node:
		return i.node(v)
	case []any:
		for _, element := range v {
			if err := i.walk(element); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i inspection) node(n node) error {
	if err := i.allow(n); err != nil {
		return err
	}
	// i is this call's own, so what is counted here counts for the children only.
	if err := i.nesting.enter(n); err != nil {
		return err
	}
	for key, child := range n {
		if key == "function" && text(n, "type") == "TABLE_FUNCTION" {
			if err := i.tableFunction(child); err != nil {
				return err
			}
			continue
		}
		if err := i.walk(child); err != nil {
			return err
		}
	}
	return nil
}

// allow judges one node without its children.
func (i inspection) allow(n node) error {
	class := text(n, "class")
	if err := i.weight.add(n, class, text(n, "type")); err != nil {
		return err
	}
	if class != "" {
		if !expressions[class] {
			return refuse(n, "expressions of class %s are not allowed", class)
		}
		name := strings.ToLower(text(n, "function_name"))
		if name != "" && !i.calls[name] {
			return refuseCall(n, "function", name, i.calls)
		}
		if err := i.fault(n, name); err != nil {
			return err
		}
		if tooLarge(n) {
			return refuse(n, "%s makes too large a value: at most %.0f at once", text(n, "function_name"), growing[strings.ToLower(text(n, "function_name"))])
		}
		return nil
	}
	kind := text(n, "type")
	switch {
	case text(n, "id") == "VARIANT":
		return refuse(n, "the type VARIANT is not allowed: use JSON")
	case kind == "":
		if _, ok := n["function_name"]; ok {
			return refuse(n, "a function in an unexpected place is not allowed")
		}
		return nil
	case kind == "BASE_TABLE":
		return i.table(n)
	case kind == "SHOW_REF" && n["query"] == nil:
		return refuse(n, "this SHOW is not allowed: use SHOW TABLES, SHOW DATABASES or DESCRIBE")
	case !nodes[kind] && !strings.HasSuffix(kind, "_TYPE_INFO"):
		return refuse(n, "%s is not allowed", kind)
	}
	return nil
}

// tableFunction judges the call in FROM f(...), and its arguments.
func (i inspection) tableFunction(v any) error {
	call, ok := v.(node)
	if !ok {
		return &RefusedError{Reason: "this table function is not allowed", Offset: -1}
	}
	name := strings.ToLower(text(call, "function_name"))
	if !i.tables[name] {
		return refuseCall(call, "table function", name, i.tables)
	}
	for _, child := range call {
		if err := i.walk(child); err != nil {
			return err
		}
	}
	return nil
}

// table judges a name in FROM.
func (i inspection) table(n node) error {
	catalog, schema, name := strings.ToLower(text(n, "catalog_name")), strings.ToLower(text(n, "schema_name")), strings.ToLower(text(n, "table_name"))
	if catalog == "companion" && schema == "information" {
		return nil
	}
	named := catalog != "" || schema == i.database
	if catalog == "" && schema == i.database {
		schema = "" // DuckDB reads the first of two names as the database, too
	}
	if Hidden(schema, name) {
		return refuse(n, "Catalog Error: Table with name %s does not exist!", name)
	}
	if catalog != "" && catalog != i.database || schema != "" && schema != "main" {
		return refuse(n, "Catalog Error: Table %s is not in this database; ask for another database by its own connection (?db=)", strings.Trim(catalog+"."+schema+"."+name, "."))
	}
	// With the database before it a name is no file's, whatever its ending.
	if !named && looksLikeFile(name) {
		return refuse(n, "files cannot be read: %s is no table; one of that name is %s.%s", name, duck.Identifier(i.database), duck.Identifier(name))
	}
	if i.system[name] {
		return refuse(n, "%s is not allowed: use SHOW TABLES, DESCRIBE, information_schema.tables or information_schema.columns", name)
	}
	return nil
}

// looksLikeFile tells whether DuckDB would look for a file when there is no table of that name. The engine that runs
// the statement opens none; here it is refused before that.
func looksLikeFile(name string) bool {
	if strings.ContainsAny(name, `/\*`) {
		return true
	}
	at := strings.LastIndexByte(name, '.')
	return at >= 0 && fileEndings[name[at+1:]]
}

var fileEndings = set("csv", "tsv", "json", "jsonl", "ndjson", "parquet", "duckdb", "db", "gz", "zst", "xlsx", "arrow", "txt")

// Hidden tells whether a table is Duckling's own and not for clients. Names are in lower case.
func Hidden(schema, table string) bool {
	return schema == "_duckling" || strings.HasPrefix(table, "__duckling_")
}

// refuseCall tells a function that clients may not call from one that there is not.
func refuseCall(n node, kind, name string, known map[string]bool) error {
	if _, there := known[name]; !there {
		if !unicode.IsLetter(rune(name[0])) && name[0] != '_' {
			kind = "operator"
		}
		return refuse(n, "Catalog Error: %s %s does not exist", kind, name)
	}
	return refuse(n, "%s %s is not allowed", kind, name)
}

func refuse(n node, format string, args ...any) error {
	offset := -1
	// Without a place the parser writes 2^64-1.
	if at, ok := n["query_location"].(float64); ok && at < 1<<32 {
		offset = int(at)
	}
	return &RefusedError{Reason: fmt.Sprintf(format, args...), Offset: offset}
}

func text(n node, key string) string {
	s, _ := n[key].(string)
	return s
}
