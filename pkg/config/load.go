// Package config reads services' settings from the environment, and reports all that is
// wrong with them at once, each by the name of its variable.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Checker is implemented by settings that have rules of their own.
type Checker interface {
	// Problems returns complete sentences that name the variable and say what to do.
	Problems() []string
}

// Error lists everything that is wrong with a configuration. It never contains a value that could be a secret.
type Error struct{ Problems []string }

func (e *Error) Error() string {
	return "configuration: " + strings.Join(e.Problems, "; ")
}

// Load fills each of cfgs, pointers to structs with `env` tags as caarlos0/env
// reads them, and returns an *Error that covers all of them.
func Load(cfgs ...any) error {
	var problems []string
	for _, cfg := range cfgs {
		problems = append(problems, load(cfg)...)
	}
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

func load(cfg any) []string {
	var problems []string
	if err := env.Parse(cfg); err != nil {
		var all env.AggregateError
		if !errors.As(err, &all) {
			return []string{err.Error()}
		}
		fields := variables(reflect.TypeOf(cfg).Elem(), "")
		for _, e := range all.Errors {
			problems = append(problems, problem(e, fields))
		}
	}
	// Rules are checked on what could be read even when some of it could not, so that
	// one start shows everything.
	if c, ok := cfg.(Checker); ok {
		problems = append(problems, c.Problems()...)
	}
	return problems
}

func problem(err error, fields []field) string {
	var unset env.VarIsNotSetError
	var empty env.EmptyVarError
	var parse env.ParseError
	switch {
	case errors.As(err, &unset):
		return unset.Key + " is not set"
	case errors.As(err, &empty):
		return empty.Key + " is empty"
	case errors.As(err, &parse):
		return fmt.Sprintf("%s: %v", named(fields, parse), reason(parse))
	default:
		return err.Error()
	}
}

// reason says what form a value must have; the value itself may be anything, so it is not repeated.
func reason(e env.ParseError) string {
	switch e.Type.Kind() {
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int64, reflect.Uint16, reflect.Uint, reflect.Uint64:
		if e.Type.String() == "time.Duration" {
			return "must be a duration such as 250ms, 30s or 24h"
		}
		if e.Type == reflect.TypeFor[Bytes]() {
			return e.Err.Error()
		}
		return "must be a whole number"
	default:
		return e.Err.Error()
	}
}

// field is a field that is read from a variable.
type field struct {
	name     string
	typ      reflect.Type
	variable string
}

// variables lists the fields of a struct and of the structs in it.
func variables(t reflect.Type, prefix string) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, ok := f.Tag.Lookup("env"); ok {
			name, _, _ := strings.Cut(tag, ",")
			out = append(out, field{name: f.Name, typ: f.Type, variable: prefix + name})
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			out = append(out, variables(f.Type, prefix+f.Tag.Get("envPrefix"))...)
		}
	}
	return out
}

// named returns the variable that an error is about. The library tells only the field's name; where
// several fields have it, all their variables that are set are named.
func named(fields []field, e env.ParseError) string {
	var set, all []string
	for _, f := range fields {
		if f.name != e.Name || f.typ != e.Type {
			continue
		}
		all = append(all, f.variable)
		if os.Getenv(f.variable) != "" {
			set = append(set, f.variable)
		}
	}
	switch {
	case len(set) > 0:
		return strings.Join(set, " or ")
	case len(all) > 0:
		return strings.Join(all, " or ")
	}
	return e.Name
}
