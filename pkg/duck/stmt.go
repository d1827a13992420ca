package duck

// #include "answer.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// ErrNotOneStatement is returned by Prepare for an empty text or for several statements.
var ErrNotOneStatement = errors.New("exactly one SQL statement is expected")

// StatementKind is DuckDB's class of a statement.
type StatementKind int

// The kinds that callers tell apart.
const (
	KindOther StatementKind = iota
	KindSelect
	KindExplain
)

// Stmt is a prepared statement of one Conn, and bound to it.
type Stmt struct {
	conn   *Conn
	stmt   mapping.PreparedStatement
	params int
	long   bool // its first rows took long when it ran last

	// Kept is for whoever runs the statement to keep what it made for the result's columns. It is nil whenever the last run's
	// were, or may have been, others than those of the run before.
	Kept    any
	columns []Column // of the last run
	shape   *C.shape // of these columns, or nil
}

// Prepare parses and binds exactly one statement and runs nothing.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	var extracted mapping.ExtractedStatements
	count := mapping.ExtractStatements(c.conn, sql, &extracted)
	defer mapping.DestroyExtracted(&extracted)
	if count == 0 {
		if message := mapping.ExtractStatementsError(extracted); message != "" {
			return nil, newError(message)
		}
		return nil, ErrNotOneStatement
	}
	if count != 1 {
		return nil, ErrNotOneStatement
	}
	s := &Stmt{conn: c}
	if mapping.PrepareExtractedStatement(c.conn, extracted, 0, &s.stmt) == mapping.StateError {
		err := newError(mapping.PrepareError(s.stmt))
		mapping.DestroyPrepare(&s.stmt)
		return nil, err
	}
	s.params = int(mapping.NParams(s.stmt))
	return s, nil
}

// Close frees the statement. Results made from it stay valid.
func (s *Stmt) Close() {
	s.forget()
	mapping.DestroyPrepare(&s.stmt)
}

// Kind tells what the statement does.
func (s *Stmt) Kind() StatementKind {
	switch mapping.PreparedStatementType(s.stmt) {
	case mapping.StatementTypeSelect:
		return KindSelect
	case mapping.StatementTypeExplain:
		return KindExplain
	default:
		return KindOther
	}
}

// Params is the number of parameters DuckDB found.
func (s *Stmt) Params() int { return s.params }

// Query runs the statement and returns its whole result, held in memory by DuckDB outside its
// memory limit. When ctx ends it is interrupted and the error is ctx's.
func (s *Stmt) Query(ctx context.Context, args ...any) (*Result, error) {
	return s.run(ctx, args, false)
}

// Stream runs the statement and returns a result that DuckDB produces as it is
// read, through a buffer of about a megabyte. The connection is busy until the result is closed.
func (s *Stmt) Stream(ctx context.Context, args ...any) (*Result, error) {
	return s.run(ctx, args, true)
}

func (s *Stmt) run(ctx context.Context, args []any, stream bool) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.bind(args); err != nil {
		return nil, err
	}
	r := &Result{ctx: ctx, conn: s.conn, stream: stream, release: s.conn.interruptOn(ctx)}
	if err := r.begin(s); err != nil {
		r.Close()
		if ctx.Err() != nil && Interrupted(err) {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return r, nil
}

func (s *Stmt) bind(args []any) error {
	if s.params != len(args) {
		return &ParamsError{Want: s.params, Got: len(args)}
	}
	for i, arg := range args {
		state, err := s.bindOne(mapping.IdxT(i+1), arg)
		if err != nil {
			return &ParamError{Param: i + 1, Err: err}
		}
		if state == mapping.StateError {
			return &ParamError{Param: i + 1, Err: newError(mapping.PrepareError(s.stmt))}
		}
	}
	return nil
}

// bindOne binds a parameter. The usual ones need no value made for them.
func (s *Stmt) bindOne(place mapping.IdxT, arg any) (mapping.State, error) {
	switch v := arg.(type) {
	case int64:
		return mapping.BindInt64(s.stmt, place, v), nil
	case float64:
		return mapping.BindDouble(s.stmt, place, v), nil
	case string:
		if utf8.ValidString(v) {
			return mapping.BindVarcharLength(s.stmt, place, v, mapping.IdxT(len(v))), nil
		}
	}
	v, err := newValue(arg)
	if err != nil {
		return mapping.StateError, err
	}
	defer mapping.DestroyValue(&v)
	return mapping.BindValue(s.stmt, place, v), nil
}

// ParamsError reports a wrong number of parameters.
type ParamsError struct{ Want, Got int }

func (e *ParamsError) Error() string {
	return fmt.Sprintf("the statement takes %d parameters, %d were given", e.Want, e.Got)
}

// ParamError reports a parameter that no statement can have.
type ParamError struct {
	Param int // from 1
	Err   error
}

func (e *ParamError) Error() string { return fmt.Sprintf("parameter %d: %v", e.Param, e.Err) }

func (e *ParamError) Unwrap() error { return e.Err }

// Columns describes the result that the statement will have. A type that depends on a parameter is given as unknown.
func (s *Stmt) Columns() []Column {
	columns := make([]Column, mapping.PreparedStatementColumnCount(s.stmt))
	for i := range columns {
		lt := mapping.PreparedStatementColumnLogicalType(s.stmt, mapping.IdxT(i))
		columns[i] = Column{Name: mapping.PreparedStatementColumnName(s.stmt, mapping.IdxT(i)), Type: newType(lt)}
		mapping.DestroyLogicalType(&lt)
	}
	return columns
}
