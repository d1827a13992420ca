package dialect_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// Parameters keep their places through every rewriting, also where a macro uses one twice.
func TestParameters(t *testing.T) {
	g := loadGateway(t)
	snapshot, err := g.Queries.Snapshot("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	for _, c := range []struct {
		sql    string
		params []any
		want   string
	}{
		{"SELECT id FROM User ORDER BY id LIMIT ?, ?", []any{int64(2), int64(1)}, `[{"id":3}]`},
		{"SELECT DATE_ADD(at, INTERVAL ? DAY) AS d FROM Sample WHERE id = ?", []any{int64(1), int64(3)}, `[{"d":"2000-01-02T12:00:00"}]`},
		{"SELECT DATE_SUB(at, INTERVAL ? HOUR) AS d FROM Sample WHERE id = ?", []any{int64(12), int64(3)}, `[{"d":"2000-01-01T00:00:00"}]`},
		{"SELECT DATE_FORMAT(?, '%d.%m.%Y') AS d, ? AS x", []any{"2025-01-31", "y"}, `[{"d":"31.01.2025","x":"y"}]`},
		{"SELECT DATE_FORMAT(?, '%D') AS d, ? AS x", []any{"2025-01-31", "y"}, `[{"d":"31st","x":"y"}]`},
		{"SELECT SUBSTRING_INDEX(?, ?, ?) AS s", []any{"a.b.c", ".", int64(2)}, `[{"s":"a.b"}]`},
		{"SELECT LOCATE(?, name) AS n FROM User WHERE id = ?", []any{"1", int64(1)}, `[{"n":6}]`},
		{"SELECT FIELD(?, 'a', ?) AS n", []any{"b", "b"}, `[{"n":2}]`},
		{"SELECT id FROM Sample WHERE a DIV ? = ? AND s REGEXP ?", []any{int64(2), int64(3), "^A"}, `[{"id":1}]`},
		{"SELECT ? <=> NULL AS n, ISNULL(?) AS m", []any{nil, int64(1)}, `[{"n":true,"m":false}]`},
		{"SELECT TIMESTAMPDIFF(DAY, ?, ?) AS n", []any{"2025-01-01", "2025-01-31"}, `[{"n":30}]`},
		{"SELECT DATEDIFF(?, ?) AS n", []any{"2025-01-31", "2025-01-01"}, `[{"n":30}]`},
		{"SELECT COUNT(*) AS n FROM `Order` WHERE userId = ? && total > ?", []any{int64(3), int64(0)}, `[{"n":6}]`},
	} {
		out, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: c.sql, Params: c.params}, encode.Options{Times: encode.TimesISO})
		if err != nil || string(out) != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.sql, out, err, c.want)
		}
	}
}

// An error behind rewritten parts points into the text that the client sent.
func TestErrorsPointIntoTheClientsText(t *testing.T) {
	g := loadGateway(t)
	snapshot, err := g.Queries.Snapshot("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	for _, c := range []struct {
		sql          string
		mode         dialect.Mode
		line, column int
	}{
		{"SELECT DATE_FORMAT(createdAt, '%Y') AS y,\n  GROUP_CONCAT(id SEPARATOR ';'), nonsense FROM `Order`", dialect.Auto, 2, 35},
		{"SELECT 7 DIV 2 AS a, !(1 = 2) && 1 = 1 AS b,\n missing + 1 FROM User", dialect.Auto, 2, 2},
		{"SELECT id FROM User WHERE DATE_ADD(nothing, INTERVAL ? DAY) > 1", dialect.Auto, 1, 36},
		{"SELECT CONCAT(name, 'x'), LEAST(id, 2),\n\n nowhere FROM User ORDER BY id", dialect.MySQL, 3, 2},
		{"SELECT CAST(id AS UNSIGNED), current_setting('threads') FROM User", dialect.Auto, 1, 30},
	} {
		_, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: c.sql, Dialect: c.mode, Params: nil}, encode.Options{})
		var e *query.Error
		if !errors.As(err, &e) || e.Line != c.line || e.Column != c.column {
			t.Errorf("%s: got %+v", c.sql, err)
		}
	}
}

// A format that is not known before the query runs is named, rather than left to an error about strftime.
func TestUnsupported(t *testing.T) {
	for sql, at := range map[string]int{
		"SELECT DATE_FORMAT(a, ?) FROM t":                     7,
		"SELECT 1, STR_TO_DATE(a, b) FROM t":                  10,
		"SELECT STR_TO_DATE(a, '%X') FROM t":                  7,
		"SELECT a + INTERVAL b DAY_HOUR FROM t":               11,
		"SELECT FROM_UNIXTIME(a, CONCAT('%Y', '-%m')) FROM t": 7,
	} {
		var unsupported *dialect.UnsupportedError
		if _, err := dialect.Translate(sql, dialect.Auto); !errors.As(err, &unsupported) || unsupported.Offset != at {
			t.Errorf("%s: got %+v", sql, err)
		}
	}
	var unsupported *dialect.UnsupportedError
	if _, err := dialect.Translate("SELECT /*! 1 */ 2", dialect.MySQL); !errors.As(err, &unsupported) {
		t.Errorf("got %v", err)
	}
}
