package duckling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

// Request is one statement with everything that can be said about it. SQL is required.
type Request struct {
	SQL string
	// Args are the values for the `?` in SQL: strings, numbers of any size, bools, nil, time.Time
	// (bound as UTC), driver.Valuer, encoding.TextMarshaler, and pointers to these.
	Args []any
	// Timeout takes the place of Config.RequestTimeout; negative means none.
	Timeout time.Duration
	// Retry sends the request again, up to three times, when its connection is lost.
	Retry bool
	// NestJSON has JSON columns sent as nested values in place of text.
	NestJSON bool
}

func (r Request) statement() (wire.Statement, error) {
	if r.SQL == "" {
		return wire.Statement{}, &Error{Code: CodeBadRequest, Message: "SQL query is required"}
	}
	params, err := wire.Params(r.Args)
	if err != nil {
		return wire.Statement{}, &Error{Code: CodeSQLParams, Message: "encoding the parameters", Err: err}
	}
	return wire.Statement{SQL: r.SQL, Params: params}, nil
}

func (c *Client) reading(nestJSON bool) wire.Reading {
	return wire.Reading{NestJSON: nestJSON, Dialect: string(c.cfg.Dialect)}
}

// withMeta is for the messages whose replies only have meta when asked.
func (c *Client) withMeta(nestJSON bool) wire.Reading {
	r := c.reading(nestJSON)
	r.Meta = true
	return r
}

// Querier runs statements: a Client, a Pool, or a Breaker around one of them.
type Querier interface {
	Do(ctx context.Context, request Request) (*Result, error)
}

// Query runs one statement and returns its whole result. When ctx ends first, Query returns
// at once with an error that wraps ctx.Err(), and the server is told to stop.
func (c *Client) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	return c.Do(ctx, Request{SQL: sql, Args: args})
}

// Do is Query for a Request.
func (c *Client) Do(ctx context.Context, request Request) (*Result, error) {
	statement, err := request.statement()
	if err != nil {
		return nil, err
	}
	w := c.patience(ctx, request.Timeout)
	defer w.stop()
	reply, err := c.send(w, wire.Query(statement, c.withMeta(request.NestJSON)), request.Retry)
	if err != nil {
		return nil, err
	}
	return newResult(reply)
}

// Statement is a SQL text and its values, as one of a batch.
type Statement struct {
	SQL  string
	Args []any
}

// BatchError says which statement of a batch failed.
type BatchError struct {
	Index int // of the statement, from zero
	Err   error
}

// Error names the statement by its index.
func (e *BatchError) Error() string {
	return fmt.Sprintf("statement %d of the batch: %v", e.Index, e.Err)
}

// Unwrap returns why the statement failed.
func (e *BatchError) Unwrap() error { return e.Err }

// QueryBatch runs up to 1000 statements on one generation, so that their results belong
// together, in one round trip. Results are in the order of the statements. Each statement
// succeeds or fails for itself: where one failed its result is nil, and the error joins a
// *BatchError for each. When the batch as a whole failed the results are nil.
func (c *Client) QueryBatch(ctx context.Context, statements ...Statement) ([]*Result, error) {
	return c.DoBatch(ctx, Batch{Statements: statements})
}

// Batch is what DoBatch runs. Its fields mean what they mean in Request.
type Batch struct {
	Statements []Statement
	Timeout    time.Duration
	Retry      bool
	NestJSON   bool
}

// DoBatch is QueryBatch for a Batch.
func (c *Client) DoBatch(ctx context.Context, batch Batch) ([]*Result, error) {
	if len(batch.Statements) == 0 {
		return nil, nil
	}
	statements := make([]wire.Statement, len(batch.Statements))
	for i, s := range batch.Statements {
		var err error
		if statements[i], err = (Request{SQL: s.SQL, Args: s.Args}).statement(); err != nil {
			return nil, &BatchError{i, err}
		}
	}
	w := c.patience(ctx, batch.Timeout)
	defer w.stop()
	reply, err := c.send(w, wire.Batch(statements, c.withMeta(batch.NestJSON)), batch.Retry)
	if err != nil {
		return nil, err
	}
	if len(reply.Results) != len(statements) {
		return nil, protocolError(fmt.Errorf("%d results for %d statements", len(reply.Results), len(statements)))
	}
	return batchResults(reply.Results)
}

func batchResults(items []wire.Reply) ([]*Result, error) {
	results := make([]*Result, len(items))
	var failed []error
	for i, item := range items {
		if !item.Success {
			failed = append(failed, &BatchError{i, failure(item.Failure)})
			continue
		}
		result, err := newResult(item)
		if err != nil {
			return nil, err
		}
		results[i] = result
	}
	return results, errors.Join(failed...)
}

// Ping makes a round trip to the server and back, connecting first where needed.
func (c *Client) Ping(ctx context.Context) error {
	w := c.patience(ctx, 0)
	defer w.stop()
	_, err := c.send(w, wire.Ping(), true)
	return err
}
