// Package value turns one JSON value of a row into a Go variable, exactly or with an error.
package value

import (
	"database/sql"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

// ErrNull reports NULL where the variable cannot hold it.
var ErrNull = errors.New("the value is NULL; scan into a pointer or a sql.Null")

// Assign puts raw, one checked JSON value, into the variable dst points to. kind is the
// column's DuckDB type, or empty when it is not known.
func Assign(dst any, raw []byte, kind string) error {
	if string(raw) == "null" {
		return assignNull(dst)
	}
	switch d := dst.(type) {
	case *string:
		*d = Text(raw)
	case *int:
		n, err := integer(raw, strconv.IntSize)
		*d = int(n)
		return err
	case *int64:
		n, err := integer(raw, 64)
		*d = n
		return err
	case *int32:
		n, err := integer(raw, 32)
		*d = int32(n)
		return err
	case *uint64:
		n, err := unsigned(raw, 64)
		*d = n
		return err
	case *float64:
		f, err := float(raw, 64)
		*d = f
		return err
	case *bool:
		b, err := boolean(raw)
		*d = b
		return err
	case *time.Time:
		t, err := Time(Text(raw))
		*d = t
		return err
	case *[]byte:
		b, err := bytesOf(raw, kind)
		*d = b
		return err
	case *json.Number:
		return assignNumber(d, raw)
	case *json.RawMessage:
		*d = rawJSON(raw, kind)
	case *any:
		v, err := Any(raw)
		*d = v
		return err
	case sql.Scanner:
		v, err := forScanner(raw, kind)
		if err != nil {
			return err
		}
		return d.Scan(v)
	case encoding.TextUnmarshaler:
		return d.UnmarshalText([]byte(Text(raw)))
	default:
		return assignKind(reflect.ValueOf(dst), raw, kind)
	}
	return nil
}

func assignNull(dst any) error {
	switch d := dst.(type) {
	case *any:
		*d = nil
	case *[]byte:
		*d = nil
	case *json.RawMessage:
		*d = json.RawMessage("null")
	case sql.Scanner:
		return d.Scan(nil)
	default:
		v := reflect.ValueOf(dst)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return notAPointer(dst)
		}
		switch v.Elem().Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			v.Elem().SetZero()
		default:
			return ErrNull
		}
	}
	return nil
}

// assignKind handles pointers to pointers, named types, and nested values.
func assignKind(p reflect.Value, raw []byte, kind string) error {
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return notAPointer(p.Interface())
	}
	v := p.Elem()
	switch v.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if err := Assign(fresh.Interface(), raw, kind); err != nil {
			return err
		}
		v.Set(fresh)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := integer(raw, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := unsigned(raw, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		f, err := float(raw, v.Type().Bits())
		if err != nil {
			return err
		}
		v.SetFloat(f)
	case reflect.Bool:
		b, err := boolean(raw)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case reflect.String:
		v.SetString(Text(raw))
	default:
		// A struct, map or slice: a nested value, or a JSON column that came as text.
		return json.Unmarshal(rawJSON(raw, kind), p.Interface())
	}
	return nil
}

func notAPointer(dst any) error {
	return fmt.Errorf("scanning needs a pointer to a variable, not %T", dst)
}

// Text is a string's text, or the JSON text of anything else: a number keeps every digit.
func Text(raw []byte) string {
	if raw[0] == '"' {
		return jsonscan.Text(raw)
	}
	return string(raw)
}

// scalar is the text to read a number or boolean from. A string holds one when the
// gateway was asked to write large numbers so.
func scalar(raw []byte) []byte {
	if raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	return raw
}

func integer(raw []byte, bits int) (int64, error) {
	n, err := strconv.ParseInt(string(scalar(raw)), 10, bits)
	if err != nil {
		return 0, unfit(raw, "int"+strconv.Itoa(bits), err)
	}
	return n, nil
}

func unsigned(raw []byte, bits int) (uint64, error) {
	n, err := strconv.ParseUint(string(scalar(raw)), 10, bits)
	if err != nil {
		return 0, unfit(raw, "uint"+strconv.Itoa(bits), err)
	}
	return n, nil
}

func float(raw []byte, bits int) (float64, error) {
	f, err := strconv.ParseFloat(string(scalar(raw)), bits)
	if err != nil {
		return 0, unfit(raw, "float"+strconv.Itoa(bits), err)
	}
	return f, nil
}

// boolean also takes 1 and 0, which is what MySQL's BOOLEAN, a TINYINT, holds.
func boolean(raw []byte) (bool, error) {
	switch string(scalar(raw)) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, unfit(raw, "bool", nil)
}

func assignNumber(d *json.Number, raw []byte) error {
	s := scalar(raw)
	if len(s) == 0 || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) || jsonscan.Whole(s) != nil {
		return unfit(raw, "a number", nil)
	}
	*d = json.Number(s)
	return nil
}

func bytesOf(raw []byte, kind string) ([]byte, error) {
	if kind != "BLOB" || raw[0] != '"' {
		return []byte(Text(raw)), nil
	}
	b, err := base64.StdEncoding.DecodeString(jsonscan.Text(raw))
	if err != nil {
		return nil, fmt.Errorf("reading a BLOB, which is sent as base64: %w", err)
	}
	return b, nil
}

// rawJSON is the value as JSON. A JSON column that came as text is unwrapped.
func rawJSON(raw []byte, kind string) json.RawMessage {
	if kind == "JSON" && raw[0] == '"' {
		if text := jsonscan.AppendText(nil, raw); jsonscan.Whole(text) == nil {
			return text
		}
	}
	return append(json.RawMessage(nil), raw...)
}

func unfit(raw []byte, what string, cause error) error {
	text := string(raw)
	if len(text) > 60 {
		text = text[:60] + "..."
	}
	var num *strconv.NumError
	if errors.As(cause, &num) && errors.Is(cause, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range for %s", text, what)
	}
	if strings.ContainsAny(text, ".eE") && cause != nil {
		return fmt.Errorf("%s cannot be read as %s; scan into a float64, string or json.Number", text, what)
	}
	return fmt.Errorf("%s cannot be read as %s", text, what)
}
