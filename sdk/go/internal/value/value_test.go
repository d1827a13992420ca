package value_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
	"github.com/chittihq/duckling/sdk/go/internal/value"
)

type (
	shade  string
	count  int8
	level  uint16
	ratio  float32
	flag   bool
	nested struct {
		A int      `json:"a"`
		B []string `json:"b"`
	}
)

// into says what a variable of its type holds after raw was assigned to it.
type into struct {
	raw, kind string
	dst       any // a pointer to a zero variable
	want      any
}

func ptr[T any](v T) *T { return &v }

func at(y int, m time.Month, d, h, mi, s, ns int) time.Time {
	return time.Date(y, m, d, h, mi, s, ns, time.UTC)
}

var huge, _ = new(big.Int).SetString("-170141183460469231731687303715884105728", 10)

var good = []into{
	{`9007199254740993`, "BIGINT", new(int64), int64(9007199254740993)},
	{`"9007199254740993"`, "BIGINT", new(int64), int64(9007199254740993)},
	{`-9223372036854775808`, "BIGINT", new(int), int(-9223372036854775808)},
	{`18446744073709551615`, "UBIGINT", new(uint64), uint64(18446744073709551615)},
	{`-128`, "TINYINT", new(count), count(-128)},
	{`7`, "", new(int32), int32(7)},
	{`65535`, "", new(level), level(65535)},
	{`0.1`, "DOUBLE", new(float64), 0.1},
	{`"0.1"`, "DECIMAL(2,1)", new(float64), 0.1},
	{`0.5`, "", new(ratio), ratio(0.5)},
	{`true`, "BOOLEAN", new(bool), true},
	{`0`, "TINYINT", new(bool), false},
	{`1`, "TINYINT", new(flag), flag(true)},
	{`"a\u00e9\n"`, "VARCHAR", new(string), "aé\n"},
	{`123456789012345678901234567890.12345678`, "DECIMAL(38,8)", new(string), "123456789012345678901234567890.12345678"},
	{`{"a":1}`, "STRUCT", new(string), `{"a":1}`},
	{`"red"`, "VARCHAR", new(shade), shade("red")},
	{`1.50`, "DECIMAL(3,2)", new(json.Number), json.Number("1.50")},
	{`"1.50"`, "DECIMAL(3,2)", new(json.Number), json.Number("1.50")},
	{`-170141183460469231731687303715884105728`, "HUGEINT", new(big.Int), *huge},
	{`"3q2+7w=="`, "BLOB", new([]byte), []byte{0xde, 0xad, 0xbe, 0xef}},
	{`"3q2+7w=="`, "VARCHAR", new([]byte), []byte("3q2+7w==")},
	{`12`, "INTEGER", new([]byte), []byte("12")},
	{`null`, "BLOB", ptr([]byte("x")), []byte(nil)},
	{`"{\"a\":1}"`, "JSON", new(json.RawMessage), json.RawMessage(`{"a":1}`)},
	{`"{\"a\":1}"`, "VARCHAR", new(json.RawMessage), json.RawMessage(`"{\"a\":1}"`)},
	{`"not json"`, "JSON", new(json.RawMessage), json.RawMessage(`"not json"`)},
	{`null`, "JSON", new(json.RawMessage), json.RawMessage(`null`)},
	{`"{\"a\":1,\"b\":[\"x\"]}"`, "JSON", new(nested), nested{1, []string{"x"}}},
	{`{"a":1,"b":["x"]}`, "STRUCT(a INTEGER, b VARCHAR[])", new(nested), nested{1, []string{"x"}}},
	{`[1,2]`, "INTEGER[]", new([]int), []int{1, 2}},
	{`{"k":2}`, "MAP(VARCHAR, INTEGER)", new(map[string]int), map[string]int{"k": 2}},
	{`null`, "INTEGER[]", ptr([]int{1}), []int(nil)},
	{`"10.0.0.1"`, "VARCHAR", new(netip.Addr), netip.MustParseAddr("10.0.0.1")},
	{`5`, "INTEGER", new(*int), ptr(5)},
	{`null`, "INTEGER", ptr(ptr(5)), (*int)(nil)},
	{`"x"`, "VARCHAR", new(**string), ptr(ptr("x"))},
	{`"2025-01-31"`, "DATE", new(time.Time), at(2025, 1, 31, 0, 0, 0, 0)},
	{`"2025-01-31 10:00:00.123456"`, "TIMESTAMP", new(time.Time), at(2025, 1, 31, 10, 0, 0, 123456000)},
	{`"2025-01-31T10:00:00"`, "TIMESTAMP", new(time.Time), at(2025, 1, 31, 10, 0, 0, 0)},
	{`"2025-01-31T10:00:00.5Z"`, "TIMESTAMP WITH TIME ZONE", new(time.Time), at(2025, 1, 31, 10, 0, 0, 5e8)},
	{`"2025-01-31 10:00:00+00"`, "TIMESTAMP WITH TIME ZONE", new(time.Time), at(2025, 1, 31, 10, 0, 0, 0)},
	{`"1969-12-31 23:59:59.999999"`, "TIMESTAMP", new(time.Time), at(1969, 12, 31, 23, 59, 59, 999999000)},
	{`"9999-12-31 23:59:59"`, "TIMESTAMP", new(time.Time), at(9999, 12, 31, 23, 59, 59, 0)},
	{`null`, "INTEGER", new(sql.NullInt64), sql.NullInt64{}},
	{`5`, "INTEGER", new(sql.NullInt64), sql.NullInt64{Int64: 5, Valid: true}},
	{`9.5`, "DOUBLE", new(sql.NullFloat64), sql.NullFloat64{Float64: 9.5, Valid: true}},
	{`1.25`, "DECIMAL(3,2)", new(sql.Null[string]), sql.Null[string]{V: "1.25", Valid: true}},
	{`5`, "DECIMAL(3,0)", new(sql.Null[string]), sql.Null[string]{V: "5", Valid: true}},
	{`true`, "BOOLEAN", new(sql.NullBool), sql.NullBool{Bool: true, Valid: true}},
	{`"2025-01-31 10:00:00"`, "TIMESTAMP", new(sql.NullTime), sql.NullTime{Time: at(2025, 1, 31, 10, 0, 0, 0), Valid: true}},
	{`"infinity"`, "TIMESTAMP", new(sql.NullString), sql.NullString{String: "infinity", Valid: true}},
	{`"18446744073709551615"`, "UBIGINT", new(sql.NullString), sql.NullString{String: "18446744073709551615", Valid: true}},
	{`[1]`, "INTEGER[]", new(sql.NullString), sql.NullString{String: "[1]", Valid: true}},
	{`"AQ=="`, "BLOB", new(sql.Null[[]byte]), sql.Null[[]byte]{V: []byte{1}, Valid: true}},
	{`null`, "", ptr(any(1)), nil},
	{`1.0`, "", new(any), json.Number("1.0")},
	{`"x"`, "", new(any), "x"},
	{`false`, "", new(any), false},
	{`[1,{"a":null}]`, "", new(any), []any{json.Number("1"), map[string]any{"a": nil}}},
}

func TestAssign(t *testing.T) {
	for _, c := range good {
		if err := value.Assign(c.dst, []byte(c.raw), c.kind); err != nil {
			t.Errorf("%s (%s) into %T: %v", c.raw, c.kind, c.dst, err)
			continue
		}
		if got := reflect.ValueOf(c.dst).Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s (%s) into %T is %#v, not %#v", c.raw, c.kind, c.dst, got, c.want)
		}
	}
}

func TestAssignRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []into{
		{`9223372036854775808`, "", new(int64), "out of range for int64"},
		{`128`, "", new(count), "out of range for int8"},
		{`2147483648`, "", new(int32), "out of range for int32"},
		{`-1`, "", new(uint64), "cannot be read as uint64"},
		{`70000`, "", new(level), "out of range"},
		{`1.5`, "", new(int), "float64, string or json.Number"},
		{`"x"`, "", new(int), "cannot be read as int64"},
		{`1e999`, "", new(float64), "out of range"},
		{`"x"`, "", new(float64), "cannot be read as float64"},
		{`1e39`, "", new(ratio), "out of range"},
		{`"x"`, "", new(ratio), "cannot be read as float32"},
		{`2`, "", new(bool), "cannot be read as bool"},
		{`2`, "", new(flag), "cannot be read as bool"},
		{`"x"`, "", new(json.Number), "cannot be read as a number"},
		{`true`, "", new(json.Number), "cannot be read as a number"},
		{`"` + strings.Repeat("x", 100) + `"`, "", new(bool), "..."},
		{`"!"`, "BLOB", new([]byte), "base64"},
		{`"!"`, "BLOB", new(sql.Null[[]byte]), "base64"},
		{`"soon"`, "TIMESTAMP", new(time.Time), "not a date"},
		{`"2025-01-31X10:00:00"`, "TIMESTAMP", new(time.Time), "not a date"},
		{`"2025-02-30"`, "DATE", new(time.Time), "not a date"},
		{`"44-03-15 (BC)"`, "DATE", new(time.Time), "not a date"},
		{`"` + strings.Repeat("2025-01-31 ", 10) + `"`, "DATE", new(time.Time), "..."},
		{`null`, "", new(int), "NULL"},
		{`null`, "", new(string), "NULL"},
		{`null`, "", new(time.Time), "NULL"},
		{`"x"`, "", new(*int), "cannot be read as int64"},
		{`{"a":"x"}`, "", new(nested), "cannot unmarshal"},
		{`1`, "", 7, "pointer"},
		{`null`, "", 7, "pointer"},
		{`1`, "", (*count)(nil), "pointer"},
		{`"x"`, "", new(netip.Addr), "ParseAddr"},
	} {
		if err := value.Assign(c.dst, []byte(c.raw), c.kind); err == nil || !strings.Contains(err.Error(), c.want.(string)) {
			t.Errorf("%s into %T: the error is %v, not one with %q", c.raw, c.dst, err, c.want)
		}
	}
	if err := value.Assign(new(int), []byte("null"), ""); !errors.Is(err, value.ErrNull) {
		t.Errorf("NULL: the error is %v", err)
	}
}

// Any and the fast paths read what encoding/json reads.
func TestAnyReadsWhatEncodingJSONReads(t *testing.T) {
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Map(rapid.Float64(), func(f float64) any { return f }),
	)
	tree := rapid.OneOf(leaf, rapid.Map(rapid.SliceOf(leaf), func(s []any) any { return s }), rapid.Map(rapid.MapOf(rapid.String(), leaf), func(m map[string]any) any { return m }))
	rapid.Check(t, func(t *rapid.T) {
		raw, err := json.Marshal(tree.Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := value.Any(raw)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is read as %#v, not %#v", raw, got, want)
		}
	})
}

func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, f := rapid.Int64().Draw(t, "n"), rapid.Float64().Draw(t, "f")
		raw, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var (
			gotN int64
			gotF float64
		)
		if err := value.Assign(&gotN, fmt.Append(nil, n), "BIGINT"); err != nil || gotN != n {
			t.Fatalf("%d became %d (%v)", n, gotN, err)
		}
		if err := value.Assign(&gotF, raw, "DOUBLE"); err != nil || gotF != f {
			t.Fatalf("%v became %v (%v)", f, gotF, err)
		}
	})
}

func TestTimesRoundTrip(t *testing.T) {
	first, last := at(1, 1, 1, 0, 0, 0, 0).UnixMicro(), at(9999, 12, 31, 23, 59, 59, 999999000).UnixMicro()
	rapid.Check(t, func(t *rapid.T) {
		want := time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "micros")).UTC()
		layout := rapid.SampledFrom([]string{"2006-01-02 15:04:05.999999", "2006-01-02T15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999-07"}).Draw(t, "layout")
		got, err := value.Time(want.Format(layout))
		if err != nil || !got.Equal(want) {
			t.Fatalf("%s is read as %v (%v)", want.Format(layout), got, err)
		}
	})
}

// FuzzAssign: no checked JSON value makes any variable panic.
func FuzzAssign(f *testing.F) {
	for _, c := range good {
		f.Add([]byte(c.raw), c.kind)
	}
	f.Fuzz(func(t *testing.T, raw []byte, kind string) {
		if raw = bytes.Trim(raw, " \t\r\n"); jsonscan.Whole(raw) != nil {
			return
		}
		for _, c := range good {
			dst := reflect.New(reflect.TypeOf(c.dst).Elem()).Interface()
			_ = value.Assign(dst, raw, kind) // refusing is right for most
		}
		var got string
		if raw[0] == '"' && value.Assign(&got, raw, kind) == nil {
			var want string
			if json.Unmarshal(raw, &want) != nil || got != want {
				t.Fatalf("%s is read as %q, not %q", raw, got, want)
			}
		}
	})
}
