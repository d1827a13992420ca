package dialect

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"pgregory.net/rapid"
)

func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		mode      Mode
		sql, want string
	}{
		{Auto, "SELECT 1", "SELECT 1"},
		{Auto, "SELECT `a``b`, `say \"x\"` FROM `Order`", `SELECT "a` + "`" + `b", "say ""x""" FROM "Order"`},
		{Auto, "SELECT '`a`', \"`b`\", /* `c` */ 1 -- `d`", "SELECT '`a`', \"`b`\", /* `c` */ 1 -- `d`"},
		{Auto, "SELECT * FROM Order", `SELECT * FROM "Order"`},
		{Auto, "SELECT o.id FROM User u JOIN order o ON u.id = o.userId ORDER BY o.id", `SELECT o.id FROM User u JOIN "order" o ON u.id = o.userId ORDER BY o.id`},
		{Auto, "SELECT Order.id FROM User, Order WHERE Order.userId = User.id ORDER BY 1", `SELECT "Order".id FROM User, "Order" WHERE "Order".userId = User.id ORDER BY 1`},
		{Auto, "SELECT a, order.* FROM t, order ORDER BY a, b", `SELECT a, "order".* FROM t, "order" ORDER BY a, b`},
		{Auto, "SELECT count(*) FROM (SELECT * FROM Group) g", `SELECT count(*) FROM (SELECT * FROM "Group") g`},
		{Auto, "SELECT extract(YEAR FROM CASE WHEN a THEN b END), trim(BOTH FROM c), a IS DISTINCT FROM NULL", "SELECT extract(YEAR FROM CASE WHEN a THEN b END), trim(BOTH FROM c), a IS DISTINCT FROM NULL"},
		{Auto, "FROM t SELECT a", "FROM t SELECT a"},
		{Auto, "SELECT rank() OVER (ORDER BY a), sum(b) OVER (PARTITION BY c ORDER BY d) FROM t", "SELECT rank() OVER (ORDER BY a), sum(b) OVER (PARTITION BY c ORDER BY d) FROM t"},
		{Auto, "SELECT a FROM t LIMIT 5, 10", "SELECT a FROM t OFFSET 5 LIMIT  10"},
		{Auto, "SELECT a FROM t LIMIT ? , ?", "SELECT a FROM t OFFSET ?  LIMIT  ?"},
		{Auto, "SELECT a FROM t LIMIT 10 OFFSET 5", "SELECT a FROM t LIMIT 10 OFFSET 5"},
		{Auto, "SELECT 1 # note\n+ 1", "SELECT 1 -- note\n+ 1"},
		{Auto, "SELECT #1 FROM t", "SELECT #1 FROM t"},
		{Auto, `SELECT 'it\'s'`, `SELECT 'it''s'`},
		{Auto, `SELECT 'it\'s' AS a, 'b\\c\n' AS d`, "SELECT 'it''s' AS a, 'b\\c\n' AS d"},
		{Auto, `SELECT 'C:\' AS path`, `SELECT 'C:\' AS path`},
		{Auto, `SELECT 'a\nb'`, `SELECT 'a\nb'`},
		{Auto, `SELECT E'it\'s'`, `SELECT E'it\'s'`},
		{Auto, `SELECT $$ it's "x" # y $$`, `SELECT $$ it's "x" # y $$`},
		{Auto, `SELECT "a" FROM t WHERE b = $1 AND c = $name`, `SELECT "a" FROM t WHERE b = $1 AND c = $name`},
		{MySQL, `SELECT "it's", 'a\nb', "x\"y"`, "SELECT 'it''s', 'a\nb', 'x\"y'"},
		{MySQL, `SELECT 'a''b', "a""b", 'a\%b'`, `SELECT 'a''b', 'a"b', 'a\%b'`},
		{MySQL, "SELECT 1 #1", "SELECT 1 --1"},
		{DuckDB, "SELECT 1 # 2 FROM Order LIMIT 1, 2", "SELECT 1 # 2 FROM Order LIMIT 1, 2"},
		{DuckDB, "FROM information_schema.tables", "FROM companion.information.tables"},
		{Auto, "SELECT 'information_schema.tables', `information_schema` FROM INFORMATION_SCHEMA . columns", "SELECT 'information_schema.tables', \"information_schema\" FROM companion.information . columns"},
		{Auto, `SELECT a DIV b * c, -a DIV 2, a.b DIV c(1, 2)`, `SELECT companion.mysql.div(a , b) * c, companion.mysql.div(-a , 2), companion.mysql.div(a.b , c(1, 2))`},
		{Auto, `SELECT a MOD b, MOD(a, b), a <=> NULL`, `SELECT a  %  b, MOD(a, b), a  IS NOT DISTINCT FROM  NULL`},
		{Auto, `SELECT a FROM t WHERE a REGEXP '^x' AND b NOT RLIKE c`, `SELECT a FROM t WHERE a  ~@  '^x' AND b  !~@  c`},
		{Auto, `SELECT a = 1 XOR b = 2 AND c`, `SELECT companion.mysql.logical_xor(a = 1 , b = 2 AND c)`},
		{Auto, `SELECT a = 1 && b = 2, a && b, !(a = 1)`, `SELECT a = 1  AND  b = 2, a && b, (NOT (a = 1))`},
		{Auto, `SELECT GROUP_CONCAT(DISTINCT a ORDER BY b DESC SEPARATOR ';'), GROUP_CONCAT(a SEPARATOR '|')`, `SELECT string_agg(DISTINCT  a , ';' ORDER BY b DESC ), string_agg(a , '|')`},
		{Auto, `SELECT a, COUNT(DISTINCT b, c) FROM t GROUP BY a, b WITH ROLLUP`, `SELECT a, COUNT(DISTINCT companion.mysql.whole( b, c)) FROM t GROUP BY ROLLUP (a, b)    `},
		{Auto, `SELECT SQL_NO_CACHE a FROM t USE INDEX (x) WHERE b LOCK IN SHARE MODE`, `SELECT  a FROM t   WHERE b  `},
		{Auto, `SELECT 1 FROM DUAL`, `SELECT 1  `},
		{Auto, `SELECT DATE_FORMAT(a, '%Y-%m-%d %H:%i'), STR_TO_DATE(b, '%d/%m/%Y')`, `SELECT strftime((a)::TIMESTAMP, '%Y-%m-%d %H:%M'), try_strptime(b, '%d/%m/%Y')::DATE`},
		{Auto, `SELECT DATE_SUB(a, INTERVAL b DAY), a + INTERVAL '1:30' HOUR_MINUTE, DATEDIFF(a, b)`, `SELECT ((a) -  INTERVAL ( b ) DAY), a + (INTERVAL (30) minute + INTERVAL (1) hour), companion.mysql.datediff(a, b)`},
		{Auto, `SELECT TIMESTAMPDIFF(MONTH, a, b), TIMESTAMPADD(DAY, 1, a), EXTRACT(YEAR_MONTH FROM a)`, `SELECT timestampdiff('month', a, b), companion.mysql.timestampadd(INTERVAL ( 1) day, a), companion.mysql.extract_year_month( a)`},
		{Auto, `SELECT CAST(a AS UNSIGNED), CAST(a AS SIGNED), CONVERT(a, CHAR), CONVERT(a USING utf8mb4), TIMESTAMP(a), ISNULL(a)`, `SELECT companion.mysql.unsigned(a ), CAST(a  AS BIGINT), CAST(a AS VARCHAR), CAST(a  AS VARCHAR), CAST(a AS TIMESTAMP), ((a) IS NULL)`},
		{Auto, `SELECT FIELD(a, 1, 2), ELT(1, 'x', 'y'), FORMAT(a, 2), JSON_ARRAYAGG(a), WEEK(a, 1)`, `SELECT companion.mysql.field(a,[ 1, 2]), companion.mysql.elt(1,[ 'x', 'y']), companion.mysql.format(a, 2), json_group_array(a), companion.mysql.week(a, 1)`},
		{Auto, `SELECT end, offset FROM t ORDER BY a LIMIT 5, 18446744073709551615`, `SELECT "end", "offset" FROM t ORDER BY a OFFSET 5 LIMIT  9223372036854775807`},
		{MySQL, `SELECT a || b, 'x' && 1, 5--3 /* a /* b */ FROM t ORDER BY a, b DESC`, `SELECT a  OR  b, 'x'  AND  1, 5- -3   FROM t ORDER BY a NULLS FIRST, b DESC NULLS LAST`},
		{MySQL, `SELECT CONCAT(a, 'x'), LEAST(a, b), LENGTH(a), NOW() FROM t WHERE a LIKE '5\%'`, `SELECT ((a)::VARCHAR || ( 'x')::VARCHAR), companion.mysql.least([a, b]), companion.mysql.length(a), companion.mysql.now() FROM t WHERE a ILIKE '5\%' ESCAPE '\'`},
		{MySQL, `SELECT d + INTERVAL 1 DAY, DATE_ADD(d, INTERVAL 1 HOUR), DAYOFWEEK(d)`, `SELECT d +@  INTERVAL 1 DAY, ((d) +  INTERVAL 1 HOUR), companion.mysql.dayofweek(d)`},
		{MySQL, `SELECT 'x'"it's"'y'`, `SELECT 'x' 'it''s' 'y'`},
		{Auto, "SELECT `a`\"b\"`c`", `SELECT "a" "b" "c"`},
		{MySQL, `SELECT E"\'"`, `SELECT E ''''`},
		{Auto, "SELECT 'unfinished", "SELECT 'unfinished"},
		{Auto, "", ""},
	} {
		got, err := Translate(c.sql, c.mode)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		if got.SQL != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got.SQL, c.want)
		}
	}
}

// Text that was escaped for one reading and is read by the other is how an injection works, so neither reading may be guessed.
func TestAmbiguousBackslashIsRefused(t *testing.T) {
	for _, sql := range []string{
		`SELECT * FROM User WHERE name = '\' OR 1=1 --'`,  // ' OR 1=1 -- escaped for MySQL
		`SELECT * FROM User WHERE name = '\'' OR 1=1 --'`, // \' OR 1=1 -- escaped for DuckDB
	} {
		if _, err := Translate(sql, Auto); !errors.Is(err, ErrAmbiguousBackslash) {
			t.Errorf("%s: got %v", sql, err)
		}
		for _, mode := range []Mode{MySQL, DuckDB} {
			if _, err := Translate(sql, mode); err != nil {
				t.Errorf("%s as %s: %v", sql, mode, err)
			}
		}
	}
}

func TestOriginPointsIntoTheClientsText(t *testing.T) {
	sql := "SELECT `a`, b # note\nFROM Order o, Group g\nWHERE 'it\\'s' = nonsense LIMIT 3, 4 boom"
	got, err := Translate(sql, Auto)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"b ", " note", " o,", " g\n", "nonsense", "boom", "WHERE"} {
		if origin, want := got.Origin(strings.Index(got.SQL, word)), strings.Index(sql, word); origin != want {
			t.Errorf("%q: got %d, want %d", word, origin, want)
		}
	}
	if at := got.Origin(strings.Index(got.SQL, `"Order"`) + 3); at != strings.Index(sql, "Order") {
		t.Errorf("inside of a rewritten word: got %d", at)
	}
}

// Whatever is sent, the tokens cover it without gaps, and a text of which nothing is MySQL's is left alone.
func TestTokensCoverTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sql := rapid.StringOf(rapid.SampledFrom([]rune("ab1 \n'\"`\\#-/*$?.,;()eE_é"))).Draw(t, "sql")
		for _, mode := range []Mode{Auto, MySQL, DuckDB} {
			at := 0
			for _, token := range tokenize(sql, mode == MySQL, mode == MySQL) {
				if token.start != at || token.end <= at {
					t.Fatalf("%q: token %+v after %d", sql, token, at)
				}
				at = token.end
			}
			if at != len(sql) {
				t.Fatalf("%q: the last token ends at %d", sql, at)
			}
			got, err := Translate(sql, mode)
			if err != nil {
				continue
			}
			for offset := range len(got.SQL) + 1 {
				if origin := got.Origin(offset); origin < 0 || origin > len(sql) {
					t.Fatalf("%q: %d comes from %d", sql, offset, origin)
				}
			}
		}
	})
}

func TestReservedWordsAreDuckDBs(t *testing.T) {
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
	res, err := conn.Query(context.Background(), "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		t.Fatal(err)
	}
	if chunk.Rows() != len(reserved) {
		t.Errorf("DuckDB has %d reserved words, the list %d", chunk.Rows(), len(reserved))
	}
	for i := range chunk.Rows() {
		if name := string(chunk.Column(0).Bytes(i)); !reserved[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
