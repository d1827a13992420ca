package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

// Any reads a value without a wish: nil, bool, string, json.Number (which keeps every
// digit), []any or map[string]any.
func Any(raw []byte) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '"':
		return jsonscan.Text(raw), nil
	case '{', '[':
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("reading a nested value: %w", err)
		}
		return v, nil
	}
	return json.Number(raw), nil
}

// forScanner reads a value as one of the types database/sql/driver allows: int64, float64
// (only for FLOAT and DOUBLE columns), bool, []byte for a BLOB, time.Time for dates and timestamps
// that it can hold, and string. Other numbers are given as text, of which a decimal type loses nothing.
func forScanner(raw []byte, kind string) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '{', '[':
		return string(raw), nil
	case '"':
		return textForScanner(raw, kind)
	}
	return numberForScanner(string(raw), kind), nil
}

func textForScanner(raw []byte, kind string) (any, error) {
	switch {
	case kind == "BLOB":
		return bytesOf(raw, kind)
	case hasTime(kind):
		text := jsonscan.Text(raw)
		if t, err := Time(text); err == nil {
			return t, nil
		}
		return text, nil // infinity, or a year before Christ
	case isNumber(kind):
		return numberForScanner(string(scalar(raw)), kind), nil
	}
	return jsonscan.Text(raw), nil
}

func numberForScanner(text, kind string) any {
	if kind == "DOUBLE" || kind == "FLOAT" {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	}
	if !strings.HasPrefix(kind, "DECIMAL") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}

func isNumber(kind string) bool {
	switch kind {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE":
		return true
	}
	return strings.HasPrefix(kind, "DECIMAL")
}

// hasTime says whether values of a DuckDB type name a point in time or a day.
func hasTime(kind string) bool {
	return kind == "DATE" || strings.HasPrefix(kind, "TIMESTAMP")
}

// Time reads a DATE or TIMESTAMP in either of the gateway's spellings, with `T` or a space.
// Without a zone it is UTC.
func Time(s string) (time.Time, error) {
	layout := "2006-01-02"
	if len(s) > len(layout) {
		layout += s[10:11] + "15:04:05"
		if s[10] != 'T' && s[10] != ' ' {
			return time.Time{}, notATime(s)
		}
		layout += zoneLayout(s[11:])
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return time.Time{}, notATime(s)
	}
	if _, offset := t.Zone(); offset == 0 {
		t = t.UTC()
	}
	return t, nil
}

// zoneLayout is the layout for the zone that ends a clock time, if there is one.
func zoneLayout(clock string) string {
	if strings.HasSuffix(clock, "Z") {
		return "Z07:00"
	}
	i := strings.LastIndexAny(clock, "+-")
	if i < 0 {
		return ""
	}
	switch len(clock) - i {
	case len("+07"):
		return "-07"
	case len("+0700"):
		return "-0700"
	}
	return "-07:00"
}

func notATime(s string) error {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return fmt.Errorf("%q is not a date or timestamp between the years 0 and 9999; scan it into a string", s)
}
