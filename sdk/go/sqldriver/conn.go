package sqldriver

import (
	"context"
	"database/sql/driver"
	"fmt"

	duckling "github.com/chittihq/duckling/sdk/go"
)

// conn is what database/sql takes for a connection: a way to the shared client.
type conn struct {
	connector *Connector
	owns      bool // whether the client is this connection's alone
}

var (
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

func (c *conn) Close() error {
	if c.owns {
		return c.connector.Close()
	}
	return nil
}

func (c *conn) Ping(ctx context.Context) error { return c.connector.client.Ping(ctx) }

func (c *conn) Begin() (driver.Tx, error) { return nil, ErrReadOnly }

func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	return nil, ErrReadOnly
}

func (c *conn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, ErrReadOnly
}

// CheckNamedValue lets every value through: the client encodes more types than database/sql
// knows, and names what it cannot.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if v.Name != "" {
		return fmt.Errorf("parameter %q has a name; Duckling takes values for ? in order", v.Name)
	}
	return nil
}

// QueryContext asks for the whole result, which is the fastest way, and for a stream
// when the server says that it is too large for that.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	list := values(args)
	result, err := c.connector.client.Query(ctx, query, list...)
	return c.rows(ctx, result, err, query, list)
}

func (c *conn) rows(ctx context.Context, result *duckling.Result, err error, query string, args []any) (driver.Rows, error) {
	if duckling.CodeOf(err) == duckling.CodeResultTooLarge {
		stream, err := c.connector.client.OpenStream(ctx, duckling.Request{SQL: query, Args: args})
		if err != nil {
			return nil, err
		}
		return newRows(stream, c.connector.options), nil
	}
	if err != nil {
		return nil, err
	}
	return newRows(&whole{result: result}, c.connector.options), nil
}

func values(args []driver.NamedValue) []any {
	list := make([]any, len(args))
	for _, a := range args {
		list[a.Ordinal-1] = a.Value
	}
	return list
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	prepared, err := c.connector.client.Prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return &stmt{conn: c, query: query, prepared: prepared}, nil
}

type stmt struct {
	conn     *conn
	query    string
	prepared *duckling.Stmt
}

var (
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

func (s *stmt) Close() error {
	s.prepared.Close()
	return nil
}

func (s *stmt) NumInput() int { return s.prepared.Parameters() }

func (s *stmt) CheckNamedValue(v *driver.NamedValue) error { return s.conn.CheckNamedValue(v) }

func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, ErrReadOnly }

func (s *stmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return nil, ErrReadOnly
}

// Query is the form without a context, which database/sql no longer uses.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return s.QueryContext(context.Background(), named)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	list := values(args)
	result, err := s.prepared.Query(ctx, list...)
	return s.conn.rows(ctx, result, err, s.query, list)
}
