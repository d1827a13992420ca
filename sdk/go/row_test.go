package duckling_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
)

// fixed is a client whose every query is answered with these rows and columns.
func fixed(t *testing.T, rows string, columns ...string) *duckling.Client {
	t.Helper()
	return open(t, duckling.Config{}, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if columns == nil {
				conn.Rows(f.ID(), rows)
			} else {
				conn.MetaRows(f.ID(), rows, columns...)
			}
			return true
		})
	})
}

type timestamps struct {
	CreatedAt time.Time
	UpdatedAt *time.Time
}

type order struct {
	timestamps
	ID      int64         `duckling:"order"`
	Total   string        `json:"total_price,omitempty"`
	UserID  sql.Null[int] // user_id, in another spelling
	Tags    []string      // a JSON column
	Secret  string        `duckling:"-"`
	Missing string        // no such column
	hidden  int           // not for the client
}

func TestSelectIntoStructs(t *testing.T) {
	c := fixed(t, `[
		{"order":1,"total_price":12345678901234567890.12,"user_id":7,"createdAt":"2025-01-31 10:00:00","updated_at":null,"tags":"[\"a\",\"b\"]"},
		{"order":2,"total_price":0.10,"user_id":null,"createdAt":"2025-02-01 10:00:00","updated_at":"2025-02-02 10:00:00","tags":"[]"}]`,
		"order BIGINT", "total_price DECIMAL(38,2)", "user_id INTEGER", "createdAt TIMESTAMP", "updated_at TIMESTAMP", "tags JSON")
	got, err := duckling.Select[order](t.Context(), c, "SELECT")
	if err != nil {
		t.Fatal(err)
	}
	day := func(d int, m time.Month) time.Time { return time.Date(2025, m, d, 10, 0, 0, 0, time.UTC) }
	updated := day(2, 2)
	want := []order{
		{timestamps{day(31, 1), nil}, 1, "12345678901234567890.12", sql.Null[int]{V: 7, Valid: true}, []string{"a", "b"}, "", "", 0},
		{timestamps{day(1, 2), &updated}, 2, "0.10", sql.Null[int]{}, []string{}, "", "", 0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v", got)
	}
}

func TestSelectIntoOtherTypes(t *testing.T) {
	c := fixed(t, `[{"n":9007199254740993},{"n":2}]`, "n BIGINT")
	if got, err := duckling.Select[int64](t.Context(), c, "SELECT"); err != nil || !reflect.DeepEqual(got, []int64{9007199254740993, 2}) {
		t.Errorf("%v (%v)", got, err)
	}
	if got, err := duckling.Select[*int](t.Context(), c, "SELECT"); err != nil || *got[1] != 2 {
		t.Errorf("%v (%v)", got, err)
	}
	if got, err := duckling.Select[sql.NullInt64](t.Context(), c, "SELECT"); err != nil || got[1].Int64 != 2 {
		t.Errorf("%v (%v)", got, err)
	}
	if got, err := duckling.Select[any](t.Context(), c, "SELECT"); err != nil || got[0] != json.Number("9007199254740993") {
		t.Errorf("%v (%v)", got, err)
	}
	if got, err := duckling.Select[map[string]any](t.Context(), c, "SELECT"); err != nil || !reflect.DeepEqual(got[1], map[string]any{"n": json.Number("2")}) {
		t.Errorf("%v (%v)", got, err)
	}
}

func TestGet(t *testing.T) {
	if _, err := duckling.Get[int](t.Context(), fixed(t, `[]`, "n BIGINT"), "SELECT"); !errors.Is(err, duckling.ErrNoRows) {
		t.Errorf("no rows: %v", err)
	}
	if _, err := duckling.Get[int](t.Context(), fixed(t, `[{"n":1},{"n":2}]`, "n BIGINT"), "SELECT"); err == nil || !strings.Contains(err.Error(), "2 rows") {
		t.Errorf("two rows: %v", err)
	}
}

func TestScanErrorsNameWhatIsWrong(t *testing.T) {
	result, err := fixed(t, `[{"a":1,"b":"x"},{"a":null,"b":"y"}]`, "a BIGINT", "b VARCHAR").Query(t.Context(), "SELECT")
	if err != nil {
		t.Fatal(err)
	}
	var (
		n int
		s string
	)
	check := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, not one with %q", what, err, want)
		}
	}
	check("too few variables", result.Row(0).Scan(&n), "2 columns into 1")
	check("wrong type", result.Row(0).Scan(&n, &n), `column "b"`)
	check("NULL", result.Row(1).Scan(&n, &s), `column "a": the value is NULL`)
	check("no pointer", result.Row(0).Scan(n, &s), "pointer")
	check("no pointer", result.Row(0).Into(order{}), "pointer")
	check("no field", result.Row(0).Into(&struct{ A int }{}), `column "b" has no field`)
	_, err = duckling.Collect[struct {
		A int
		B string
	}](result)
	check("row by number", err, "row 1: ")
}

func TestResultWithoutMetaTakesColumnsFromItsRows(t *testing.T) {
	c := fixed(t, `[{"b":1,"a\"\u00e9":"x"},{"a\"\u00e9":"y","b":2}]`)
	result, err := c.Query(t.Context(), "SELECT")
	if err != nil {
		t.Fatal(err)
	}
	if want := []duckling.Column{{Name: "b"}, {Name: `a"é`}}; !reflect.DeepEqual(result.Columns(), want) {
		t.Fatalf("columns %v", result.Columns())
	}
	for i, row := range result.Rows() { // the second has its members in another order
		var (
			n int
			s string
		)
		if err := row.Scan(&n, &s); err != nil || n != i+1 || s != string(rune('x'+i)) {
			t.Errorf("row %d is %d %q (%v)", i, n, s, err)
		}
	}
	if meta := result.Meta(); !meta.AsOf.IsZero() || meta.LagKnown || meta.Generation != 0 {
		t.Errorf("meta %+v", meta)
	}
}

func TestMetaOrderWins(t *testing.T) {
	result, err := fixed(t, `[{"b":2,"a":1}]`, "a BIGINT", "b BIGINT").Query(t.Context(), "SELECT")
	if err != nil {
		t.Fatal(err)
	}
	var a, b int
	if err := result.Row(0).Scan(&a, &b); err != nil || a != 1 || b != 2 {
		t.Fatalf("a is %d, b is %d (%v)", a, b, err)
	}
}

func TestRowsThatDoNotMatchTheColumns(t *testing.T) {
	for _, rows := range []string{`[{"a":1}]`, `[{"a":1,"b":2,"c":3}]`, `[{"a":1,"c":2}]`} {
		result, err := fixed(t, rows, "a BIGINT", "b BIGINT").Query(t.Context(), "SELECT")
		if err != nil {
			t.Fatal(err)
		}
		var a, b int
		wantCode(t, result.Row(0).Scan(&a, &b), duckling.CodeProtocol)
	}
}

func TestJSONIsWhatCame(t *testing.T) {
	const rows = `[{"a":1.0}, {"a":2}]`
	result, err := fixed(t, rows).Query(t.Context(), "SELECT")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(result.JSON()); got != rows {
		t.Errorf("the result is %s", got)
	}
	if got := string(result.Row(0).JSON()); got != `{"a":1.0}` {
		t.Errorf("the row is %s", got)
	}
	kept, err := duckling.ParseResult(result.JSON())
	if err != nil || kept.Len() != 2 || string(kept.Row(1).JSON()) != `{"a":2}` {
		t.Errorf("kept: %v (%v)", kept, err)
	}
	if empty, err := duckling.ParseResult([]byte(`null`)); err != nil || string(empty.JSON()) != "[]" || empty.Len() != 0 {
		t.Errorf("empty: %v (%v)", empty, err)
	}
	if _, err := duckling.ParseResult([]byte(`{}`)); err == nil {
		t.Error("an object passed for rows")
	}
}
