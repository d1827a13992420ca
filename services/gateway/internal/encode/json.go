// Package encode writes results as JSON, straight from DuckDB's vectors.
//
// The rules, by type:
//
//	BOOLEAN                       true, false
//	integers                      a number from -(2^53-1) to 2^53-1, else a string (Numbers)
//	DECIMAL                       a number when a double prints the same digits, else a string (Numbers)
//	FLOAT, DOUBLE                 the shortest number that reads back the same; NaN and infinities are null
//	VARCHAR, ENUM, UUID, BIT      a string
//	JSON                          its text as a string, or nested as it is (JSON)
//	BLOB, GEOMETRY                base64 (standard alphabet, padded)
//	DATE                          "2025-01-31"
//	TIMESTAMP*                    "2025-01-31T10:00:00", with 3, 6 or 9 digits of fraction where there is one (Times)
//	TIMESTAMP WITH TIME ZONE      the same in UTC, with Z (iso) or +00 (sql)
//	TIME, TIME WITH TIME ZONE     "10:00:00", with the fraction as above, and "+02:00"
//	INTERVAL                      "[-]HH:MM:SS" when it has neither months nor days, as a MySQL TIME has, else as "1 year 2 days 10:00:00"
//	LIST, ARRAY                   an array
//	STRUCT                        an object
//	MAP                           an object with its keys as text
//	UNION                         the value of the member that is set
package encode

import (
	"fmt"
	"strconv"

	"github.com/chittihq/duckling/pkg/duck"
)

// Numbers says how integers and decimals are written.
type Numbers string

// The modes of Numbers.
const (
	// NumbersAuto writes a number where a double holds the value exactly, else a string.
	NumbersAuto Numbers = "auto"
	// NumbersNumber always writes a number with all its digits; a client that reads doubles rounds it.
	NumbersNumber Numbers = "number"
	// NumbersString writes BIGINT and wider integers and every DECIMAL as strings.
	NumbersString Numbers = "string"
)

// Times says how a TIMESTAMP is written.
type Times string

// The modes of Times.
const (
	TimesISO Times = "iso" // 2025-01-31T10:00:00
	TimesSQL Times = "sql" // 2025-01-31 10:00:00
)

// JSONMode says how a column of type JSON is written.
type JSONMode string

// The modes of JSONMode.
const (
	JSONText  JSONMode = "text"
	JSONValue JSONMode = "value"
)

// Options are a client's choices. The zero value is auto, iso, text.
type Options struct {
	Numbers Numbers
	Times   Times
	JSON    JSONMode
}

// Validate reports a mode that does not exist.
func (o Options) Validate() error {
	switch o.Numbers {
	case "", NumbersAuto, NumbersNumber, NumbersString:
	default:
		return fmt.Errorf("numbers is %q; it can be auto, number or string", string(o.Numbers))
	}
	switch o.Times {
	case "", TimesISO, TimesSQL:
	default:
		return fmt.Errorf("times is %q; it can be iso or sql", string(o.Times))
	}
	switch o.JSON {
	case "", JSONText, JSONValue:
	default:
		return fmt.Errorf("jsonMode is %q; it can be text or value", string(o.JSON))
	}
	return nil
}

// JSON writes the rows of one result. It is not safe for concurrent use.
type JSON struct {
	columns []*column
	keys    []string
}

// UnsupportedTypeError reports a column that has no form in JSON.
type UnsupportedTypeError struct{ Column, Type string }

func (e *UnsupportedTypeError) Error() string {
	return fmt.Sprintf("column %q is of type %s, which cannot be sent: cast it to JSON or VARCHAR", e.Column, e.Type)
}

// NewJSON makes an encoder for a result with these columns. A name that comes twice gets _1, _2, ... appended,
// so that no value is lost in an object.
func NewJSON(columns []duck.Column, options Options) (*JSON, error) {
	e := &JSON{columns: make([]*column, len(columns)), keys: make([]string, len(columns))}
	for i, name := range UniqueNames(columns) {
		c, err := newColumn(columns[i].Type, options)
		if err != nil {
			return nil, &UnsupportedTypeError{Column: name, Type: columns[i].Type.String()}
		}
		e.columns[i] = c
		key := AppendString(nil, []byte(name))
		lead := byte(',')
		if i == 0 {
			lead = '{'
		}
		e.keys[i] = string(lead) + string(key) + ":"
	}
	return e, nil
}

// UniqueNames are the columns' names as they appear in the objects of a result.
func UniqueNames(columns []duck.Column) []string {
	names := make([]string, len(columns))
	taken := make(map[string]bool, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		taken[c.Name] = true
	}
	seen := make(map[string]bool, len(columns))
	for i, name := range names {
		if !seen[name] {
			seen[name] = true
			continue
		}
		for n := 1; ; n++ {
			candidate := name + "_" + strconv.Itoa(n)
			if !taken[candidate] {
				names[i] = candidate
				taken[candidate], seen[candidate] = true, true
				break
			}
		}
	}
	return names
}

// AppendRows appends the chunk's rows as objects separated by commas.
func (e *JSON) AppendRows(dst []byte, chunk *duck.Chunk) []byte {
	for i, c := range e.columns {
		c.bind(chunk.Column(i))
	}
	for row := range chunk.Rows() {
		if row > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendRow(dst, row)
	}
	return dst
}

func (e *JSON) appendRow(dst []byte, row int) []byte {
	for i, c := range e.columns {
		dst = append(dst, e.keys[i]...)
		dst = c.append(dst, row)
	}
	return append(dst, '}')
}
