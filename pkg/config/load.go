// Package config reads services' settings from the environment, and reports all that is
// wrong with them at once, each by the name of its variable.
package config

import (
	"errors"
	"fmt"
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
		names := variables(reflect.TypeOf(cfg).Elem())
		for _, e := range all.Errors {
			problems = append(problems, problem(e, names))
		}
	}
	// Rules are checked on what could be read even when some of it could not, so that
	// one start shows everything.
	if c, ok := cfg.(Checker); ok {
		problems = append(problems, c.Problems()...)
	}
	return problems
}

func problem(err error, variables map[string]string) string {
	var unset env.VarIsNotSetError
	var empty env.EmptyVarError
	var parse env.ParseError
	switch {
	case errors.As(err, &unset):
		return unset.Key + " is not set"
	case errors.As(err, &empty):
		return empty.Key + " is empty"
	case errors.As(err, &parse):
		name := variables[parse.Name]
		return fmt.Sprintf("%s: %v", name, reason(parse))
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

// variables maps field names to the variables they are read from.
func variables(t reflect.Type) map[string]string {
	names := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, ok := f.Tag.Lookup("env"); ok {
			names[f.Name], _, _ = strings.Cut(tag, ",")
			continue
		}
		if f.Type.Kind() == reflect.Struct {
			for k, v := range variables(f.Type) {
				names[k] = v
			}
		}
	}
	return names
}
