package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON object that keeps the order of its fields, which is the order of the page.
type object struct {
	names  []string
	fields map[string]any // object, []any, string, bool, json.Number or nil
}

func parse(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := value(d)
	if err != nil {
		return object{}, err
	}
	o, ok := v.(object)
	if !ok {
		return object{}, fmt.Errorf("it is a %T, not an object", v)
	}
	return o, nil
}

func value(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	switch token {
	case json.Delim('{'):
		o := object{fields: map[string]any{}}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, fmt.Errorf("reading JSON: %w", err)
			}
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), v)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

func (o *object) set(name string, v any) {
	if _, ok := o.fields[name]; !ok {
		o.names = append(o.names, name)
	}
	o.fields[name] = v
}

// at is the object in a field; an empty one when there is none.
func (o object) at(name string) object {
	inner, _ := o.fields[name].(object)
	return inner
}

func (o object) list(name string) []any {
	list, _ := o.fields[name].([]any)
	return list
}

func (o object) text(name string) string {
	s, _ := o.fields[name].(string)
	return s
}

func (o object) has(name string) bool {
	_, ok := o.fields[name]
	return ok
}

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, name := range o.names {
		if i > 0 {
			b = append(b, ',')
		}
		for j, part := range []any{name, o.fields[name]} {
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			if err := e.Encode(part); err != nil {
				return nil, fmt.Errorf("writing %s: %w", name, err)
			}
			if j > 0 {
				b = append(b, ':')
			}
			b = append(b, bytes.TrimSpace(text.Bytes())...)
		}
	}
	return append(b, '}'), nil
}
