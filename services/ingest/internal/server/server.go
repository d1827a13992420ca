// Package server is the SQL side of a source: who it is, where its binlog
// stands, and when what the binlog says can be seen by a SELECT.
package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// Config says how to reach a source and which database of it to follow.
type Config struct {
	Host           string
	Port           uint16
	User, Password string
	Schema         string
	TLS            *tls.Config // nil for none
}

// Address is host:port.
func (c Config) Address() string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// Server is a source that answered. Its methods may be called from several goroutines.
type Server struct {
	DB      *sql.DB
	Schema  string // as the server writes it
	Flavor  binlog.Flavor
	Version string
	// ID names the server among those of its topology: its server_uuid, or "server_id:<n>" on MariaDB.
	ID string
	// GTID is false where transactions have no GTIDs and only file and offset name a place.
	GTID bool
	// BinlogOff is true when the server keeps no binlog at all.
	BinlogOff bool
	// LowerNames: it keeps names of databases and tables in lower case, however statements write them.
	LowerNames bool

	seen seen
}

// Connect opens a connection pool and asks the server who it is.
func Connect(ctx context.Context, cfg Config) (*Server, error) {
	connector, err := mysql.NewConnector(driverConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("preparing the connection to MySQL at %s: %w", cfg.Address(), err)
	}
	s := &Server{DB: sql.OpenDB(connector)}
	if err := s.identify(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connecting to MySQL at %s as %q: %w", cfg.Address(), cfg.User, explain(err))
	}
	return s, nil
}

// KeepIdle keeps that many connections, beside one for questions, for a minute after their use: many small tables would
// spend their time on logging in.
func (s *Server) KeepIdle(n int) {
	s.DB.SetMaxIdleConns(n + 1)
	s.DB.SetConnMaxIdleTime(time.Minute)
}

// Close ends all connections.
func (s *Server) Close() error { return s.DB.Close() }

func driverConfig(cfg Config) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd = cfg.User, cfg.Password
	c.Net, c.Addr, c.DBName = "tcp", cfg.Address(), cfg.Schema
	c.TLS = cfg.TLS
	c.Timeout = 10 * time.Second
	c.MaxAllowedPacket = 1 << 30 // rows of the largest BLOBs
	c.Collation = "utf8mb4_general_ci"
	// A fast source fills many packets at once; the driver alone would read 4 KiB at a time.
	dialer := &net.Dialer{Timeout: c.Timeout, KeepAlive: 15 * time.Second}
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &bufferedConn{Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
	}
	c.Params = sessionSettings
	c.Logger = &mysql.NopLogger{} // it would print what comes back as an error anyway
	return c
}

type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// SyscallConn lets the driver see whether the server has closed a connection that was idle. Nothing is in the buffer then.
func (c *bufferedConn) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}

func (s *Server) identify(ctx context.Context) error {
	var logBin string
	err := s.DB.QueryRowContext(ctx, "SELECT VERSION(), @@GLOBAL.log_bin, @@GLOBAL.lower_case_table_names = 1, DATABASE()").
		Scan(&s.Version, &logBin, &s.LowerNames, &s.Schema)
	if err != nil {
		return err
	}
	s.BinlogOff = logBin == "0" || strings.EqualFold(logBin, "OFF")
	if strings.Contains(strings.ToLower(s.Version), "mariadb") {
		s.Flavor, s.GTID = binlog.MariaDB, true
		var id uint64
		if err := s.DB.QueryRowContext(ctx, "SELECT @@GLOBAL.server_id").Scan(&id); err != nil {
			return err
		}
		s.ID = fmt.Sprintf("server_id:%d", id)
		return nil
	}
	s.Flavor = binlog.MySQL
	var mode string
	if err := s.DB.QueryRowContext(ctx, "SELECT @@GLOBAL.server_uuid, @@GLOBAL.gtid_mode").Scan(&s.ID, &mode); err != nil {
		return err
	}
	// ON_PERMISSIVE still lets transactions in that have none.
	s.GTID = mode == "ON"
	return nil
}

// explain adds what to do to the errors people meet first.
func explain(err error) error {
	var my *mysql.MySQLError
	var network *net.OpError
	switch {
	case errors.As(err, &my) && (my.Number == 1045 || my.Number == 1698):
		return fmt.Errorf("%w; correct user and password in the connection string", err)
	case errors.As(err, &my) && (my.Number == 1049 || my.Number == 1044):
		return fmt.Errorf("%w; correct the database in the connection string, or grant SELECT on it", err)
	case errors.As(err, &network):
		return fmt.Errorf("%w; check host and port in the connection string, and that the server runs", err)
	}
	return err
}

// Is reports whether err is a server error with one of the numbers.
func Is(err error, numbers ...uint16) bool {
	var my *mysql.MySQLError
	if !errors.As(err, &my) {
		return false
	}
	for _, n := range numbers {
		if my.Number == n {
			return true
		}
	}
	return false
}
