// Package encode writes results as JSON, CSV, Arrow and Parquet, straight from DuckDB's vectors. See NewWriter for the formats.
//
// The rules of JSON, by type:
//
//	BOOLEAN                       true, false
//	integers                      a number from -(2^53-1) to 2^53-1, else a string (Numbers)
//	DECIMAL                       a number when a double prints the same digits, else a string (Numbers)
//	FLOAT, DOUBLE                 the shortest number that reads back the same; NaN and infinities are null
//	VARCHAR, ENUM, UUID, BIT      a string
//	JSON                          its text as a string, or nested as it is (JSON)
//	BLOB, GEOMETRY                base64 (standard alphabet, padded)
//	DATE                          "2025-01-31"
//	TIMESTAMP*                    "2025-01-31 10:00:00", with 3, 6 or 9 digits of fraction where there is one (Times)
//	TIMESTAMP WITH TIME ZONE      the same in UTC, with +00 (sql) or Z (iso)
//	TIME, TIME WITH TIME ZONE     "10:00:00", with the fraction as above, and "+02:00"
//	INTERVAL                      "[-]HH:MM:SS" when it has neither months nor days, as a MySQL TIME has, else as "1 year 2 days 10:00:00"
//	LIST, ARRAY                   an array
//	STRUCT                        an object
//	MAP                           an object with its keys as text
//	UNION                         the value of the member that is set
//	VARIANT                       refused: it must be cast
//
// CSV has the same without quotes around them, numbers always as digits, NaN, Infinity and -Infinity as such, and nested values as
// JSON text.
//
// Arrow and Parquet keep the types. What they do not have goes as follows: HUGEINT and UHUGEINT are decimals of 38 digits and one with 39
// is an error; BIGNUM, BIT, UUID, TIME WITH TIME ZONE and ENUM are text; UNION is the text of its JSON; GEOMETRY is its well-known
// binary; an INTERVAL is months, days and nanoseconds in Arrow and text in Parquet; TIMESTAMP_S has milliseconds, and an ARRAY any length,
// in Parquet. The metadata duckling.type of an Arrow field has DuckDB's own type.
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
	TimesSQL Times = "sql" // 2025-01-31 10:00:00
	TimesISO Times = "iso" // 2025-01-31T10:00:00
)

// JSONMode says how a column of type JSON is written.
type JSONMode string

// The modes of JSONMode.
const (
	JSONText  JSONMode = "text"
	JSONValue JSONMode = "value"
)

// Options are a client's choices. The zero value is auto, sql, text.
type Options struct {
	Numbers Numbers  // numberMode
	Times   Times    // dateMode
	JSON    JSONMode // jsonMode
}

// Validate reports a mode that does not exist.
func (o Options) Validate() error {
	switch o.Numbers {
	case "", NumbersAuto, NumbersNumber, NumbersString:
	default:
		return fmt.Errorf("numberMode is %q; it can be auto, number or string", string(o.Numbers))
	}
	switch o.Times {
	case "", TimesISO, TimesSQL:
	default:
		return fmt.Errorf("dateMode is %q; it can be sql or iso", string(o.Times))
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
	if len(taken) == len(columns) {
		return names
	}
	seen := make(map[string]bool, len(columns))
	next := make(map[string]int) // the first number to try for a name
	for i, name := range names {
		if !seen[name] {
			seen[name] = true
			continue
		}
		for n := max(1, next[name]); ; n++ {
			candidate := name + "_" + strconv.Itoa(n)
			if !taken[candidate] {
				names[i] = candidate
				taken[candidate], seen[candidate] = true, true
				next[name] = n + 1
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

// AppendLines appends the chunk's rows as objects, each on a line.
func (e *JSON) AppendLines(dst []byte, chunk *duck.Chunk) []byte {
	for i, c := range e.columns {
		c.bind(chunk.Column(i))
	}
	for row := range chunk.Rows() {
		dst = append(e.appendRow(dst, row), '\n')
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

// AppendSome appends the chunk's rows from first on, separated by commas: at least one, at most the given number of them, and none
// after dst has become as long as size. It returns the row to go on with.
func (e *JSON) AppendSome(dst []byte, chunk *duck.Chunk, first, most, size int) (out []byte, next int) {
	for i, c := range e.columns {
		c.bind(chunk.Column(i))
	}
	last := min(chunk.Rows(), first+most)
	for row := first; row < last; row++ {
		if row > first {
			if len(dst) >= size {
				return dst, row
			}
			dst = append(dst, ',')
		}
		dst = e.appendRow(dst, row)
	}
	return dst, last
}
