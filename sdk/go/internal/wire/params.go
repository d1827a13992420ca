package wire

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

// timeLayout is how a time.Time is bound: microseconds in UTC, as DuckDB keeps a TIMESTAMP.
const timeLayout = "2006-01-02 15:04:05.999999"

// Params encodes the values for a statement's `?`. No values encode to nothing.
func Params(args []any) ([]byte, error) {
	if len(args) == 0 {
		return nil, nil
	}
	b := make([]byte, 0, 16*len(args))
	for i, arg := range args {
		b = append(b, ',')
		var err error
		if b, err = appendParam(b, arg); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
	}
	b[0] = '['
	return append(b, ']'), nil
}

func appendParam(b []byte, arg any) ([]byte, error) {
	switch v := arg.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case float64:
		return appendFloat(b, v, 64)
	case []byte:
		if v == nil {
			return append(b, "null"...), nil
		}
		return appendText(b, string(v))
	case time.Time:
		return appendText(b, v.UTC().Format(timeLayout))
	case json.Number:
		if c := append([]byte(nil), v...); len(c) == 0 || c[0] == '"' || c[0] > '9' || jsonscan.Whole(c) != nil {
			return nil, fmt.Errorf("%q is not a number", v)
		}
		return append(b, strings.TrimSpace(string(v))...), nil
	case *big.Int:
		if v == nil {
			return append(b, "null"...), nil
		}
		return v.Append(b, 10), nil
	case driver.Valuer:
		return appendValuer(b, v)
	case encoding.TextMarshaler:
		if isNil(v) {
			return append(b, "null"...), nil
		}
		text, err := v.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("writing %T as text: %w", arg, err)
		}
		return appendText(b, string(text))
	}
	return appendKind(b, reflect.ValueOf(arg))
}

// appendKind encodes pointers and named types by what they are underneath.
func appendKind(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		return appendParam(b, v.Elem().Interface())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case reflect.Float32:
		return appendFloat(b, v.Float(), 32)
	case reflect.Float64:
		return appendFloat(b, v.Float(), 64)
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case reflect.String:
		return appendText(b, v.String())
	}
	return nil, fmt.Errorf("a %s cannot be bound; give a string, number, bool, time.Time, nil, driver.Valuer or encoding.TextMarshaler", v.Type())
}

func appendValuer(b []byte, v driver.Valuer) ([]byte, error) {
	if isNil(v) {
		return append(b, "null"...), nil
	}
	value, err := v.Value()
	if err != nil {
		return nil, fmt.Errorf("asking %T for its value: %w", v, err)
	}
	if _, again := value.(driver.Valuer); again {
		return nil, fmt.Errorf("%T answers with another driver.Valuer, %T", v, value)
	}
	return appendParam(b, value)
}

func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// appendText refuses what is not UTF-8, since JSON could only carry it changed.
func appendText(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("the text is not UTF-8; pass binary data as base64 and write from_base64(?) in the SQL")
	}
	return jsonscan.AppendString(b, s), nil
}

// appendFloat writes a float so that it stays one: 5 becomes 5.0, which is not bound as an integer.
func appendFloat(b []byte, f float64, size int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("JSON has no %v; write 'NaN'::DOUBLE or 'Infinity'::DOUBLE in the SQL", f)
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, size)
	for _, c := range b[start:] {
		if c == '.' || c == 'e' {
			return b, nil
		}
	}
	return append(b, ".0"...), nil
}
