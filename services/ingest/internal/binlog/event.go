// Package binlog reads a source's binlog and hands it on as transactions:
// rows, statements and ends, with 64-bit positions and unpacked compression.
// It is the only package that imports go-mysql.
package binlog

import (
	"fmt"

	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// Kind says what an Event is.
type Kind uint8

const (
	// Rows are changed rows of one table, within a transaction.
	Rows Kind = iota + 1
	// Statement is text the source logged in place of rows: DDL, as a rule.
	Statement
	// End is the end of a transaction.
	End
	// Passed says that the binlog was read up to a place between two transactions.
	Passed
)

// Operation is what was done to the rows of a Rows event.
type Operation uint8

const (
	Insert Operation = iota + 1
	Update           // images alternate: before, after
	Delete
)

// Event is one step of the binlog.
type Event struct {
	Kind Kind

	// Rows
	Table     *TableMap
	Operation Operation
	// Images are the row images end to end, see mysqltype.Image.
	Images []byte
	// Incomplete says why the images are not whole rows; empty when they are.
	Incomplete string

	// Statement
	Schema, SQL string
	// Collation is that of SQL's characters, 0 where that is not known. NoEscapes: a backslash in its strings stands for itself.
	Collation uint64
	NoEscapes bool
	// Alone: the statement is a transaction by itself, and ends here.
	Alone bool

	// End
	RolledBack bool // see Reader: rows of tables without transactions may stand
	// Undone says that part of the transaction's rows were taken back after they were logged.
	Undone bool
	// Prepared is the id of the XA transaction whose rows these are. They stand once it is committed, which another End tells.
	Prepared string
	// Commits and Undoes are the id of a prepared XA transaction that ends here, one way or the other.
	Commits, Undoes string

	// XA: the event belongs to an XA transaction, which may end as Prepared.
	XA bool

	// GTID names the transaction, on End, on a Statement that is Alone, and on Rows.
	GTID GTID
	// CommitTime is the transaction's, microseconds since 1970 UTC.
	CommitTime int64
	// File and Offset are where the event ends.
	File   string
	Offset uint64

	size int64
}

// TableMap describes the rows that follow it. A pointer stands for one description: the same
// pointer comes again as long as nothing about the table changed.
type TableMap struct {
	Schema, Name string
	Columns      []mysqltype.MapColumn
	// Key names the primary key's columns; empty when the table has none.
	Key []string
	// Named is false when the source does not send names and signs, for want of
	// binlog_row_metadata=FULL. Columns is empty then.
	Named bool
}

// IncidentError: the source's binlog says of itself that changes are missing from it.
type IncidentError struct {
	File    string
	Offset  uint64
	Message string
}

func (e *IncidentError) Error() string {
	return fmt.Sprintf("the source logged an incident at %s:%d, changes are missing from its binlog: %s", e.File, e.Offset, e.Message)
}

// PurgedError: the source no longer has the binlog from the place asked for.
type PurgedError struct{ Reason string }

func (e *PurgedError) Error() string {
	return "the source has purged the binlog that comes next: " + e.Reason
}
