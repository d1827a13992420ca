package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// bareSyncer reads the binlog from a set of GTIDs on until it has seen that many rows, with the library's own decoding
// of rows and its defaults.
func bareSyncer(ctx context.Context, s *mysqltest.Server, from string, want int) (measured, error) {
	host, portText, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return measured{}, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return measured{}, err
	}
	set, err := mysql.ParseGTIDSet(string(s.Flavor), from)
	if err != nil {
		return measured{}, fmt.Errorf("parsing the source's GTIDs: %w", err)
	}
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: 77, Flavor: string(s.Flavor), Host: host, Port: uint16(port), User: "root", Password: mysqltest.RootPassword,
		Logger: slog.New(slog.DiscardHandler), DisableRetrySync: true, DiscardGTIDSet: true, VerifyChecksum: true,
	})
	defer syncer.Close()
	began := time.Now()
	stream, err := syncer.StartSyncGTID(set)
	if err != nil {
		return measured{}, fmt.Errorf("starting the bare reader: %w", err)
	}
	for rows := 0; rows < want; {
		e, err := stream.GetEvent(ctx)
		if err != nil {
			return measured{}, fmt.Errorf("reading the binlog: %w", err)
		}
		if event, ok := e.Event.(*replication.RowsEvent); ok {
			n := len(event.Rows)
			if e.Header.EventType == replication.UPDATE_ROWS_EVENTv2 {
				n /= 2
			}
			rows += n
		}
	}
	return measured{name: "(a) bare BinlogSyncer", rows: want, took: time.Since(began)}, nil
}

// mysqlbinlog reads files of the server's binlog as they lie on disk.
func mysqlbinlog(ctx context.Context, program string, db *sql.DB, files []string, want int) (measured, error) {
	var data string
	if err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&data); err != nil {
		return measured{}, fmt.Errorf("finding the binlog: %w", err)
	}
	args := []string{"--no-defaults", "--base64-output=decode-rows", "--verify-binlog-checksum"}
	for _, file := range files {
		args = append(args, filepath.Join(data, file))
	}
	cmd := exec.CommandContext(ctx, program, args...)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return measured{}, fmt.Errorf("running mysqlbinlog on %v: %w", files, err)
	}
	return measured{name: "(b) mysqlbinlog", rows: want, took: time.Since(began)}, nil
}

// bareSelect reads a table and drops it.
func bareSelect(ctx context.Context, db *sql.DB, table string) (measured, error) {
	began := time.Now()
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		return measured{}, err
	}
	defer rows.Close()
	values := make([]sql.RawBytes, 6)
	pointers := make([]any, len(values))
	for i := range values {
		pointers[i] = &values[i]
	}
	n := 0
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return measured{}, err
		}
		n++
	}
	return measured{name: "bare SELECT *", rows: n, took: time.Since(began)}, rows.Err()
}
