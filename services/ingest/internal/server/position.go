package server

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// Head is the end of the server's binlog. Every transaction whose rows a SELECT could
// see before the call is at or before it.
func (s *Server) Head(ctx context.Context) (file string, offset uint64, err error) {
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		return "", 0, err
	}
	defer conn.Close()
	return s.headOn(ctx, conn)
}

func (s *Server) headOn(ctx context.Context, conn *sql.Conn) (file string, offset uint64, err error) {
	statement := "SHOW MASTER STATUS"
	if s.Flavor == binlog.MySQL {
		statement = "SHOW BINARY LOG STATUS"
	}
	row, err := queryNamed(ctx, conn, statement)
	if s.Flavor == binlog.MySQL && Is(err, 1064) { // before 8.2
		row, err = queryNamed(ctx, conn, "SHOW MASTER STATUS")
	}
	if err != nil {
		return "", 0, fmt.Errorf("reading the end of the binlog: %w", err)
	}
	offset, err = strconv.ParseUint(row["Position"], 10, 64)
	if err != nil || row["File"] == "" {
		return "", 0, fmt.Errorf("reading the end of the binlog: the server keeps none; set log_bin")
	}
	return row["File"], offset, nil
}

// queryNamed returns the first row of a SHOW statement by column name; the columns differ between versions.
func queryNamed(ctx context.Context, conn *sql.Conn, statement string) (map[string]string, error) {
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(names))
	pointers := make([]any, len(names))
	for i := range values {
		pointers[i] = &values[i]
	}
	out := map[string]string{}
	if rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		for i, name := range names {
			out[name] = values[i].String
		}
	}
	return out, rows.Err()
}

// Executed is the server's own GTID set; nil where it has none.
func (s *Server) Executed(ctx context.Context) (*binlog.GTIDSet, error) {
	return s.gtidVariable(ctx, "gtid_executed", "gtid_binlog_pos")
}

// Purged is what was executed and is no longer in the binlog; nil where the server cannot tell.
func (s *Server) Purged(ctx context.Context) (*binlog.GTIDSet, error) {
	return s.gtidVariable(ctx, "gtid_purged", "")
}

func (s *Server) gtidVariable(ctx context.Context, onMySQL, onMariaDB string) (*binlog.GTIDSet, error) {
	name := onMySQL
	if s.Flavor == binlog.MariaDB {
		name = onMariaDB
	}
	if !s.GTID || name == "" {
		return nil, nil
	}
	var text string
	if err := s.DB.QueryRowContext(ctx, "SELECT @@GLOBAL."+name).Scan(&text); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return binlog.ParseGTIDSet(s.Flavor, text)
}

// Position is where a new stream begins: the present.
func (s *Server) Position(ctx context.Context) (binlog.Position, error) {
	file, offset, err := s.Head(ctx)
	if err != nil {
		return binlog.Position{}, err
	}
	p := binlog.Position{File: file, Offset: offset, CommitTime: time.Now().UnixMicro()}
	switch {
	case !s.GTID:
		return p, nil
	case s.Flavor == binlog.MariaDB:
		// Exactly the set that belongs to the place.
		var text sql.NullString
		if err := s.DB.QueryRowContext(ctx, "SELECT BINLOG_GTID_POS(?, ?)", file, offset).Scan(&text); err != nil {
			return binlog.Position{}, fmt.Errorf("reading the GTID position of %s:%d: %w", file, offset, err)
		}
		p.GTIDs, err = binlog.ParseGTIDSet(s.Flavor, text.String)
	default:
		p.GTIDs, err = s.Executed(ctx)
		// The binlog may hold transactions that are not in the set yet. They come first in the
		// stream, so the place is not known to be further than the file's beginning.
		p.Offset = 4
	}
	return p, err
}

// AwaitVisible returns when whatever conn reads from now on includes every transaction up to p. The
// binlog may be read before its transactions can be seen.
func (s *Server) AwaitVisible(ctx context.Context, conn *sql.Conn, p binlog.Position, table string) error {
	switch {
	case s.seen.has(conn, p):
		return nil
	case s.Flavor == binlog.MariaDB:
		return s.awaitSnapshot(ctx, conn, p, table)
	case p.GTIDs != nil:
		if err := awaitExecuted(ctx, conn, p.GTIDs.String()); err != nil {
			return err
		}
		s.seen.reach(conn, p)
		return nil
	default:
		// Without GTIDs only a lock knows: it is granted when the writers of the table have committed.
		return s.Locked(ctx, conn, table, func() error { return nil })
	}
}

// AwaitDefinition returns when the schema shows what a statement on a table did, of which the binlog has told already:
// MySQL sends it before its dictionary is committed. MariaDB's schema waits by itself.
func (s *Server) AwaitDefinition(ctx context.Context, gtid binlog.GTID, table string) error {
	if s.Flavor == binlog.MariaDB {
		return nil
	}
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if gtid.Valid() {
		return awaitExecuted(ctx, conn, gtid.String())
	}
	// The statement holds its table's name until then, even one that does not exist yet.
	if _, err := conn.ExecContext(ctx, "SET SESSION lock_wait_timeout = 5"); err != nil {
		return fmt.Errorf("waiting for the definition of %q: %w", table, err)
	}
	for {
		_, err := conn.ExecContext(ctx, "SELECT 1 FROM "+s.Name(table)+" LIMIT 0")
		switch {
		case err == nil, Is(err, 1146, 1049, 1142): // there, dropped since, or not for us to see
			return nil
		case !Is(err, 1205):
			return fmt.Errorf("waiting for the definition of %q: %w", table, err)
		}
	}
}

func awaitExecuted(ctx context.Context, conn *sql.Conn, set string) error {
	for {
		// In steps, for the wait does not end with the connection.
		var timedOut int
		if err := conn.QueryRowContext(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 5)", set).Scan(&timedOut); err != nil {
			return fmt.Errorf("waiting for the source to execute what its binlog says: %w", err)
		}
		if timedOut == 0 {
			return nil
		}
	}
}

// awaitSnapshot returns when a snapshot has everything up to p that concerns the table.
func (s *Server) awaitSnapshot(ctx context.Context, conn *sql.Conn, p binlog.Position, table string) error {
	at, err := s.snapshotAt(ctx, conn, p)
	switch {
	case err != nil:
		return err
	case at == nil:
		return s.Locked(ctx, conn, table, func() error { return nil })
	}
	if err := endSnapshot(ctx, conn); err != nil {
		return err
	}
	s.seen.reach(conn, p)
	return nil
}

// snapshotTries is how often a snapshot is opened until it is taken that no more are to come: over some three seconds.
const snapshotTries = 32

// snapshotAt opens a snapshot that has everything up to p, and returns its place, which MariaDB tells exactly: a transaction is in the
// binlog, and may have been read from there, before it is in any snapshot. Not all that is logged moves that place, so that on a
// quiet server it may stay before p. Then none is open and the place is nil; whoever needs p must lock.
func (s *Server) snapshotAt(ctx context.Context, conn *sql.Conn, p binlog.Position) (*binlog.Position, error) {
	pause := time.Millisecond
	for range snapshotTries {
		at := new(binlog.Position)
		var err error
		if at.File, at.Offset, err = s.snapshot(ctx, conn); err != nil {
			return nil, err
		}
		if at.Reached(p.File, p.Offset) {
			return at, nil
		}
		if err := endSnapshot(ctx, conn); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
	return nil, nil
}

func endSnapshot(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		return fmt.Errorf("ending a snapshot: %w", err)
	}
	return nil
}

// snapshot opens a consistent snapshot on conn and returns its place in MariaDB's binlog.
func (s *Server) snapshot(ctx context.Context, conn *sql.Conn) (file string, offset uint64, err error) {
	if err := openSnapshot(ctx, conn); err != nil {
		return "", 0, err
	}
	rows, err := conn.QueryContext(ctx, "SHOW STATUS LIKE 'binlog_snapshot_%'")
	if err != nil {
		return "", 0, fmt.Errorf("reading a snapshot's position: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return "", 0, fmt.Errorf("reading a snapshot's position: %w", err)
		}
		switch name {
		case "Binlog_snapshot_file":
			file = value
		case "Binlog_snapshot_position":
			if offset, err = strconv.ParseUint(value, 10, 64); err != nil {
				return "", 0, fmt.Errorf("reading a snapshot's position: %w", err)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return "", 0, fmt.Errorf("reading a snapshot's position: %w", err)
	}
	if file == "" {
		return "", 0, fmt.Errorf("reading a snapshot's position: the server tells none")
	}
	return file, offset, nil
}

func openSnapshot(ctx context.Context, conn *sql.Conn) error {
	// At any lower isolation the server takes no snapshot and only warns.
	for _, statement := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("opening a snapshot: %w", err)
		}
	}
	return nil
}

// Locked runs what needs that nobody writes to the table, holding a read lock on it. It waits a few
// seconds for the lock and then fails, for writers queue up behind it.
func (s *Server) Locked(ctx context.Context, conn *sql.Conn, table string, what func() error) error {
	if err := s.lock(ctx, conn, table); err != nil {
		return err
	}
	err := what()
	if _, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES"); err == nil && unlockErr != nil {
		err = fmt.Errorf("unlocking table %q: %w", table, unlockErr)
	}
	return err
}

func (s *Server) lock(ctx context.Context, conn *sql.Conn, table string) error {
	for _, statement := range []string{"SET SESSION lock_wait_timeout = 5", "LOCK TABLES " + s.Name(table) + " READ"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("locking table %q: %w", table, err)
		}
	}
	return nil
}

// Frozen makes reader see a table as it was at an exact place in the binlog, visible or later, until it ends the transaction and
// unlocks. A table without transactions stays locked against writers for as long.
func (s *Server) Frozen(ctx context.Context, reader *sql.Conn, visible binlog.Position, table string, transactional bool) (file string, offset uint64, err error) {
	switch {
	case !transactional:
		if err := s.lock(ctx, reader, table); err != nil {
			return "", 0, err
		}
		return s.headOn(ctx, reader)
	case s.Flavor == binlog.MariaDB:
		at, err := s.snapshotAt(ctx, reader, visible)
		if err != nil {
			return "", 0, err
		}
		if at != nil {
			return at.File, at.Offset, nil
		}
	}
	locker, err := s.DB.Conn(ctx)
	if err != nil {
		return "", 0, err
	}
	defer locker.Close()
	err = s.Locked(ctx, locker, table, func() error {
		if err := openSnapshot(ctx, reader); err != nil {
			return err
		}
		file, offset, err = s.headOn(ctx, locker)
		return err
	})
	return file, offset, err
}

// InMemory says that a table is one that a restart empties. The server then logs DELETE FROM in its own name, for which no trigger runs.
func (s *Server) InMemory(ctx context.Context, schema, table string) (bool, error) {
	var n int
	err := s.DB.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND ENGINE = 'MEMORY'", schema, table).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("reading the engine of %q: %w", table, err)
	}
	return n > 0, nil
}

// Name is the table's full name for a statement.
func (s *Server) Name(table string) string {
	return mysqltype.QuoteName(s.Schema) + "." + mysqltype.QuoteName(table)
}
