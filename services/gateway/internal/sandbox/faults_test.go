package sandbox

import (
	"errors"
	"strings"
	"testing"
)

// faults end the process that runs them, make DuckDB give up its instance, read memory that is not theirs, or cannot be stopped.
var faults = []string{
	// Past the end of an array, and a division by zero.
	"SELECT lag(x, -9223372036854775808) OVER () FROM t", "SELECT lead(x, -9223372036854775807 - 1) OVER () FROM t", "SELECT lag(x, ?) OVER () FROM t", "SELECT lag(x, (SELECT 1)) OVER () FROM t", "SELECT lag(x, ~9223372036854775807) OVER w FROM t WINDOW w AS ()",
	"SELECT ntile(64 ORDER BY i) OVER (ORDER BY i GROUPS BETWEEN 5 PRECEDING AND 5 PRECEDING) FROM t", "SELECT percent_rank(ORDER BY i) OVER (ORDER BY i GROUPS BETWEEN 5 PRECEDING AND 5 PRECEDING) FROM t", "SELECT rank(ORDER BY i) OVER () FROM t",
	"SELECT reservoir_quantile(x, ['NaN'::DOUBLE]) FROM t", "SELECT reservoir_quantile(x, 0.5, 2147483647) OVER () FROM t", "SELECT list_aggregate([1], 'reservoir_quantile', 0.5)", "SELECT list_aggr([1], lower('RESERVOIR_QUANTILE'), 0.5)", "SELECT aggregate([1], ?)", "SELECT array_aggr([1], 'nextval')", "SELECT [1].array_aggregate(x) FROM t",
	// As deep as a value goes.
	"SELECT system.main.json_contains('[]', '1')", "SELECT main.json_contains('[]', '1')", "SELECT t.j.json_contains('1') FROM t", "SELECT j.json_structure() FROM t", "SELECT system.main.json_merge_patch('{}', '{}')", "SELECT system.json_group_structure('1')",
	"SELECT json_transform('[]', repeat('[', 10000) || repeat(']', 10000))", "SELECT from_json('[]', ?)", "SELECT from_json_strict('[]', j) FROM t", "SELECT json_transform_strict('[]', '" + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "')",
	"SELECT j -> ('$' || repeat('[*]', 60000)) FROM t", "SELECT j ->> replace('$x', 'x', repeat('[*]', 60000)) FROM t", "SELECT json_extract(j, ['$', '$' || repeat('[*]', 60000)]) FROM t", "SELECT json_value(j, '$' || ?) FROM t", "SELECT json_exists(j, concat('$', repeat('[*]', 9))) FROM t",
	"SELECT json_type(j, '$" + strings.Repeat("[*]", 2000) + "') FROM t", "SELECT '$' || repeat('[*]', 60000) AS p, json_extract(j, p) FROM t", "SELECT '$" + strings.Repeat("[*]", 2000) + "' AS p, json_keys(j, p) FROM t", "SELECT repeat('[*]', 60000) AS a, a AS b, j -> ('$' || b) FROM t",
	"SELECT list_transform(j -> ('$' || repeat('[*]', 60000)), x -> x) FROM t", "SELECT list_concat([1], j -> repeat('[*]', 60000)) FROM t", "SELECT json_array_length(j, CASE WHEN true THEN '$' || repeat('[*]', 60000) END) FROM t", "SELECT json_extract_string(j, (SELECT p) || '') FROM (SELECT 1) WHERE json_extract_path(j, upper('$')) IS NULL", "SELECT json_extract_path_text(j, CAST(concat('$', chr(91)) AS VARCHAR)) FROM t",
	"SELECT 1::VARIANT", "SELECT CAST(j AS VARIANT) FROM t", "SELECT CAST(j AS \"variant\") FROM t", "SELECT try_cast(j AS VARIANT[]) FROM t", "SELECT NULL::STRUCT(a MAP(VARCHAR, VARIANT))", "SELECT VARIANT '1'", "SELECT variant_typeof(1)", "SELECT variant_extract({'a': 1}, 'a')",
	// What was in memory before.
	"SELECT (sum(1) EXPORT_STATE)::BLOB", "SELECT finalize(s) FROM (SELECT sum(a) EXPORT_STATE AS s FROM t)", "SELECT avg(a) FILTER (WHERE true) EXPORT_STATE FROM t",
	// Too large a value in one step.
	"SELECT format('{:1000000000d}', 1)", "SELECT printf('%1000000000d', 1)", "SELECT bitstring('1', 2000000000)",
}

func TestFaultsAreRefused(t *testing.T) {
	c := open(t)
	for _, sql := range faults {
		var refused *RefusedError
		if err := c.Check(sql, "shop"); !errors.As(err, &refused) || refused.Syntax {
			t.Errorf("%.200s: got %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT lag(x) OVER (), lag(x, 1) OVER (), lead(x, -2, 0) OVER (), lag(x, y) OVER (ORDER BY x), lag(x, ?) OVER (PARTITION BY y) FROM t", "SELECT string_agg(x, ',' ORDER BY y) OVER (), ntile(4) OVER (ORDER BY x), fill(x) OVER (ORDER BY y) FROM t",
		"SELECT j -> '$.a', j ->> 'b', j -> 0, j -> -1, json_extract(j, '$[*].a'), json_extract(j, ['$.a', '$.b']), json_extract(j, ?), j ->> ('$.' || 'a'), json_value(j, '$.' || t.k), json_keys(j), json_keys(j, p), json_type(j, k || '.a') FROM t",
		"SELECT k AS k, json_extract(j, k), 'a' AS b, j -> b, t.path AS path, j ->> path FROM t", "SELECT list_transform(['a'], lambda p: json_extract(j, p)) FROM t", "SELECT json_contains(j, '1'), json_merge_patch(j, '{}'), json_structure(j), companion.main.json_contains(j, 1) FROM t",
		"SELECT from_json(j, '{\"a\":\"INTEGER\",\"b\":[\"VARCHAR\"]}'), json_transform(j, '\"JSON\"') FROM t", "SELECT format('{:>100d} in 2025, 123456', 1), printf('%10d', 1), format(x, 1) FROM t", "SELECT list_transform(l, x -> repeat('a', 5)), list_filter(j -> '$.a', x -> x > lower('a')), list_aggregate(l, 'sum'), list_aggr(l, 'String_Agg', ','), list_reduce([j -> '$'], (a, b) -> a || b) FROM t", "SELECT approx_quantile(x, 0.5), quantile_cont(x, [0.5]) FROM t", "SELECT 'VARIANT', variant FROM t AS variant",
	} {
		if err := c.Check(sql, "shop"); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
