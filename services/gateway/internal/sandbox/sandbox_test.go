package sandbox

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

func open(t testing.TB) *Checker {
	t.Helper()
	c, err := Open([]string{"curdate", "div"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestQueriesAreAllowed(t *testing.T) {
	c := open(t)
	for _, sql := range []string{
		"SELECT 1", "SELECT 1;", " -- note\nSELECT ';' AS a", "FROM t", "VALUES (1), (2)", "TABLE t", "DESCRIBE t", "SUMMARIZE t", "EXPLAIN SELECT 1", "explain\n\tselect 1",
		"WITH q AS (SELECT 1 AS a) SELECT * FROM q", "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 9) SELECT * FROM r",
		"SELECT count(*) FILTER (WHERE a > 1), sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
		"SELECT a FROM t WHERE b IN (SELECT c FROM u) AND EXISTS (SELECT 1 FROM v) ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET 5",
		"SELECT * FROM a JOIN b USING (id) LEFT JOIN c ON a.x = c.x, LATERAL (SELECT a.y) d",
		"SELECT * FROM range(10), generate_series(1, 3), unnest([1, 2])", "SELECT unnest([1, 2]), list_transform([1], lambda x: x + 1), [x * 2 FOR x IN [1]]",
		"SELECT a, grouping(a), count(*) FROM t GROUP BY ROLLUP (a)", "SELECT DISTINCT ON (a) a, b FROM t QUALIFY row_number() OVER () = 1",
		"FROM t PIVOT (sum(y) FOR x IN (1, 2))", "SELECT * FROM t UNPIVOT (v FOR k IN (a, b))", "SELECT * FROM t TABLESAMPLE 10 PERCENT",
		"SELECT CASE WHEN a THEN 1 ELSE 2 END, a::DECIMAL(10,2), try_cast(b AS INTEGER), a BETWEEN 1 AND 2, a IS DISTINCT FROM b, a COLLATE NOCASE, -a, NOT b FROM t",
		"SELECT * EXCLUDE (a) REPLACE (1 AS b), COLUMNS('x.*') FROM t", "SELECT {'a': 1}, MAP {'k': 1}, [1, 2][1], s.a, 'x' LIKE 'y%' ESCAPE '!' FROM t",
		"SELECT extract(year FROM d), date_trunc('day', d), d + INTERVAL 3 DAY, strftime(d, '%Y'), position('a' IN b), substring(b FROM 2 FOR 3), trim(BOTH 'x' FROM b) FROM t",
		"SELECT coalesce(a, b), nullif(a, b), ifnull(a, b), if(a, b, c), greatest(a, b), a->>'$.x', try(a / b), curdate() FROM t WHERE id = ? AND x = $2",
		"SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4", "SELECT * FROM shop.t, shop.main.t, main.t, companion.information.tables",
		"SELECT * FROM a ASOF JOIN b ON a.t >= b.t", "SELECT * FROM a POSITIONAL JOIN b", "SELECT a AS \"read_csv\" FROM t", "SELECT string_agg(a, ',' ORDER BY b), group_concat(DISTINCT a) FROM t",
		"SELECT TIMESTAMP '2025-01-01', DATE '2025-01-01', current_date, now(), current_timestamp, 'a' || 'b', #1 FROM t ORDER BY ALL", "SELECT a::INTEGER[], a::STRUCT(x INTEGER, y VARCHAR(3)), a::MAP(VARCHAR, DECIMAL(3,1)), a::ENUM('x'), a::INTEGER[3], a::shop_type, [1]::DOUBLE[] FROM t", "SELECT ROW(1, 2), (1, 2), ANY_VALUE(a) FROM t GROUP BY ALL",
	} {
		if err := c.Check(sql, "shop"); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// escapes are statements that must not run. The list holds every one that was found to work on a DuckDB
// that is read-only, without external access and with its configuration locked.
var escapes = []string{
	// Statements.
	"", "  ", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE t", "CREATE TABLE t (a INTEGER)", "CREATE TEMP TABLE t AS SELECT 1", "CREATE TEMP MACRO lower(a) AS a",
	"INSERT INTO t VALUES (1)", "UPDATE t SET a = 1", "DELETE FROM t", "DROP TABLE t", "ALTER TABLE t ADD COLUMN b INTEGER", "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
	"COPY t TO '/tmp/x.csv'", "COPY (SELECT 1) TO '/tmp/x'", "EXPORT DATABASE '/tmp/x'", "IMPORT DATABASE '/tmp/x'", "ATTACH '/data/shop/live.duckdb' AS x", "ATTACH ':memory:'", "DETACH shop",
	"INSTALL httpfs", "LOAD httpfs", "SET memory_limit = '1TB'", "SET VARIABLE a = 1", "SET schema = 'x'", "RESET threads", "USE companion", "PRAGMA enable_profiling", "PRAGMA database_list",
	"PRAGMA table_info('t')", "CALL checkpoint()", "CHECKPOINT", "FORCE CHECKPOINT", "VACUUM", "ANALYZE", "BEGIN", "COMMIT", "PREPARE p AS SELECT 1", "EXECUTE p", "DEALLOCATE p",
	"EXPLAIN ANALYZE SELECT 1", "EXPLAIN (FORMAT json) SELECT 1", "EXPLAIN DELETE FROM t", "EXPLAIN EXPLAIN SELECT 1", "EXPLAIN SELECT 1; DROP TABLE t", "WITH q AS (DELETE FROM t RETURNING *) SELECT * FROM q",
	"CREATE SECRET s (TYPE s3)", "COMMENT ON TABLE t IS 'x'", "SELECT 1 INTO x", "/* a */ DROP TABLE t", "KILL 1",
	// Functions in FROM.
	"SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '/x')", "FROM \"ENABLE_LOGGING\"('QueryLog')", "FROM system.main.enable_logging('QueryLog')",
	"SELECT * FROM (SELECT * FROM (FROM enable_logging('QueryLog')) LIMIT 3)", "WITH q AS (FROM enable_logging('QueryLog')) SELECT 1", "SELECT (SELECT count(*) FROM disable_logging())",
	"EXPLAIN FROM enable_logging('QueryLog')", "SELECT 1 WHERE EXISTS (FROM truncate_duckdb_logs())", "SELECT * FROM t, LATERAL (FROM duckdb_logs())", "SELECT message FROM duckdb_logs()", "FROM duckdb_logs_parsed('QueryLog')",
	"FROM enable_profiling()", "FROM duckdb_databases()", "FROM duckdb_settings()", "FROM duckdb_secrets()", "FROM which_secret('a', 's3')", "FROM duckdb_tables()", "FROM duckdb_columns()", "FROM duckdb_views()", "FROM duckdb_schemas()",
	"FROM duckdb_indexes()", "FROM duckdb_constraints()", "FROM duckdb_extensions()", "FROM duckdb_memory()", "FROM duckdb_temporary_files()", "FROM duckdb_variables()", "FROM duckdb_prepared_statements()", "FROM duckdb_external_file_cache()",
	"FROM pragma_database_size()", "FROM pragma_storage_info('t')", "FROM pragma_table_info('t')", "FROM pragma_show('t')", "FROM pragma_metadata_info()", "FROM checkpoint()", "FROM force_checkpoint()",
	"FROM query('SELECT * FROM duckdb_logs()')", "FROM query_table('t')", "FROM json_execute_serialized_sql('{}')", "FROM sql_auto_complete('SEL')", "FROM histogram_values('t', 'a')", "FROM seq_scan('t')",
	"FROM read_csv('/etc/passwd')", "FROM read_text('/etc/passwd')", "FROM \"Read_Blob\"('/etc/passwd')", "FROM read_json('x')", "FROM read_parquet('x')", "FROM parquet_metadata('x')", "FROM read_duckdb('x')", "FROM glob('*')", "FROM sniff_csv('x')",
	"SELECT * FROM range((SELECT count(*) FROM read_csv('x')))",
	// Functions in expressions.
	"SELECT write_log('x')", "SELECT getenv('HOME')", "SELECT current_setting('temp_directory')", "SELECT [current_setting(x) FOR x IN ['threads']]", "SELECT list_transform(['threads'], lambda x: current_setting(x))",
	"SELECT 'threads'.current_setting()", "SELECT system.main.current_setting('threads')", "SELECT \"CURRENT_SETTING\"('threads')", "SELECT nextval('s')", "SELECT currval('s')", "SELECT getvariable('x')", "SELECT sleep_ms(100000)", "SELECT pg_sleep(10)",
	"SELECT setseed(0.5)", "SELECT json_serialize_plan('SELECT 1')", "SELECT json_deserialize_sql('{}')", "SELECT pg_get_viewdef(1)", "SELECT 1 ORDER BY write_log('x')", "SELECT 1 LIMIT (SELECT nextval('s'))",
	"SELECT count(*) FILTER (WHERE nextval('s') > 1) FROM t", "SELECT sum(a) OVER (ORDER BY nextval('s')) FROM t", "SELECT sum(a) OVER (ROWS BETWEEN nextval('s') PRECEDING AND CURRENT ROW) FROM t", "SELECT a FROM t GROUP BY write_log(a)",
	"SELECT a FROM t JOIN u ON write_log('x') IS NULL", "SELECT * REPLACE (write_log('x') AS a) FROM t", "VALUES (write_log('x'))", "SELECT CASE WHEN true THEN getenv('x') END", "SELECT no_such_function(1)",
	"FROM t PIVOT (sum(nextval('s')) FOR x IN (1))", "SELECT 1 AS a QUALIFY write_log('x') IS NULL",
	// Names.
	"FROM duckdb_logs", "FROM duckdb_databases", "FROM DUCKDB_TABLES", "FROM sqlite_master", "FROM pragma_database_list", "FROM pg_class", "FROM pg_catalog.pg_class", "FROM system.main.duckdb_logs", "FROM system.information_schema.tables",
	"FROM information_schema.tables", "FROM shop.information_schema.tables", "FROM _duckling.progress", "FROM shop._duckling.progress", "FROM \"_DUCKLING\".progress", "FROM __duckling_shadow", "FROM main.__DUCKLING_shadow", "FROM shop.main.__duckling_shadow",
	"DESCRIBE _duckling.progress", "DESCRIBE __duckling_shadow", "SUMMARIZE __duckling_shadow", "FROM other.main.t", "FROM other.t", "FROM temp.t", "FROM companion.main.x", "SELECT (SELECT count(*) FROM __duckling_shadow)",
	"WITH duckdb_logs AS (SELECT 1) FROM duckdb_logs", "SHOW TABLES", "SHOW ALL TABLES", "SHOW DATABASES", "FROM (SHOW TABLES)", "FROM (SHOW ALL TABLES)", "SELECT * FROM (SHOW DATABASES)",
	"SELECT * FROM enable_logging('QueryLog') LIMIT 1", "SELECT * FROM (SELECT * FROM enable_logging('QueryLog', storage='file', storage_path='/x')) LIMIT 5", "SELECT * FROM Enable_Logging('QueryLog')",
	"FROM write_log('x')", "SELECT disable_logging()", "SELECT * FROM disable_profiling()", "PRAGMA enable_logging", "PRAGMA disable_profiling", "CALL enable_logging('QueryLog')", "CALL duckdb_logs()", "CALL pragma_version()",
	"ATTACH 'shop.duckdb' AS again (READ_ONLY)", "ATTACH 'http://x/y.duckdb'", "ATTACH IF NOT EXISTS ':memory:' AS m", "DETACH DATABASE IF EXISTS shop", "COPY FROM DATABASE shop TO companion", "COPY t FROM '/etc/passwd'", "COPY (SELECT 1) TO '/dev/stdout' (FORMAT json)",
	"LOAD '/tmp/x.duckdb_extension'", "INSTALL spatial FROM community", "FORCE INSTALL json", "UPDATE EXTENSIONS", "SET GLOBAL threads = 1", "SET SESSION search_path = 'companion'", "SET lock_configuration = false", "SET TimeZone = 'UTC'", "SET enable_external_access = true",
	"RESET lock_configuration", "RESET VARIABLE a", "SET temp_directory = '/x'", "CREATE PERSISTENT SECRET s (TYPE http)", "DROP SECRET s", "CREATE VIEW v AS SELECT 1", "CREATE TEMP VIEW v AS SELECT 1", "CREATE SCHEMA s", "CREATE SEQUENCE s", "CREATE TYPE x AS ENUM ('a')",
	"CREATE INDEX i ON t (a)", "CREATE OR REPLACE MACRO curdate() AS 1", "CREATE TABLE t AS FROM read_csv('x')", "TRUNCATE t", "START TRANSACTION", "ROLLBACK", "ABORT", "EXECUTE IMMEDIATE 'SELECT 1'", "PREPARE p AS FROM enable_logging('QueryLog')", "EXPLAIN (ANALYZE) SELECT 1", "EXPLAIN ANALYZE VERBOSE SELECT 1",
	"EXPLAIN COPY t TO 'x'", "EXPLAIN SET threads = 1", "EXPLAIN CALL enable_logging('QueryLog')", "EXPLAIN PRAGMA database_list", "EXPLAIN /* x */ ANALYZE SELECT 1", "EXPLAIN\nANALYZE SELECT 1", "/* x */ EXPLAIN ANALYZE SELECT 1", "EXPLAIN SELECT * FROM read_csv('x')",
	"SELECT 1;; SELECT 2", "SELECT 1; -- x\nSELECT 2", "SELECT 1;/* ; */ DROP TABLE t", ";", ";;", "SELECT ';'; DROP TABLE t",
	"SELECT * FROM 'file.csv'", "SELECT * FROM 'file.parquet'", "SELECT * FROM '/etc/passwd'", "FROM 'https://x/y.json'", "FROM \"file.csv\"", "FROM 'x.duckdb'", "FROM './x.json' t", "SELECT * FROM t JOIN 'b.csv' ON true", "SELECT (SELECT count(*) FROM 'x.csv')", "DESCRIBE 'x.csv'", "SUMMARIZE 'x.parquet'",
	"DESCRIBE FROM read_csv('x')", "DESCRIBE SELECT * FROM duckdb_settings()", "SUMMARIZE SELECT * FROM duckdb_logs()", "SUMMARIZE FROM enable_logging('QueryLog')", "SHOW duckdb_logs", "DESCRIBE duckdb_logs()", "FROM (SUMMARIZE (FROM read_text('/etc/passwd')))",
	"SHOW VARIABLES", "SHOW threads; SELECT 1", "FROM (PIVOT t ON a USING nextval('s'))", "PIVOT t ON a USING sum(b)", "PIVOT (FROM read_csv('x')) ON a", "PIVOT t ON a IN (SELECT x FROM duckdb_logs())", "UNPIVOT (FROM read_csv('x')) ON a",
	"FROM query('SELECT 1')", "FROM query('FROM enable_logging(''QueryLog'')')", "FROM query_table(['t', 'u'])", "FROM json_execute_serialized_sql(json_serialize_sql('FROM duckdb_logs()'))", "PRAGMA json_execute_serialized_sql('{}')", "SELECT json_execute_serialized_sql('{}')",
	"SELECT json_deserialize_sql(json_serialize_sql('SELECT 1'))", "FROM query((SELECT 'SELECT 1'))", "SELECT getvariable('a') FROM t", "SELECT a FROM t WHERE a = getvariable('x')", "SELECT current_setting('threads')::INTEGER + 1", "SELECT lower(current_setting('temp_directory'))",
	"SELECT t.a.current_setting()", "SELECT list_filter(['a'], lambda x: getvariable(x) IS NULL)", "SELECT list_reduce(['a'], lambda x, y: current_setting(y))", "SELECT apply(['threads'], lambda x: current_setting(x))", "SELECT {'a': getenv('HOME')}", "SELECT MAP {'a': nextval('s')}", "SELECT [nextval('s')][1]",
	"SELECT try(nextval('s'))", "SELECT nextval('s')::VARCHAR COLLATE NOCASE", "SELECT COLUMNS(lambda c: getenv(c) IS NULL) FROM t", "SELECT a FROM t TABLESAMPLE reservoir(nextval('s') ROWS)", "SELECT a FROM t LIMIT nextval('s')", "SELECT a FROM t LIMIT nextval('s') PERCENT", "SELECT a FROM t OFFSET nextval('s')",
	"SELECT DISTINCT ON (nextval('s')) a FROM t", "SELECT array_agg(a ORDER BY nextval('s')) FROM t", "SELECT a FROM t ORDER BY nextval('s')", "SELECT lag(a, nextval('s')) OVER () FROM t", "SELECT lag(a, 1, nextval('s')) OVER () FROM t", "SELECT sum(a) OVER (PARTITION BY nextval('s')) FROM t", "SELECT sum(a) FILTER (nextval('s') > 1) OVER () FROM t",
	"SELECT a FROM t GROUP BY ROLLUP (nextval('s'))", "SELECT a FROM t GROUP BY GROUPING SETS ((nextval('s')), ())", "SELECT a FROM t GROUP BY a HAVING nextval('s') > 1", "SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY nextval('s'))", "VALUES (1), (nextval('s'))", "SELECT 1 UNION SELECT nextval('s')",
	"WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT nextval('s') FROM r) FROM r", "WITH q AS MATERIALIZED (FROM duckdb_logs()) SELECT 1", "WITH q AS (WITH p AS (FROM read_csv('x')) FROM p) FROM q", "SELECT * FROM t ASOF JOIN (FROM read_csv('x')) u ON t.a >= u.a", "SELECT * FROM t POSITIONAL JOIN duckdb_logs()",
	"SELECT * FROM t, LATERAL (SELECT nextval('s')) x", "SELECT * FROM t AT (VERSION => nextval('s'))", "SELECT * FROM generate_series(1, nextval('s'))", "SELECT * FROM unnest([current_setting('threads')])", "FROM range(1, (SELECT nextval('s')))", "FROM repeat(getenv('x'), 3)", "FROM json_each(current_setting('x'))",
	"SELECT\u00a0* FROM enable_logging('QueryLog')", "SELECT * FROM /**/enable_logging/**/('QueryLog')", "SELECT * FROM -- x\n enable_logging('QueryLog')", "SELECT * FROM enable_logging\n(\n'QueryLog')", "SELECT * FROM main.enable_logging('QueryLog')", "SELECT * FROM \"system\".\"main\".\"enable_logging\"('QueryLog')",
	"SELECT * FROM ｅnable_logging('QueryLog')", "SELECT \"Current_Setting\"('threads')", "SELECT U&'x'", "SELECT * FROM \"duckdb_logs\"", "SELECT * FROM main.duckdb_logs", "SELECT * FROM pg_catalog.pg_settings", "SELECT * FROM pg_catalog.pg_tables", "SELECT * FROM pg_settings",
	"SELECT * FROM companion.main.curdate", "SELECT * FROM companion.mysql.x", "SELECT * FROM system.main.pragma_database_list", "SELECT shop._duckling.progress.secret FROM _duckling.progress", "SELECT * FROM t NATURAL JOIN _duckling.progress", "TABLE _duckling.progress", "TABLE __duckling_shadow", "FROM shop.__duckling_shadow",
	"SELECT * FROM information_schema.schemata", "SELECT * FROM information_schema.tables t", "SHOW TABLES FROM shop", "FROM \"__duckling_shadow\"", "DESCRIBE shop.main.__duckling_shadow", "WITH x AS (FROM _duckling.progress) FROM x", "SELECT EXISTS (FROM __duckling_shadow)",
	// More than a statement may cost.
	"SELECT repeat('a', 500000000)", "SELECT repeat('a', 5e8::BIGINT)", "SELECT repeat('a', 1000 * 1000 * 1000)", "SELECT lpad('a', 2000000000, 'x')", "SELECT rpad('a', 99999999999999999999, 'x')", "SELECT range(0, 10000000000)", "SELECT list_reduce(range(30000000), lambda a, b: a + b)",
	"SELECT length(repeat(repeat('a', 100000), 100000))", "SELECT generate_series(1, 1 << 40)", "SELECT list_resize([1], 1000000000)", "SELECT space(1000000000)", "SELECT repeat('a', -(-1000000000))", "SELECT a FROM t WHERE b IN (SELECT unnest(range(100000000)))", "SELECT bar(1, 0, 10, 1000000000)",
}

func TestEscapesAreRefused(t *testing.T) {
	c := open(t)
	for _, sql := range escapes {
		var refused *RefusedError
		if err := c.Check(sql, "shop"); !errors.As(err, &refused) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
}

func TestRefusalSaysWhere(t *testing.T) {
	c := open(t)
	for _, x := range []struct {
		sql, at string
		syntax  bool
	}{
		{"SELECT 1, current_setting('x')", "current_setting", false},
		{"EXPLAIN  SELECT 1, current_setting('x')", "current_setting", false},
		{"SELECT * FROM a, read_csv('x')", "read_csv", false},
		{"SELECT 1 FROM t WHERE\n AND 2", "AND", true},
		{"SELECT a, FROM FROM t", "FROM t", true},
	} {
		var refused *RefusedError
		if err := c.Check(x.sql, "shop"); !errors.As(err, &refused) {
			t.Fatalf("%s: got %v", x.sql, err)
		}
		if refused.Syntax != x.syntax || x.at != "" && refused.Offset != strings.Index(x.sql, x.at) {
			t.Errorf("%s: got %+v", x.sql, refused)
		}
	}
}

// A new DuckDB release must not bring in a function that nobody has judged.
func TestListsNameEveryFunction(t *testing.T) {
	c := open(t)
	for list, types := range map[string]string{callList: "'scalar', 'aggregate', 'macro'", tableFunctionList: "'table', 'table_macro'"} {
		listed := make(map[string]bool)
		for name := range strings.FieldsSeq(list) {
			listed[name[1:]] = true
		}
		res, err := c.conn.Query(context.Background(), "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN ("+types+")")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Close()
		for {
			chunk, err := res.Next()
			if err != nil {
				t.Fatal(err)
			}
			if chunk == nil {
				break
			}
			for i := range chunk.Rows() {
				if name := string(chunk.Column(0).Bytes(i)); !listed[name] {
					t.Errorf("function %s of DuckDB %s is in no list: decide, and add it with + or -", name, duck.Version())
				}
			}
		}
	}
}
