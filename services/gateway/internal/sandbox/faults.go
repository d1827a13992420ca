package sandbox

import (
	"math"
	"strings"
)

// What stands here is let through by the lists and makes this release of DuckDB end the process, or read memory that is not the statement's: it has no bound on how
// deep a call goes into a value, and some calls do not look at what they are given. For each of them there is a statement among the escapes.

const (
	maxOffset = 1 << 40     // of LAG and LEAD
	maxPath   = 4 << 10     // bytes of a JSON path
	maxLevels = 100         // of the structure that JSON is read by
	maxWidth  = 6           // digits of a number in the text that FORMAT and PRINTF fill in
	isLambda  = "is_lambda" // marks an argument
	anyWindow = "WINDOW"    // the beginning of the types of calls that are windows' alone
)

// macros take the place of functions of DuckDB's, which they call when the value is not deep.
var macros = set("json_contains", "json_merge_patch", "json_structure", "json_group_structure")

// paths are the calls that read JSON by the path that is their second argument, and structures those that read it by a structure there.
var (
	paths = set("->", "->>", "json_extract", "json_extract_path", "json_extract_string", "json_extract_path_text", "json_value", "json_exists", "json_type",
		"json_array_length", "json_keys")
	structures = set("json_transform", "json_transform_strict", "from_json", "from_json_strict")
	// byName call the aggregate whose name is their second argument.
	byName = set("list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate")
	// lambdas take a lambda after their first argument. Elsewhere x -> y is JSON's.
	lambdas = set("list_transform", "list_apply", "array_transform", "array_apply", "apply", "list_filter", "array_filter", "filter", "list_reduce", "array_reduce", "reduce")
)

// fault refuses an expression that DuckDB must not be given.
func (i inspection) fault(n node, name string) error {
	second := argument(n, 1)
	switch {
	case n["export_state"] == true:
		return refuse(n, "EXPORT_STATE is not allowed")
	case macros[name] && text(n, "schema") != "" && !strings.EqualFold(text(n, "catalog"), "companion"):
		// A schema leads past the macro, and so does a column.
		return refuse(n, "%s is to be called without a schema, as %s(...)", name, name)
	case strings.HasPrefix(text(n, "type"), anyWindow):
		return window(n)
	case text(n, "class") == "LAMBDA":
		if path, ok := n["expr"].(node); ok && n[isLambda] == nil && !i.written(path) {
			return refuse(n, "the path of -> is to be written out, in at most %d bytes", maxPath)
		}
	case lambdas[name]:
		for at := 1; argument(n, at) != nil; at++ {
			argument(n, at)[isLambda] = true
		}
	case byName[name] && !i.calls[strings.ToLower(constant(second))]:
		return refuse(n, "%s takes the name of an aggregate, written out", name)
	case paths[name] && second != nil && !i.written(second):
		return refuse(n, "the path of %s is to be written out, in at most %d bytes", name, maxPath)
	case structures[name] && (second == nil || text(second, "class") != "CONSTANT" || levels(constant(second)) > maxLevels):
		return refuse(n, "the structure of %s is to be written out, in at most %d levels", name, maxLevels)
	case (name == "format" || name == "printf") && wide(constant(argument(n, 0))):
		return refuse(n, "%s makes too large a value: a width may have %d digits", name, maxWidth)
	}
	return nil
}

// window judges a call that only windows have.
func window(n node) error {
	kind := text(n, "type")
	if kind == anyWindow+"_AGGREGATE" {
		return nil
	}
	if n["arg_orders"] != nil {
		return refuse(n, "%s does not take ORDER BY among its arguments", text(n, "function_name"))
	}
	offset, ok := n["offset_expr"].(node)
	if !ok || n["orders"] != nil || n["partitions"] != nil {
		return nil
	}
	if v, ok := number(offset); !ok || math.Abs(v) > maxOffset {
		return refuse(n, "%s takes a number as its offset where the window has no ORDER BY", text(n, "function_name"))
	}
	return nil
}

// written tells whether a JSON path is short, or is not known before the statement runs: such a one may have no wildcard, by which DuckDB goes deep.
// A parameter's length is looked at where its value is known.
func (i inspection) written(path node) bool {
	switch text(path, "class") {
	case "PARAMETER":
		return true
	case "CAST":
		child, _ := path["child"].(node)
		return i.written(child)
	case "FUNCTION":
		if text(path, "function_name") == "list_value" {
			children, _ := path["children"].([]any)
			for _, child := range children {
				if child, ok := child.(node); !ok || !i.written(child) {
					return false
				}
			}
			return true
		}
	}
	p := pathParts{aliases: i.aliases}
	p.walk(path)
	return p.open || !p.computed && p.bytes <= maxPath
}

// pathParts are what a path is put together of.
type pathParts struct {
	aliases  map[string]bool
	bytes    int  // of its constants
	open     bool // it depends on a row
	computed bool // how long it gets is not to be seen
}

func (p *pathParts) walk(v any) {
	n, ok := v.(node)
	if !ok {
		list, _ := v.([]any)
		for _, one := range list {
			p.walk(one)
		}
		return
	}
	switch text(n, "class") {
	case "CONSTANT":
		p.bytes += len(constant(n))
		return
	case "COLUMN_REF":
		names, _ := n["column_names"].([]any)
		if name, ok := names[len(names)-1].(string); ok && len(names) == 1 && p.aliases[strings.ToLower(name)] {
			p.computed = true // DuckDB puts in what the alias stands for
		} else {
			p.open = true
		}
		return
	case "SUBQUERY", "COMPARISON", "CONJUNCTION": // the last two are no text
		p.open = true
		return
	case "FUNCTION":
		name := text(n, "function_name")
		p.computed = p.computed || name != "||" && name != "concat" && name != "+" && name != "-"
	case "CAST", "":
	default:
		p.computed = true
	}
	for _, child := range n {
		p.walk(child)
	}
}

// aliases are the names that a statement gives to expressions that may be long, in lower case.
func aliases(v any, into map[string]bool) map[string]bool {
	switch v := v.(type) {
	case node:
		if name := strings.ToLower(text(v, "alias")); name != "" && !short(v, name) {
			into[name] = true
		}
		for _, child := range v {
			aliases(child, into)
		}
	case []any:
		for _, one := range v {
			aliases(one, into)
		}
	}
	return into
}

// short tells whether what has an alias is a column of that name or one of a table, a short constant, or no expression.
func short(n node, alias string) bool {
	switch text(n, "class") {
	case "":
		return true
	case "CONSTANT":
		return len(constant(n)) <= maxPath
	case "COLUMN_REF":
		names, _ := n["column_names"].([]any)
		name, _ := names[0].(string)
		return len(names) > 1 || strings.EqualFold(name, alias)
	}
	return false
}

// levels is how deep the brackets in a text go.
func levels(s string) int {
	depth, deepest := 0, 0
	for _, c := range s {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest
}

// wide tells whether a text has a number of many digits, of which FORMAT and PRINTF make as many characters.
func wide(s string) bool {
	digits := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			digits = 0
		} else if digits++; digits > maxWidth {
			return true
		}
	}
	return false
}

// argument is the n-th argument of a call, or nil.
func argument(call node, n int) node {
	children, _ := call["children"].([]any)
	if n >= len(children) {
		return nil
	}
	child, _ := children[n].(node)
	return child
}

// constant is the text of a constant, or "".
func constant(n node) string {
	value, _ := n["value"].(node)
	return text(value, "value")
}
