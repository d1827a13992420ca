package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Params are a statement's parameters as they come in JSON. A number without
// fraction is an integer, so that LIMIT ? and comparisons keep their type; an array is a list.
type Params []any

// UnmarshalJSON reads an array or null.
func (p *Params) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var raw any
	if err := decoder.Decode(&raw); err != nil {
		return err
	}
	if raw == nil {
		return nil
	}
	list, ok := raw.([]any)
	if !ok {
		return &Error{Code: CodeParams, Message: "params must be an array"}
	}
	for i, v := range list {
		value, err := fromJSON(v)
		if err != nil {
			return &Error{Code: CodeParams, Message: fmt.Sprintf("parameter %d: %v", i+1, err)}
		}
		*p = append(*p, value)
	}
	return nil
}

// Unreadable explains why a request could not be read.
func Unreadable(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	message := "the request is not valid JSON: " + err.Error()
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		message = fmt.Sprintf("the request must be %s and is %s", kindOf(wrong.Type), article(wrong.Value))
		if wrong.Field != "" {
			message = fmt.Sprintf("%s must be %s and is %s", wrong.Field, kindOf(wrong.Type), article(wrong.Value))
		}
	}
	return &Error{Code: CodeInvalidRequest, Message: message}
}

// kindOf is what JSON calls the values of a type.
func kindOf(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // requests have no others
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a whole number"
	}
}

// article puts one before the name that encoding/json has for a value's kind.
func article(value string) string {
	switch {
	case value == "bool":
		return "true or false"
	case strings.HasPrefix(value, "number"), value == "string":
		return "a " + value
	}
	return "an " + value
}

// deepPath tells whether a parameter is a JSON path of so many wildcards that DuckDB would come to the end of its stack, where it goes into a value by them.
func deepPath(v any) bool {
	const most = 1000
	switch v := v.(type) {
	case string:
		return len(v) > most && v[0] == '$' && strings.Count(v, "*") > most
	case []any:
		return slices.ContainsFunc(v, deepPath)
	}
	return false
}

func fromJSON(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %.20s is out of range", v)
		}
		return f, nil
	case []any:
		for i := range v {
			value, err := fromJSON(v[i])
			if err != nil {
				return nil, err
			}
			v[i] = value
		}
		return v, nil
	case map[string]any:
		return nil, fmt.Errorf("an object cannot be a parameter; send it as JSON text")
	default:
		return v, nil
	}
}
