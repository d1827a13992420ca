package dialect

// reserved are the words DuckDB does not take as a bare table name. A test compares them with duckdb_keywords().
var reserved = set(
	"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check", "collate", "column",
	"constraint", "create", "default", "deferrable", "desc", "describe", "distinct", "do", "else", "end", "except", "false", "fetch", "for",
	"foreign", "from", "group", "having", "in", "initially", "intersect", "into", "lambda", "lateral", "leading", "limit", "not", "null",
	"offset", "on", "only", "or", "order", "pivot", "pivot_longer", "pivot_wider", "placing", "primary", "qualify", "references", "returning",
	"select", "show", "some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "unpivot", "using",
	"variadic", "when", "where", "window", "with",
)

// startsTable are the reserved words with which a table expression can begin.
var startsTable = set("select", "with", "lateral", "pivot", "pivot_longer", "pivot_wider", "unpivot", "describe", "show", "summarize", "from")

// free are the words that DuckDB does not take as a bare column name and MySQL does; those with which an expression can begin are not among them.
var free = set("analyse", "any", "anti", "array", "asof", "asymmetric", "at", "authorization", "collation", "concurrently", "deferrable", "do", "end", "freeze", "full", "glob",
	"ilike", "initially", "lambda", "map", "notnull", "offset", "only", "overlaps", "pivot", "pivot_longer", "pivot_wider", "placing", "positional", "qualify", "returning", "semi",
	"similar", "some", "struct", "summarize", "symmetric", "tablesample", "unpivot", "variadic", "verbose")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}
