package duck

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

var errNotUTF8 = errors.New("a text must be UTF-8")

// newValue turns a Go value into a DuckDB parameter: nil, bool, int, int64, uint64, float64, string,
// []byte, time.Time (TIMESTAMP in UTC), and []any of one of these kinds (a LIST).
func newValue(arg any) (mapping.Value, error) {
	switch v := arg.(type) {
	case nil:
		return mapping.CreateNullValue(), nil
	case bool:
		return mapping.CreateBool(v), nil
	case int:
		return mapping.CreateInt64(int64(v)), nil
	case int64:
		return mapping.CreateInt64(v), nil
	case uint64:
		return mapping.CreateUInt64(v), nil
	case float64:
		return mapping.CreateDouble(v), nil
	case string:
		if !utf8.ValidString(v) {
			return mapping.Value{}, errNotUTF8 // DuckDB makes no value of it, and crashes when that is bound
		}
		return mapping.CreateVarcharLength(v, mapping.IdxT(len(v))), nil
	case []byte:
		return mapping.CreateBlob(v), nil
	case time.Time:
		return mapping.CreateTimestamp(mapping.NewTimestamp(v.UnixMicro())), nil
	case []any:
		return newList(v)
	default:
		return mapping.Value{}, fmt.Errorf("a %T cannot be a parameter", arg)
	}
}

func newList(items []any) (mapping.Value, error) {
	values := make([]mapping.Value, 0, len(items))
	defer func() {
		for i := range values {
			mapping.DestroyValue(&values[i])
		}
	}()
	id := mapping.TypeSQLNull
	for i, item := range items {
		got, err := elementType(item)
		if err != nil {
			return mapping.Value{}, fmt.Errorf("element %d: %w", i, err)
		}
		v, err := newValue(item)
		if err != nil {
			return mapping.Value{}, fmt.Errorf("element %d: %w", i, err)
		}
		values = append(values, v)
		switch {
		case got == mapping.TypeSQLNull || got == id:
		case id == mapping.TypeSQLNull:
			id = got
		case numeric(id) && numeric(got):
			id = mapping.TypeDouble
		default:
			return mapping.Value{}, fmt.Errorf("element %d is of another type than those before it", i)
		}
	}
	element := mapping.CreateLogicalType(id)
	defer mapping.DestroyLogicalType(&element)
	return mapping.CreateListValue(element, values), nil
}

func numeric(t mapping.Type) bool {
	return t == mapping.TypeBigInt || t == mapping.TypeUBigInt || t == mapping.TypeDouble
}

func elementType(item any) (mapping.Type, error) {
	switch item.(type) {
	case nil:
		return mapping.TypeSQLNull, nil
	case bool:
		return mapping.TypeBoolean, nil
	case int, int64:
		return mapping.TypeBigInt, nil
	case uint64:
		return mapping.TypeUBigInt, nil
	case float64:
		return mapping.TypeDouble, nil
	case string:
		return mapping.TypeVarchar, nil
	case []byte:
		return mapping.TypeBlob, nil
	case time.Time:
		return mapping.TypeTimestamp, nil
	default:
		return 0, errors.New("a list in a list cannot be a parameter; send it as JSON text")
	}
}
