package sandbox

import (
	_ "embed"
	"strings"
)

// The lists name every function of the linked DuckDB release, with + when
// clients may call it and - when not. A test fails when the release has one that they do not name.
//
// Refused are functions that read or write outside of the query (files,
// settings, logs, sequences, the catalog with its hidden tables), that run SQL from a string, or that only wait.
var (
	//go:embed calls.txt
	callList string // scalar functions, aggregates, macros
	//go:embed table_functions.txt
	tableFunctionList string
)

// read returns whether each function of a list is allowed.
func read(list string) map[string]bool {
	names := make(map[string]bool)
	for name := range strings.FieldsSeq(list) {
		names[name[1:]] = name[0] == '+'
	}
	return names
}

// expressions are the classes of expression that a query may be made of.
var expressions = set("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA",
	"LAMBDA_REF", "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW")

// nodes are the other parts: queries, tables, modifiers, directions of ORDER BY.
var nodes = set(
	"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE",
	"SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT", "SHOW_REF",
	"LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "DISTINCT_MODIFIER",
	"ORDER_DEFAULT", "ASCENDING", "DESCENDING",
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}
