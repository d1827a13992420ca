package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	return &Error{Code: CodeInvalidRequest, Message: "the request is not valid JSON of the expected form: " + err.Error()}
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
		return v.Float64()
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
