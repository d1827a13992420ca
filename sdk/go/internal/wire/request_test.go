package wire_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chittihq/duckling/sdk/go/internal/scripted"
	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

func TestEveryRequestIsAsTheSchemaHasIt(t *testing.T) {
	s := wire.Statement{SQL: "SELECT \"é\u2028\x01\\\" FROM `Order` WHERE a = ?", Params: []byte(`[1]`)}
	all := wire.Reading{Meta: true, NestJSON: true, Dialect: "mysql"}
	plain := wire.Reading{NestJSON: true, Dialect: "duckdb"}
	for _, body := range []wire.Body{
		wire.Auth("a \"key\""), wire.Ping(),
		wire.Query(s, all), wire.Query(wire.Statement{SQL: "SELECT 1"}, wire.Reading{}),
		wire.Batch([]wire.Statement{s, {SQL: "SELECT 1"}}, all),
		wire.Prepare(s.SQL, ""), wire.Prepare(s.SQL, "mysql"), wire.Execute("s1", nil, wire.Reading{Meta: true}), wire.Execute("s\"1", s.Params, wire.Reading{}), wire.Deallocate("s1"),
		wire.Cancel(7), wire.Unsubscribe(math.MaxUint64),
		wire.Stream(s, plain, 4), wire.Credit(1),
		wire.Subscribe(s, plain, true, 250), wire.Subscribe(wire.Statement{SQL: "SELECT 1"}, wire.Reading{}, false, 0),
	} {
		frame := body.Frame(12)
		if err := scripted.Check("clientMessage", frame); err != nil {
			t.Errorf("%s: %v", frame, err)
		}
		var fields map[string]any
		if err := json.Unmarshal(frame, &fields); err != nil || fields["id"] != "12" {
			t.Errorf("%s has id %v (%v)", frame, fields["id"], err)
		}
		if sql, ok := fields["sql"].(string); ok && strings.Contains(sql, "Order") && sql != s.SQL {
			t.Errorf("the SQL %q became %q", s.SQL, sql)
		}
	}
}

type (
	named  int16
	word   string
	answer struct{ err error }
)

func (a answer) MarshalText() ([]byte, error) { return []byte("42"), a.err }

func TestParams(t *testing.T) {
	n := 7
	huge, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	for _, c := range []struct {
		arg  any
		want string
	}{
		{nil, `null`}, {true, `true`}, {"é\"\n\x00", "\"é\\\"\\n\\u0000\""}, {[]byte("text"), `"text"`}, {[]byte(nil), `null`},
		{math.MinInt64, `-9223372036854775808`}, {uint64(math.MaxUint64), `18446744073709551615`}, {int8(-3), `-3`}, {uint8(3), `3`},
		{huge, huge.String()}, {(*big.Int)(nil), `null`}, {json.Number("1.50"), `1.50`},
		{0.1, `0.1`}, {5.0, `5.0`}, {1e300, `1e+300`}, {float32(0.1), `0.1`}, {math.Copysign(0, -1), `-0.0`},
		{time.Date(2025, 1, 31, 12, 0, 0, 123456789, time.FixedZone("", 7200)), `"2025-01-31 10:00:00.123456"`},
		{time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC), `"2025-01-31 00:00:00"`},
		{&n, `7`}, {(*int)(nil), `null`}, {named(-5), `-5`}, {word("w"), `"w"`},
		{sql.NullInt64{Int64: 4, Valid: true}, `4`}, {sql.NullInt64{}, `null`}, {(*sql.NullInt64)(nil), `null`}, {sql.Null[string]{V: "v", Valid: true}, `"v"`},
		{netip.MustParseAddr("10.0.0.1"), `"10.0.0.1"`}, {answer{}, `"42"`}, {(*answer)(nil), `null`},
	} {
		got, err := wire.Params([]any{c.arg})
		if err != nil || string(got) != "["+c.want+"]" {
			t.Errorf("%T %v is bound as %s, not [%s] (%v)", c.arg, c.arg, got, c.want, err)
		}
	}
	if got, err := wire.Params([]any{1, "a", nil}); err != nil || string(got) != `[1,"a",null]` {
		t.Errorf("three values are bound as %s (%v)", got, err)
	}
}

func TestParamsThatCannotBeBound(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		arg  any
		want string
	}{
		{math.NaN(), "NaN"}, {math.Inf(-1), "-Inf"}, {"\xff", "UTF-8"}, {[]byte{0xff}, "base64"}, {struct{}{}, "struct {}"}, {[]int{1}, "[]int"},
		{json.Number("x"), `"x"`}, {json.Number(""), "number"}, {json.Number(`"1"`), "number"}, {json.Number("true"), "number"}, {json.Number("1,2"), "number"},
		{answer{cause}, "cause"},
	} {
		_, err := wire.Params([]any{1, c.arg})
		if err == nil || !strings.Contains(err.Error(), "parameter 2: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: the error is %v", c.arg, err)
		}
	}
}

// Any text and any number comes back from a JSON reader as it was.
func TestParamsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, n, f := rapid.String().Draw(t, "text"), rapid.Int64().Draw(t, "n"), rapid.Float64().Draw(t, "f")
		encoded, err := wire.Params([]any{text, n, f})
		if err != nil {
			t.Fatal(err)
		}
		var (
			gotText string
			gotN    int64
			gotF    float64
		)
		if err := json.Unmarshal(encoded, &[]any{&gotText, &gotN, &gotF}); err != nil {
			t.Fatalf("%s: %v", encoded, err)
		}
		if gotText != text || gotN != n || gotF != f {
			t.Fatal(fmt.Sprint(gotText, gotN, gotF))
		}
	})
}
