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
