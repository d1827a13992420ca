package mysqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// RootPassword is what the user root has on every server, from 127.0.0.1.
const RootPassword = "root"

// DSN is root's address of a database in go-sql-driver's form. An empty name selects none.
func (s *Server) DSN(database string) string { return s.config(database).FormatDSN() }

// URL is root's address of a database in the form of MYSQL_CONNECTION_STRING:
// mysql://root:root@127.0.0.1:port/database.
func (s *Server) URL(database string) string { return s.URLAs("root", RootPassword, database) }

// URLAs is URL for another account, such as one that CreateUser made.
func (s *Server) URLAs(user, password, database string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: s.Addr, Path: "/" + database}
	return u.String()
}

// Open returns root's connection pool on a database, which the caller closes. It does not
// connect yet, so it may be called while the server is down.
func (s *Server) Open(database string) (*sql.DB, error) {
	connector, err := mysql.NewConnector(s.config(database))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", s.Flavor, err)
	}
	return sql.OpenDB(connector), nil
}

func (s *Server) config(database string) *mysql.Config {
	config := mysql.NewConfig()
	config.User, config.Passwd = "root", RootPassword
	config.Net, config.Addr, config.DBName = "tcp", s.Addr, database
	// The driver would print each connection that a killed server breaks; callers get
	// those as errors anyway.
	config.Logger = &mysql.NopLogger{}
	return config
}

// Exec runs statements as root, one after the other on one connection, and stops at the
// first that fails. A database selected by USE stays selected for the rest.
func (s *Server) Exec(ctx context.Context, statements ...string) error {
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", s.Flavor, err)
	}
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("running %q: %w", statement, err)
		}
	}
	return nil
}

// CreateUser makes an account that may log in from anywhere. A grant is what stands between
// GRANT and TO: "REPLICATION SLAVE, REPLICATION CLIENT ON *.*", "SELECT ON `shop`.*".
func (s *Server) CreateUser(ctx context.Context, name, password string, grants ...string) error {
	account := quote(name) + "@'%'"
	statements := []string{"CREATE USER " + account + " IDENTIFIED BY " + quote(password)}
	for _, grant := range grants {
		statements = append(statements, "GRANT "+grant+" TO "+account)
	}
	if err := s.Exec(ctx, statements...); err != nil {
		return fmt.Errorf("creating user %s: %w", name, err)
	}
	return nil
}

func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
