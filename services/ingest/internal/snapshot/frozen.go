package snapshot

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// Frozen is a table as it was at one place in the binlog.
type Frozen struct {
	// File and Offset are the place: the rows hold what was committed up to there, and nothing later.
	File   string
	Offset uint64

	copy *Copy
	conn *sql.Conn
}

// Freeze opens a consistent read of the table that includes everything up to visible. The caller closes it.
func (c *Copy) Freeze(ctx context.Context, visible binlog.Position) (*Frozen, error) {
	conn, err := c.Server.DB.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	f := &Frozen{copy: c, conn: conn}
	if f.File, f.Offset, err = c.Server.Frozen(ctx, conn, visible, c.Table.Name, c.Table.Transactional); err != nil {
		f.Close()
		return nil, fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return f, nil
}

// Read emits all rows, in no order that means anything.
func (f *Frozen) Read(ctx context.Context, emit Emit) error { return f.copy.readAll(ctx, f.conn, emit) }

func (c *Copy) readAll(ctx context.Context, conn *sql.Conn, emit Emit) error {
	statement := "SELECT " + c.selectColumns() + " FROM " + c.Server.Name(c.Table.Name)
	none := func([]driver.Value) ([]byte, error) { return nil, nil }
	if err := c.scan(ctx, conn, statement, none, nil, emit); err != nil {
		return fmt.Errorf("reading %q: %w", c.Table.Name, err)
	}
	return nil
}

// Close ends the read and the connection, and with it whatever lock it held.
func (f *Frozen) Close() {
	// The connection must not go back to the pool with a transaction or a lock.
	_ = f.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = f.conn.Close()
}
