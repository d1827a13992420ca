// Package sqldriver serves Duckling through database/sql. Importing it registers the driver "duckling":
//
//	import _ "github.com/chittihq/duckling/sdk/go/sqldriver"
//
//	db, err := sql.Open("duckling", "duckling://key@duckling-server:3001/shop?parseTime=true")
//
// It only reads: Exec and transactions fail with ErrReadOnly. All connections of a sql.DB share one
// WebSocket, over which their statements run side by side, so pool settings cost nothing and
// gain nothing. That connection is made at the first query and ends with DB.Close.
//
// Integers that an int64 holds come as int64, FLOAT and DOUBLE as float64, BOOLEAN as
// bool, BLOB as []byte, and all else as exact text: DECIMAL, larger integers, dates and
// timestamps (time.Time with parseTime=true), JSON and nested values.
package sqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	duckling "github.com/chittihq/duckling/sdk/go"
)

// ErrReadOnly answers Exec and Begin: Duckling changes only as its source does, and each
// statement sees the newest state, so that a transaction could not promise anything.
var ErrReadOnly = errors.New("duckling is read-only and has no transactions; use Query")

func init() { sql.Register("duckling", sqlDriver{}) }

type sqlDriver struct{}

// Open makes one connection with a client of its own. database/sql uses OpenConnector.
func (d sqlDriver) Open(dsn string) (driver.Conn, error) {
	connector, err := d.open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{connector: connector, owns: true}, nil
}

// OpenConnector reads the data source name; see ParseDSN. It does not connect.
func (d sqlDriver) OpenConnector(dsn string) (driver.Connector, error) { return d.open(dsn) }

func (sqlDriver) open(dsn string) (*Connector, error) {
	cfg, options, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return NewConnector(cfg, options)
}

// Options are the settings that only database/sql has.
type Options struct {
	// ParseTime has DATE and TIMESTAMP columns come as time.Time (UTC where they have no zone)
	// in place of text. One that a time.Time cannot say, such as infinity, still comes as text.
	ParseTime bool
}

// ParseDSN reads a data source name, which is one of
//
//	duckling://key@host:port/database
//	ws://key@host:port/ws?db=database    (or wss://)
//
// with any of the parameters tls=true (the first form only), parseTime=true, dialect=mysql,
// timeout=30s (Config.RequestTimeout) and connectTimeout=5s.
func ParseDSN(dsn string) (duckling.Config, Options, error) {
	bad := func(what string, err error) (duckling.Config, Options, error) {
		return duckling.Config{}, Options{}, &duckling.Error{Code: duckling.CodeConfig, Message: "reading the data source name: " + what, Err: err}
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return bad("it is not a URL", errors.Unwrap(err)) // the whole error would show the key
	}
	query := u.Query()
	var (
		cfg     duckling.Config
		options Options
		tls     bool
	)
	for name, set := range map[string]func(string) error{
		"tls":            boolean(&tls),
		"parseTime":      boolean(&options.ParseTime),
		"dialect":        func(s string) error { cfg.Dialect = duckling.Dialect(s); return nil },
		"timeout":        duration(&cfg.RequestTimeout),
		"connectTimeout": duration(&cfg.ConnectTimeout),
	} {
		if query.Has(name) {
			if err := set(query.Get(name)); err != nil {
				return bad("its parameter "+name, err)
			}
			query.Del(name)
		}
	}
	cfg.APIKey = u.User.Username()
	if password, ok := u.User.Password(); ok {
		cfg.APIKey = password
	}
	u.User = nil
	switch u.Scheme {
	case "duckling":
		if u.Scheme = "ws"; tls {
			u.Scheme = "wss"
		}
		if database := u.Path; len(database) > 1 {
			cfg.Database = database[1:]
		}
		u.Path = "/ws"
	case "ws", "wss":
		if tls {
			return bad("tls=true does not go with "+u.Scheme+"://; write wss://", nil)
		}
		cfg.Database = query.Get("db")
	default:
		return bad(fmt.Sprintf("it begins with %q; use duckling://key@host:port/database", u.Scheme+":"), nil)
	}
	query.Del("db")
	for name := range query {
		return bad(fmt.Sprintf("there is no parameter %q", name), nil)
	}
	u.RawQuery = ""
	cfg.URL = u.String()
	return cfg, options, nil
}

func boolean(into *bool) func(string) error {
	return func(s string) (err error) {
		*into, err = strconv.ParseBool(s)
		return err
	}
}

func duration(into *time.Duration) func(string) error {
	return func(s string) (err error) {
		*into, err = time.ParseDuration(s)
		return err
	}
}

// Connector opens the connections of one sql.DB, all over one client. Give it to sql.OpenDB.
type Connector struct {
	client  *duckling.Client
	options Options
}

// NewConnector is for settings that a data source name does not have. It does not connect.
// Statements in flight when the connection is lost are sent again, as if Config.RetryLost was set.
func NewConnector(cfg duckling.Config, options Options) (*Connector, error) {
	cfg.RetryLost = true
	client, err := duckling.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Connector{client: client, options: options}, nil
}

// Connect waits until the client is connected.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.client.Connect(ctx); err != nil {
		return nil, err
	}
	return &conn{connector: c}, nil
}

// Driver is the registered driver.
func (c *Connector) Driver() driver.Driver { return sqlDriver{} }

// Close ends the client. sql.DB.Close calls it.
func (c *Connector) Close() error {
	c.client.Close()
	return nil
}
