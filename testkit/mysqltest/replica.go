package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
)

// ReplicateFrom makes the server a GTID replica of source, from the first transaction of
// source's binlog on. Both must be of one flavor. Use WaitFor to wait until it has caught up.
func (s *Server) ReplicateFrom(ctx context.Context, source *Server) error {
	host, port, err := net.SplitHostPort(source.Addr)
	if err != nil {
		return fmt.Errorf("reading the address of the source: %w", err)
	}
	const mysqlForm = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%s, SOURCE_USER='root', SOURCE_PASSWORD='%s', " +
		"SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1"
	const mariaForm = "CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='root', MASTER_PASSWORD='%s', " +
		"MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
	statements := []string{fmt.Sprintf(mysqlForm, host, port, RootPassword), "START REPLICA"}
	if s.Flavor == MariaDB {
		statements = []string{fmt.Sprintf(mariaForm, host, port, RootPassword), "START SLAVE"}
	}
	if err := s.Exec(ctx, statements...); err != nil {
		return fmt.Errorf("replicating from %s: %w", source.Addr, err)
	}
	return nil
}

// WaitFor returns when the server has applied everything that source has committed by now.
func (s *Server) WaitFor(ctx context.Context, source *Server) error {
	position, err := source.GTID(ctx)
	if err != nil {
		return err
	}
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	wait := "SELECT WAIT_FOR_EXECUTED_GTID_SET(?)"
	if s.Flavor == MariaDB {
		wait = "SELECT MASTER_GTID_WAIT(?)"
	}
	var outcome sql.NullInt64
	if err := db.QueryRowContext(ctx, wait, position).Scan(&outcome); err != nil {
		return fmt.Errorf("waiting for %s: %w", position, err)
	}
	if outcome.Int64 != 0 {
		return fmt.Errorf("waiting for %s: the server gave up", position)
	}
	return nil
}

// GTID is what the server has committed: @@gtid_executed of MySQL, @@gtid_binlog_pos of
// MariaDB. It is empty where GTID is off.
func (s *Server) GTID(ctx context.Context) (string, error) {
	db, err := s.Open("")
	if err != nil {
		return "", err
	}
	defer db.Close()
	query := "SELECT @@GLOBAL.gtid_executed"
	if s.Flavor == MariaDB {
		query = "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	var position string
	if err := db.QueryRowContext(ctx, query).Scan(&position); err != nil {
		return "", fmt.Errorf("reading the GTID position of %s: %w", s.Addr, err)
	}
	return position, nil
}
