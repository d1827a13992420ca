package duckling

import (
	"context"
	"fmt"
)

// Select runs a statement and returns its rows as values of T, as Row.Into fills them: a
// struct, a map[string]any, or the type of the only column.
//
//	users, err := duckling.Select[User](ctx, client, "SELECT id, name FROM User WHERE id > ?", 7)
func Select[T any](ctx context.Context, q Querier, sql string, args ...any) ([]T, error) {
	result, err := q.Do(ctx, Request{SQL: sql, Args: args})
	if err != nil {
		return nil, err
	}
	return Collect[T](result)
}

// Get is Select for a statement with one row. More rows are an error, none is ErrNoRows.
func Get[T any](ctx context.Context, q Querier, sql string, args ...any) (T, error) {
	var one T
	result, err := q.Do(ctx, Request{SQL: sql, Args: args})
	if err != nil {
		return one, err
	}
	switch n := result.Len(); n {
	case 0:
		return one, ErrNoRows
	case 1:
		return one, result.Row(0).Into(&one)
	default:
		return one, fmt.Errorf("the statement returned %d rows where one is wanted", n)
	}
}

// Collect returns all rows of a result as values of T.
func Collect[T any](result *Result) ([]T, error) {
	all := make([]T, result.Len())
	for i, row := range result.Rows() {
		if err := row.Into(&all[i]); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return all, nil
}
