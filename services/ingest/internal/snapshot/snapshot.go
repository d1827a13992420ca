// Package snapshot reads a table's rows for a copy: by key ranges in parallel and
// without a lock where the table has a key, else in one consistent read.
package snapshot

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// pieceSize is how many bytes of rows make a piece, before compression.
const pieceSize = 384 << 10

// Copy reads one table as it was described. Its methods are called once.
type Copy struct {
	Server     *server.Server
	Table      *catalog.Table
	Definition *cdcv1.TableDefinition
	// Bounds are what a table with a key may take beyond the connection that its reader holds; nil for nothing.
	Bounds *Bounds

	most int // rows of a piece; 0 is no bound but its size
}

// Piece is a run of rows in the order they are to be published.
type Piece struct {
	Rows *frame.Rows
	// Resume is where to go on after this piece; nil for a copy that cannot be resumed.
	Resume []byte
	// Undated counts dates that were carried as null.
	Undated uint64

	waits bool // it holds room in Bounds
}

// Emit takes a piece, and with it the ownership of its rows.
type Emit func(Piece) error

// selectColumns lists the columns by name, for * leaves invisible ones out.
func (c *Copy) selectColumns() string {
	list := make([]string, len(c.Table.Columns))
	for i := range c.Table.Columns {
		list[i] = c.Table.Columns[i].SelectExpression()
	}
	return strings.Join(list, ", ")
}

// scan runs a SELECT of selectColumns and cuts its rows into pieces. resume makes the mark for the
// row just read; it is asked at the end of each piece, and for every row where last is nil. last is the mark for
// the end of the scan, where that is known before.
func (c *Copy) scan(ctx context.Context, conn *sql.Conn, statement string, resume func([]driver.Value) ([]byte, error), last []byte, emit Emit) error {
	return query(ctx, conn, statement, func(rows driver.Rows) error {
		values := make([]driver.Value, len(c.Table.Columns))
		piece := Piece{Rows: frame.NewRows(c.Definition)}
		for {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if err := c.appendRow(&piece, values); err != nil {
				return c.refused(err, values, resume)
			}
			full := c.full(piece.Rows)
			if full || last == nil {
				if piece.Resume, err = resume(values); err != nil {
					return err
				}
			}
			if full {
				if err := emit(piece); err != nil {
					return err
				}
				piece = Piece{Rows: frame.NewRows(c.Definition)}
			}
		}
		if piece.Rows.Len() == 0 {
			return nil
		}
		if last != nil {
			piece.Resume = last
		}
		return emit(piece)
	})
}

func (c *Copy) appendRow(piece *Piece, values []driver.Value) error {
	for i := range values {
		dated, err := c.Table.Columns[i].AppendValue(piece.Rows.Column(i), values[i])
		if err != nil {
			return err
		}
		if !dated {
			piece.Undated++
		}
	}
	piece.Rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
	return nil
}

// full asks for the size only every few rows where rows are small: the answer
// costs about as much as a row.
func (c *Copy) full(rows *frame.Rows) bool {
	if c.most > 0 && rows.Len() >= c.most {
		return true
	}
	if rows.Len()%16 != 0 && c.Table.RowBytes < 1024 {
		return false
	}
	return rows.Size() >= pieceSize
}

// query runs a statement in the binary protocol, which is exact for FLOAT, and hands its rows to read without
// database/sql in between.
func query(ctx context.Context, conn *sql.Conn, statement string, read func(driver.Rows) error) error {
	return conn.Raw(func(raw any) error {
		prepared, err := raw.(driver.ConnPrepareContext).PrepareContext(ctx, statement)
		if err != nil {
			return err
		}
		defer prepared.Close()
		rows, err := prepared.(driver.StmtQueryContext).QueryContext(ctx, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		return read(rows)
	})
}
