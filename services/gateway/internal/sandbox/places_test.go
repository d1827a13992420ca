package sandbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// piece is a part of a statement and whether clients may use it.
type piece struct {
	sql     string
	allowed bool
}

var (
	expressionPieces = []piece{
		{"1", true}, {"t.a", true}, {"'current_setting'", true}, {"\"nextval\"", true}, {"lower('A')", true}, {"curdate()", true}, {"?", true}, {"NULL", true},
		{"current_setting('threads')", false}, {"\"CURRENT_SETTING\"('threads')", false}, {"system.main.current_setting('threads')", false}, {"CURRENT_SETTING /* ( */ ('threads')", false},
		{"getvariable('x')", false}, {"nextval('s')", false}, {"write_log('x')", false}, {"getenv('HOME')", false}, {"pg_sleep(9)", false}, {"setseed(0.5)", false}, {"json_deserialize_sql('{}')", false},
		{"'threads'.current_setting()", false}, {"repeat('x', 1000000000)", false},
	}
	tablePieces = []piece{
		{"t", true}, {"shop.main.t", true}, {"range(3)", true}, {"(VALUES (1)) v(a)", true}, {"unnest([1, 2])", true}, {"companion.information.tables", true}, {"\"read_csv\"", true},
		{"enable_logging('QueryLog')", false}, {"\"Enable_Logging\"('QueryLog')", false}, {"system.main.enable_logging('QueryLog')", false}, {"duckdb_logs()", false}, {"duckdb_logs", false},
		{"duckdb_settings()", false}, {"read_csv('/etc/passwd')", false}, {"\"Read_Text\"('/etc/passwd')", false}, {"'/etc/passwd'", false}, {"'x.parquet'", false}, {"query('SELECT 1')", false},
		{"query_table('t')", false}, {"json_execute_serialized_sql('{}')", false}, {"_duckling.progress", false}, {"__duckling_shadow", false}, {"other.main.t", false}, {"checkpoint()", false},
		{"glob('*')", false}, {"pragma_database_list", false}, {"information_schema.tables", false},
	}
	// expressionPlaces take an expression at %s and give one.
	expressionPlaces = []string{
		"(%s)", "lower(%s::VARCHAR)", "CASE WHEN %s IS NULL THEN 1 ELSE 2 END", "CASE 1 WHEN %s THEN 1 END", "[%s][1]", "{'k': %s}", "try(%s)", "CAST(%s AS VARCHAR)", "coalesce(NULL, %s)", "%s IS DISTINCT FROM 1",
		"1 IN (2, %s)", "%s BETWEEN 1 AND 2", "NOT (%s IS NULL)", "(SELECT %s)", "EXISTS (SELECT 1 WHERE %s IS NULL)", "list_transform([1], lambda x: %s)", "[%s FOR x IN [1]]", "(%s, 1)", "MAP {'k': %s}", "-(%s)::INTEGER", "'a' LIKE %s",
		"(SELECT max(x) FROM (SELECT %s AS x) q)", "companion.mysql.div(1, %s)", "%s COLLATE NOCASE", "(%s) || 'x'",
	}
	// statementPlaces take an expression at %s and give a statement.
	statementPlaces = []string{
		"SELECT %s", "SELECT 1 FROM t WHERE %s IS NULL", "SELECT a FROM t GROUP BY a, %s", "SELECT a FROM t GROUP BY a HAVING %s IS NULL", "SELECT a FROM t ORDER BY %s", "SELECT DISTINCT ON (%s) a FROM t", "SELECT a FROM t LIMIT %s", "SELECT a FROM t OFFSET %s",
		"SELECT sum(a) OVER (PARTITION BY %s) FROM t", "SELECT sum(a) OVER (ORDER BY %s) FROM t", "SELECT sum(a) FILTER (WHERE %s IS NULL) FROM t", "SELECT string_agg(a, ',' ORDER BY %s) FROM t", "SELECT a FROM t QUALIFY row_number() OVER () = %s",
		"VALUES (%s)", "WITH q AS (SELECT %s AS a) FROM q", "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT %s FROM r) FROM r", "SELECT * FROM t JOIN u ON %s IS NULL", "SELECT * FROM t, LATERAL (SELECT %s)", "SELECT * REPLACE (%s AS a) FROM t",
		"SELECT 1 UNION ALL SELECT %s", "FROM (SELECT %s)", "FROM range(1, %s)", "SELECT * FROM unnest([%s])", "EXPLAIN SELECT %s", "DESCRIBE SELECT %s", "SUMMARIZE SELECT %s", "FROM t PIVOT (max(%s) FOR a IN (1))", "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY %s)",
		"SELECT a FROM t GROUP BY ROLLUP (%s)", "SELECT lag(a, 1, %s) OVER () FROM t",
	}
	// tablePlaces take a table at %s and give a statement.
	tablePlaces = []string{
		"SELECT * FROM %s", "FROM %s", "SELECT 1 FROM t CROSS JOIN %s", "SELECT 1 FROM t LEFT JOIN %s ON true", "SELECT 1 FROM t, %s", "SELECT (SELECT count(*) FROM %s)", "SELECT 1 WHERE EXISTS (FROM %s)", "SELECT a FROM t WHERE a IN (SELECT 1 FROM %s)",
		"WITH q AS (FROM %s) SELECT * FROM q", "WITH q AS MATERIALIZED (FROM %s) SELECT 1", "SELECT * FROM t, LATERAL (SELECT * FROM %s) x", "SELECT 1 UNION SELECT 1 FROM %s", "FROM (SELECT * FROM (FROM %s) LIMIT 3)", "EXPLAIN SELECT * FROM %s", "SUMMARIZE (FROM %s)",
		"DESCRIBE (FROM %s)", "SELECT 1 FROM t POSITIONAL JOIN %s", "SELECT ARRAY(SELECT 1 FROM %s)", "SELECT a > ALL (SELECT 1 FROM %s) FROM t", "SELECT * FROM (FROM %s) PIVOT (sum(a) FOR b IN (1))", "SELECT list_transform([1], lambda x: (SELECT count(*) FROM %s))", "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r, %s) FROM r",
	}
)

func verdict(t interface{ Errorf(string, ...any) }, c *Checker, sql string, allowed bool) {
	err := c.Check(sql, "shop")
	var refused *RefusedError
	switch {
	case err == nil && !allowed:
		t.Errorf("let through: %s", sql)
	case err != nil && !errors.As(err, &refused):
		t.Errorf("%s: %v", sql, err)
	}
}

// Every piece stands in every place.
func TestPiecesInEveryPlace(t *testing.T) {
	c := open(t)
	let := make(map[string]bool)
	for _, p := range expressionPieces {
		for _, place := range statementPlaces {
			verdict(t, c, fmt.Sprintf(place, p.sql), p.allowed)
			let[place] = let[place] || p.allowed && c.Check(fmt.Sprintf(place, p.sql), "shop") == nil
			for _, inner := range expressionPlaces {
				verdict(t, c, fmt.Sprintf(place, fmt.Sprintf(inner, p.sql)), p.allowed)
				let[inner] = let[inner] || p.allowed && c.Check(fmt.Sprintf(place, fmt.Sprintf(inner, p.sql)), "shop") == nil
			}
		}
	}
	for _, p := range tablePieces {
		for _, place := range tablePlaces {
			verdict(t, c, fmt.Sprintf(place, p.sql), p.allowed)
			let[place] = let[place] || p.allowed && c.Check(fmt.Sprintf(place, p.sql), "shop") == nil
		}
	}
	// A place that refuses what is allowed would prove nothing about what is not.
	for place, ok := range let {
		if !ok {
			t.Errorf("nothing is allowed in %s", place)
		}
	}
}

// Statements are put together at random, several pieces deep; one piece that is not allowed is enough.
func TestComposedStatements(t *testing.T) {
	c := open(t)
	rapid.Check(t, func(t *rapid.T) {
		sql, allowed := compose(t)
		verdict(t, c, sql, allowed)
	})
}

func compose(t *rapid.T) (sql string, allowed bool) {
	allowed = true
	take := func(p piece) string {
		allowed = allowed && p.allowed
		return p.sql
	}
	var expression func(depth int) string
	table := func(depth int) string {
		if depth > 0 && rapid.Bool().Draw(t, "subquery") {
			return "(SELECT " + expression(depth-1) + " AS a FROM " + take(rapid.SampledFrom(tablePieces).Draw(t, "table")) + ") s"
		}
		return take(rapid.SampledFrom(tablePieces).Draw(t, "table"))
	}
	expression = func(depth int) string {
		if depth == 0 {
			return take(rapid.SampledFrom(expressionPieces).Draw(t, "expression"))
		}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			return "(SELECT count(*) FROM " + table(depth-1) + ")"
		}
		return fmt.Sprintf(rapid.SampledFrom(expressionPlaces).Draw(t, "place"), expression(depth-1))
	}
	depth := rapid.IntRange(0, 4).Draw(t, "depth")
	if rapid.Bool().Draw(t, "from") {
		sql = fmt.Sprintf(rapid.SampledFrom(tablePlaces).Draw(t, "statement"), table(depth))
	} else {
		sql = fmt.Sprintf(rapid.SampledFrom(statementPlaces).Draw(t, "statement"), expression(depth))
	}
	if rapid.IntRange(0, 9).Draw(t, "second") == 0 {
		sql += "; " + rapid.SampledFrom([]string{"SELECT 1", "DROP TABLE t", "SET threads = 1"}).Draw(t, "next")
		allowed = false
	}
	return sql, allowed
}

// notText are statements whose bytes are no text. DuckDB ends the process when it is given the first ones as a parameter.
var notText = []string{"\x86\xaf", "SELECT '\xff'", "SELECT 1 AS \xc3", "SELECT 1\x00", "SELECT 1 --\x00\nFROM t"}

func TestBytesThatAreNoText(t *testing.T) {
	c := open(t)
	for _, sql := range notText {
		var refused *RefusedError
		if err := c.Check(sql, "shop"); !errors.As(err, &refused) || !refused.Syntax || !strings.Contains(refused.Reason, "UTF-8") {
			t.Errorf("%q: %v", sql, err)
		}
	}
}

// FuzzCheck: whatever is sent, the check ends without a panic, and what it lets through is one statement without a name that is never allowed.
func FuzzCheck(f *testing.F) {
	for _, sql := range append(faults, escapes...) {
		f.Add(sql)
	}
	for _, sql := range notText {
		f.Add(sql)
	}
	c := open(f)
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 4096 || c.Check(sql, "shop") != nil {
			return
		}
		bare := strings.ToLower(sql)
		for _, name := range []string{"enable_logging(", "read_text(", "current_setting(", "getvariable(", "query_table("} {
			if at := strings.Index(bare, name); at >= 0 && !strings.ContainsAny(bare, "'\"-/$\\") {
				t.Errorf("let through: %q", sql)
			}
		}
	})
}
