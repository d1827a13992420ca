package dialect

import (
	"context"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// What DuckDB understands is not touched, however much it looks like MySQL's.
func TestDuckDBStatementsStay(t *testing.T) {
	db, err := duck.Open("", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	parser, err := conn.Prepare("SELECT json_serialize_sql(?::VARCHAR)->>'error'")
	if err != nil {
		t.Fatal(err)
	}
	defer parser.Close()
	for _, sql := range []string{
		"SELECT [1] && [2], a && b, list_has_any(a, b) FROM t", "SELECT [1, 2] <=> [3, 4]", "SELECT a || b, a || NULL || 'x' FROM t",
		"SELECT format('{}', a), format('{:,}', 2), format('{}', 2), printf('%d', 1) FROM t", "SELECT date_add(d, INTERVAL 1 DAY), date_sub('month', a, b), datediff('day', a, b), date_diff('day', a, b) FROM t",
		"SELECT group_concat(a), group_concat(a, ';'), group_concat(a, ',' ORDER BY b), string_agg(DISTINCT a, ',') FROM t", "SELECT INTERVAL '1 day', INTERVAL 3 DAYS, INTERVAL 1 DAY, INTERVAL '1' MONTH, INTERVAL (a + 1) HOUR, INTERVAL (a) YEAR FROM t",
		"SELECT a::TIMESTAMP(3), CAST(a AS TIMESTAMP(6)), TIMESTAMP '2025-01-01', TIME '10:00:00', DATE '2025-01-01', CAST(a AS TIME), a::TIME FROM t", "SELECT a ISNULL, a NOTNULL, (a) ISNULL AND (b) NOTNULL FROM t",
		"SELECT count(DISTINCT (a, b)), count(DISTINCT a), count(*) FROM t", "SELECT list_filter(l, lambda x: x > 1), list_transform(l, lambda x, i: x + i), [x + 1 FOR x IN l IF x > 2] FROM t",
		"SELECT MAP {'a': 1}, MAP([1], [2]), {'a': 1}, struct_pack(a := 1), ARRAY[1, 2], ARRAY(SELECT 1), a[1], a[1:2], a[:-2] FROM t", "SELECT 1 = ANY([1, 2]), 1 = ANY(SELECT 1), 1 > ALL (SELECT 2), 1 = SOME (SELECT 1)",
		"SELECT 2 ^ 3, 7 // 2, -5 % 3, ~5, @ -5, 5 & 3, 1 << 2, 5!, a !~~ 'b', a ~~ 'b', a !~ 'b', a ^@ 'b' FROM t", "SELECT CASE WHEN a THEN b ELSE c END, CASE a WHEN 1 THEN 2 END FROM t", "SELECT a FROM t LIMIT 3 OFFSET 2", "SELECT a FROM t OFFSET 2", "SELECT a FROM t LIMIT 10 PERCENT",
		"FROM t SELECT a", "FROM t", "FROM t PIVOT (sum(a) FOR b IN (1))", "FROM t UNPIVOT (v FOR k IN (a, b))", "SUMMARIZE t", "DESCRIBE t", "SELECT * FROM (DESCRIBE t)",
		"SELECT * FROM a ANTI JOIN b USING (id)", "SELECT * FROM a SEMI JOIN b ON a.id = b.id", "SELECT * FROM a ASOF JOIN b ON a.t >= b.t", "SELECT * FROM a POSITIONAL JOIN b", "SELECT * FROM t AT (VERSION => 1)", "SELECT * FROM a NATURAL FULL OUTER JOIN b",
		"SELECT a FROM t GROUP BY ROLLUP (a)", "SELECT a FROM t GROUP BY ALL ORDER BY ALL", "SELECT a FROM t GROUP BY CUBE (a, b)", "SELECT DISTINCT ON (a) b FROM t QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1", "SELECT mod(a, b), mod(a, 2) AS mod, xor(1, 2) AS xor FROM t",
		"SELECT div, mod, a AS div, t.mod, t.div FROM t", "SELECT week(d), yearweek(d), log(10), concat('a', NULL), least(1, NULL), greatest(a, b), length(s), dayofweek(d), microsecond(d), weekday(d) FROM t", "SELECT 'a' LIKE 'b' ESCAPE '\\'", "SELECT a LIKE 'x\\%', a ILIKE 'y' FROM t",
		"SELECT row(1, 2), (1, 2)", "VALUES (row(1, 2)), (row(3, 4))", "SELECT extract(year FROM d), extract('year' FROM d), date_part('year', d), extract(microsecond FROM d), extract(week FROM d) FROM t", "SELECT json_extract(j, '$.a'), json_extract(j, ['$.a', '$.b']), j->'$.a', j->>'$.a', j->'a'->0 FROM t",
		"SELECT use, force, ignore, lock, hash, separator FROM t", "SELECT \"binary\", a COLLATE NOCASE.NOACCENT, a COLLATE de FROM t", "SELECT sql_no_cache FROM t", "SELECT straight_join, a FROM t", "SELECT sql_no_cache + 1 AS b FROM t", "SELECT high_priority x FROM t",
		"SELECT * FROM dual, b", "SELECT dual.a FROM dual JOIN b USING (a)", "SELECT now(), current_timestamp, localtimestamp, current_date, today(), current_localtimestamp()", "SELECT stddev(a), variance(a), var_samp(a) FROM t", "SELECT CAST(a AS CHAR(3)), CAST(a AS DECIMAL), CAST(a AS VARCHAR), a::INTEGER FROM t",
		"SELECT \"a\", \"date_format\" FROM \"t\"", "SELECT a FROM t -- it's # not\n", "SELECT '--', '#', '/*', $$ it's # $$, E'\\n' FROM t", "SELECT #1 FROM t", "SELECT a FROM t WHERE a = $1", "SELECT a FROM t WHERE a = ?", "SELECT sum(a) FILTER (WHERE b) OVER (ORDER BY c RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM t",
		"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) FROM r", "SELECT * EXCLUDE (a) REPLACE (1 AS b) RENAME (c AS d) FROM t", "SELECT COLUMNS('a.*') FROM t", "SELECT a.b.c, a.* FROM a", "SELECT t.end, t.offset, t.order, t.at FROM t", "SELECT a AS end, b AS order, c AS offset FROM t", "TABLE t",
		"SELECT unnest(a), position('a' IN b), substring(b FROM 2 FOR 3), trim(BOTH 'x' FROM b), overlay(a PLACING b FROM 1) FROM t", "SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM NULL, NOT a FROM t", "SELECT year(d), last_day(d), year(TIMESTAMP '2025-01-01') FROM t",
		"SELECT time, timestamp, \"interval\", week, field, format FROM t", "SELECT time FROM t ORDER BY timestamp DESC NULLS FIRST, time NULLS LAST", "SELECT 1 AS a LIMIT (SELECT 1)", "SELECT datediff('month', DATE '2025-01-31', d) FROM t",
	} {
		got, err := Translate(sql, Auto)
		if err != nil || got.SQL != sql {
			t.Errorf("%s\nbecame %v, %v", sql, got, err)
		}
		res, err := parser.Query(context.Background(), sql)
		if err != nil {
			t.Fatal(err)
		}
		chunk, err := res.Next()
		if err != nil {
			t.Fatal(err)
		}
		if string(chunk.Column(0).Bytes(0)) != "false" {
			t.Errorf("%s is not DuckDB's SQL, and proves nothing", sql)
		}
		res.Close()
	}
}
