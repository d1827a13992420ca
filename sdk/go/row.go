package duckling

import (
	"database/sql"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
	"github.com/chittihq/duckling/sdk/go/internal/value"
)

// Row is one row of a result or stream, decoded when it is scanned. It may be kept and
// used by several goroutines; it keeps the memory of the frame it came in alive.
type Row struct {
	text  []byte // begins with the row's object
	shape *shape
}

// Columns are the columns of the row, in order.
func (r Row) Columns() []Column { return r.shape.columns }

// Meta says which state of the source the row shows.
func (r Row) Meta() Meta { return r.shape.meta }

// Scan copies the row's values into the variables that dst points to, one for each column.
//
// Numbers are never rounded to fit: an integer that is out of range is an error, and a
// string, json.Number, *big.Int or any other encoding.TextUnmarshaler or sql.Scanner gets
// every digit. A *bool takes 1 and 0 too. A *time.Time takes DATE and TIMESTAMP, as UTC
// where they have no zone. A *[]byte takes the bytes of a BLOB, and the text of
// anything else. A *json.RawMessage takes any value as JSON, *any takes nil, bool, string,
// json.Number, []any or map[string]any. NULL needs a pointer to a pointer, a sql.Null, *any,
// *[]byte or *json.RawMessage. Anything else is decoded as encoding/json does.
func (r Row) Scan(dst ...any) error {
	if len(dst) != len(r.shape.columns) {
		return fmt.Errorf("scanning %d columns into %d variables", len(r.shape.columns), len(dst))
	}
	return r.shape.walk(r.text, func(i int, raw []byte) error {
		return r.assign(dst[i], raw, i)
	})
}

func (r Row) assign(dst any, raw []byte, i int) error {
	if err := value.Assign(dst, raw, r.shape.columns[i].Type); err != nil {
		return fmt.Errorf("scanning column %q: %w", r.shape.columns[i].Name, err)
	}
	return nil
}

// Into fills what dst points to from the row. A struct gets each column in the field with
// the `duckling` tag of that name, else the `json` tag, else the name, the latter two without regard to
// case and underscores; a column without a field is an error, a field without a column is
// left alone. A map[string]any gets what Map returns. Any other type takes the value of the only column.
func (r Row) Into(dst any) error {
	if m, ok := dst.(*map[string]any); ok {
		var err error
		*m, err = r.Map()
		return err
	}
	p := reflect.ValueOf(dst)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("a row goes into a pointer to a variable, not %T", dst)
	}
	if p.Elem().Kind() != reflect.Struct || isValue(p.Elem().Type()) {
		return r.Scan(dst)
	}
	plan := r.shape.planFor(p.Elem().Type())
	if plan.err != nil {
		return plan.err
	}
	return r.shape.walk(r.text, func(i int, raw []byte) error {
		return r.assign(p.Elem().FieldByIndex(plan.paths[i]).Addr().Interface(), raw, i)
	})
}

var (
	scanner     = reflect.TypeFor[sql.Scanner]()
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType    = reflect.TypeFor[time.Time]()
)

// isValue reports whether a struct type stands for one value, as time.Time and sql.Null do.
func isValue(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t == timeType || p.Implements(scanner) || p.Implements(unmarshaler)
}

// Map is the row by column name, each value as Scan gives it to an *any.
func (r Row) Map() (map[string]any, error) {
	m := make(map[string]any, len(r.shape.columns))
	err := r.shape.walk(r.text, func(i int, raw []byte) (err error) {
		m[r.shape.columns[i].Name], err = value.Any(raw)
		return err
	})
	return m, err
}

// JSON is the row as it came, a JSON object. It must not be changed.
func (r Row) JSON() json.RawMessage {
	end, err := jsonscan.Value(r.text, 0)
	if err != nil {
		return nil // cannot be: the row was checked when its frame was read
	}
	return r.text[:end]
}
