package dialect

import (
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// check asserts what holds for the translation of any text.
func check(t interface {
	Helper()
	Fatalf(string, ...any)
}, sql string, mode Mode,
) {
	t.Helper()
	got, err := Translate(sql, mode)
	if err != nil {
		return
	}
	for _, offset := range []int{0, len(got.SQL) / 2, len(got.SQL)} {
		if origin := got.Origin(offset); origin < 0 || origin > len(sql) {
			t.Fatalf("%s %q: %d comes from %d", mode, sql, offset, origin)
		}
	}
	backslash, _ := escapes(sql, mode)
	in, out := tokenize(sql, backslash, mode == MySQL), tokenize(got.SQL, false, false)
	if slices.ContainsFunc(in, func(t token) bool { return t.kind == unreadable }) {
		return // DuckDB refuses it
	}
	if semicolons(sql, in) != semicolons(got.SQL, out) && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(sql)), "show") {
		t.Fatalf("%s: one statement became several, or the reverse:\n%q\n%q", mode, sql, got.SQL)
	}
	if slices.ContainsFunc(out, func(t token) bool { return t.kind == unreadable }) {
		t.Fatalf("%s: a string or comment does not end any more:\n%q\n%q", mode, sql, got.SQL)
	}
	if before, after := texts(sql, in, backslash, mode), texts(got.SQL, out, false, DuckDB); !subsequence(before, after) && !takesText(sql) {
		t.Fatalf("%s: a string has another value:\n%q %q\n%q %q", mode, sql, before, got.SQL, after)
	}
	if again, err := Translate(got.SQL, DuckDB); err != nil || again.SQL != got.SQL {
		t.Fatalf("%s: not DuckDB's own:\n%q\n%q\n%v", mode, sql, got.SQL, err)
	}
}

func semicolons(sql string, tokens []token) int {
	n := 0
	for _, t := range tokens {
		if t.kind == symbol && sql[t.start] == ';' {
			n++
		}
	}
	return n
}

// texts are the values of the strings in sql.
func texts(sql string, tokens []token, backslash bool, mode Mode) []string {
	var values []string
	for _, t := range tokens {
		text := sql[t.start:t.end]
		switch {
		case t.kind == str && text[0] == '\'' && backslash, t.kind == quoted && mode == MySQL:
			values = append(values, unescape(text))
		case t.kind == str && text[0] == '\'':
			values = append(values, unquote(text, '\''))
		case t.kind == str:
			values = append(values, text)
		}
	}
	return values
}

func subsequence(part, whole []string) bool {
	for _, v := range whole {
		if len(part) > 0 && part[0] == v {
			part = part[1:]
		}
	}
	return len(part) == 0
}

// takesText tells whether something in sql is made of a string, so that the string itself is gone.
func takesText(sql string) bool {
	lower := strings.ToLower(sql)
	return slices.ContainsFunc([]string{"format", "str_to_date", "from_unixtime", "separator", "group_concat", "interval", "show", "index", "key"}, func(word string) bool { return strings.Contains(lower, word) })
}

// words are the significant tokens of sql, one by one.
func words(sql string) string {
	var b strings.Builder
	for _, t := range tokenize(sql, false, false) {
		if significant(t) {
			b.WriteString(sql[t.start:t.end] + " ")
		}
	}
	return b.String()
}

// statements are the SQL of the differential test.
func statements(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/differential.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if _, sql, ok := strings.Cut(line, " | "); ok {
			all = append(all, sql)
		}
	}
	return all
}

// What was translated is DuckDB's SQL, and that keeps its meaning in every dialect but MySQL's.
func TestTranslatedAgainItStays(t *testing.T) {
	for _, sql := range statements(t) {
		for _, mode := range []Mode{Auto, MySQL} {
			once, err := Translate(sql, mode)
			if err != nil || strings.Contains(once.SQL, `\'`) {
				continue
			}
			again, err := Translate(once.SQL, Auto)
			if err != nil || words(again.SQL) != words(once.SQL) {
				t.Errorf("%s: %v\n%s\n%s\n%s", mode, err, sql, once.SQL, again.SQL)
			}
		}
	}
}

func FuzzTranslate(f *testing.F) {
	for _, sql := range statements(f) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if len(sql) > 4096 || !utf8.ValidString(sql) {
			return
		}
		for _, mode := range []Mode{Auto, MySQL, DuckDB} {
			check(t, sql, mode)
		}
	})
}

var pieces = strings.Fields(`SELECT FROM WHERE GROUP ORDER BY HAVING LIMIT UNION ALL DISTINCT WITH ROLLUP AS ON JOIN AND OR NOT XOR DIV MOD REGEXP RLIKE LIKE ESCAPE IN IS NULL CASE WHEN THEN ELSE END
	BETWEEN INTERVAL DAY HOUR YEAR_MONTH HOUR_MINUTE DUAL BINARY COLLATE utf8mb4_bin _utf8mb4 SQL_NO_CACHE STRAIGHT_JOIN DISTINCTROW USE INDEX LOCK SHARE MODE VALUES ROW SEPARATOR OFFSET
	DATE_FORMAT STR_TO_DATE FROM_UNIXTIME DATE_ADD DATE_SUB ADDDATE DATEDIFF TIMESTAMPDIFF TIMESTAMPADD MONTH FIELD ELT LEAST CONCAT GROUP_CONCAT COUNT CAST CONVERT UNSIGNED SIGNED CHAR USING
	TIMESTAMP TIME DATE ISNULL EXTRACT YEAR JSON_EXTRACT NOW FORMAT WEEK LENGTH OVER a b Order t information_schema tables end any at
	( ( ( ) ) ) , , . ; ? 1 2.5 18446744073709551615 * / % + - - ! < = > <=> && || | & :: [ ] { } ~ @ $1 $$
	'x' '%Y' 'it''s' '' "n" ` + "`q` `a``b` 'a\\'b' '\\\\' \"it's\" \"\\\"\" # -- /* */ /*! E'\\'' 'a\\nb' \\ ' \" \n é")

func TestTranslationsOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(1, 24).Draw(t, "pieces") {
			b.WriteString(rapid.SampledFrom(pieces).Draw(t, "piece"))
			b.WriteString(rapid.SampledFrom([]string{" ", " ", " ", "", "\n"}).Draw(t, "gap"))
		}
		for _, mode := range []Mode{Auto, MySQL, DuckDB} {
			check(t, b.String(), mode)
		}
	})
}

// Long and deep statements must not cost more than their length allows, nor end the process.
func TestTranslationsOfLongText(t *testing.T) {
	const n = 50_000
	for _, sql := range []string{
		"SELECT " + strings.Repeat("!", n) + "a",
		"SELECT " + strings.Repeat("a DIV ", n) + "a",
		"SELECT " + strings.Repeat("a XOR ", n) + "a",
		"SELECT " + strings.Repeat("a && ", n) + "a",
		"SELECT " + strings.Repeat("ISNULL(", n) + strings.Repeat(")", n),
		"SELECT " + strings.Repeat("(", n) + strings.Repeat(")", n),
		"SELECT " + strings.Repeat("INTERVAL ", n),
		"SELECT " + strings.Repeat("CASE ", n) + strings.Repeat("END ", n),
		"SELECT " + strings.Repeat("GROUP BY ", n),
		"SELECT " + strings.Repeat("ORDER BY ", n),
		"SELECT " + strings.Repeat("a.", n) + " DIV " + strings.Repeat("a::", n),
		"SELECT " + strings.Repeat("VALUES ROW(1),", n),
	} {
		for _, mode := range []Mode{Auto, MySQL} {
			if got, err := Translate(sql, mode); err == nil && len(got.SQL) > 100*len(sql) {
				t.Errorf("%s %.40s: %d bytes became %d", mode, sql, len(sql), len(got.SQL))
			}
		}
	}
}
