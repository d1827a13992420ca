package sandbox

import (
	"errors"
	"strings"
	"testing"
)

// Statements that are long, wide or deep beyond reason are refused before DuckDB plans them: some of these took minutes, and all memory, of
// an engine that cannot be stopped in them.
func TestHeavyStatementsAreRefused(t *testing.T) {
	c := open(t)
	repeat := strings.Repeat
	for name, sql := range map[string]string{
		"parentheses":               "SELECT " + repeat("(", 100000) + "1" + repeat(")", 100000),
		"open parentheses":          "SELECT " + repeat("(", 200000),
		"subqueries":                repeat("SELECT * FROM (", 10000) + "SELECT 1" + repeat(")", 10000),
		"a few subqueries":          repeat("SELECT * FROM (", 501) + "SELECT 1" + repeat(")", 501),
		"lists":                     "SELECT " + repeat("[", 50000) + "1" + repeat("]", 50000),
		"calls":                     "SELECT " + repeat("lower(", 30000) + "'a'" + repeat(")", 30000),
		"NOT":                       "SELECT " + repeat("NOT ", 60000) + "true",
		"minus":                     "SELECT " + repeat("- ", 100000) + "1",
		"a sum":                     "SELECT 1" + repeat("+1", 100000),
		"quoted":                    "SELECT true" + repeat(" AND\"a\"", 20000) + " FROM t",
		"a conjunction":             "SELECT true" + repeat(" AND a", 40000) + " FROM t",
		"a union":                   "SELECT 1" + repeat(" UNION ALL SELECT 1", 13000),
		"a smaller union":           "SELECT 1" + repeat(" UNION ALL SELECT 1", 500),
		"CASE":                      "SELECT " + repeat("CASE WHEN true THEN ", 10000) + "1" + repeat(" END", 10000),
		"subqueries in expressions": "SELECT " + repeat("(SELECT ", 11) + "1" + repeat(")", 11),
		"EXISTS":                    "SELECT 1 WHERE " + repeat("EXISTS (SELECT 1 WHERE ", 11) + "true" + repeat(")", 11),
		"IN":                        "SELECT 1 WHERE " + repeat("1 IN (SELECT 1 WHERE ", 11) + "true" + repeat(")", 11),
		"lambdas":                   "SELECT " + repeat("list_transform([1], lambda x: ", 11) + "1" + repeat(")", 11),
		"structs":                   "SELECT " + repeat("{'a': ", 151) + "1" + repeat("}", 151),
		"casts":                     "SELECT 1" + repeat("::INTEGER", 20000),
		"types":                     "SELECT NULL::" + repeat("STRUCT(a ", 20000) + "INTEGER" + repeat(")", 20000),
		"joins":                     "SELECT 1 FROM t" + repeat(" JOIN t USING (a)", 501),
		"columns":                   "SELECT 1" + repeat(",a", 30000) + " FROM t",
		"signs":                     "SELECT *" + repeat("+", 100000) + " FROM t",
		"signs in turn":             "SELECT 1" + repeat("+-", 50000) + "1",
		"comments":                  "SELECT 1" + repeat("/**/+", 50000) + "1",
		"nested comments":           "SELECT 1" + repeat("/*", 100000),
		"operators":                 "SELECT 1" + repeat("*=+<", 50000) + "1",
		"length":                    "SELECT 1 FROM t WHERE a IN (1" + repeat(",2", 200000) + ")",
	} {
		var refused *RefusedError
		if err := c.Check(sql, "shop"); !errors.As(err, &refused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, sql := range map[string]string{
		"subqueries":  "SELECT " + repeat("(SELECT 1), ", 100) + repeat("(SELECT ", 10) + "1" + repeat(")", 10) + " FROM " + repeat("(SELECT * FROM ", 100) + "t" + repeat(")", 100),
		"lambdas":     "SELECT " + repeat("list_transform([1], lambda x: ", 10) + "1" + repeat(")", 10),
		"structs":     "SELECT " + repeat("{'a': ", 100) + "1" + repeat("}", 100) + ", 'a'" + repeat(" || 'a'", 400) + ", j" + repeat(" -> 'a'", 30) + " FROM t",
		"a long list": "SELECT 1 FROM t WHERE a IN (1" + repeat(",2", 100000) + ")",
		"columns":     "SELECT 1" + repeat(",a", 10000) + " FROM t",
		"a union":     "SELECT 1" + repeat(" UNION ALL SELECT 1", 400),
		"a banner":    "/" + repeat("*", 10000) + "/ SELECT 1 --" + repeat("=+", 50000),
		"a rule":      "SELECT '" + repeat("+-", 50000) + "' AS \"" + repeat("-", 50000) + "\"",
		"comments":    "SELECT 1" + repeat(" /* a */ + -1", 100),
		"conditions":  "SELECT 1 FROM t WHERE true" + repeat(" OR a = 1", 4000),
	} {
		if err := c.Check(sql, "shop"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
