package duckling

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Config says where the server is and how patient to be. URL and APIKey are required;
// the zero value of every other field means its default.
type Config struct {
	// URL is the gateway's address, as in ws://duckling-server:3001/ws. Without a path, /ws is used.
	URL string
	// APIKey opens the connection. It is sent in the first frame, never in the URL.
	APIKey string
	// Database is the id of the database to query. Default: the one in the URL's db parameter, else "default".
	Database string

	// Dialect says how the server reads SQL. Default DialectAuto.
	Dialect Dialect

	// ConnectTimeout bounds one attempt to connect, from dialing to the answer to the key. Default 5 s.
	ConnectTimeout time.Duration
	// RequestTimeout bounds one request that has no shorter deadline of its own, from the
	// call to the answer, connecting included. Default 30 s; negative means none.
	RequestTimeout time.Duration
	// PingInterval is how often the connection is checked while it is quiet. It is given up
	// when nothing at all was heard for a whole interval after a ping. Default 30 s; negative means never.
	PingInterval time.Duration

	// NoReconnect leaves a lost connection down until the next request needs one.
	NoReconnect bool
	// MaxReconnectAttempts is how often a lost connection is tried again before giving up.
	// Default 5; negative means for ever.
	MaxReconnectAttempts int
	// ReconnectDelay is the wait before the first of these attempts. It doubles with each one
	// up to 30 s, and each wait is shortened by up to half at random, so that clients of a
	// restarted server do not come back all at once. Default 1 s.
	ReconnectDelay time.Duration
	// RetryLost sends requests again that were in flight when the connection was lost,
	// as if each had Request.Retry set.
	RetryLost bool

	// Compress accepts large results compressed (permessage-deflate), which pays on a link of
	// less than about 100 Mbit/s and costs time on a faster one. What the client sends stays as it is.
	Compress bool

	// HTTPClient makes the opening handshake: set it for own TLS roots, client certificates or
	// a proxy. Default http.DefaultClient.
	HTTPClient *http.Client
	// OnEvent is told when the connection comes and goes, one event after the other. It runs on
	// the goroutine that looks after the connection: it must return soon and must not call Close.
	OnEvent func(Event)
}

// Dialect is a way to read SQL text.
type Dialect string

// The dialects.
const (
	// DialectAuto is DuckDB's SQL and MySQL's spellings, such as backticks.
	DialectAuto Dialect = "auto"
	// DialectMySQL reads "x" as a string and a backslash as an escape, as MySQL does.
	DialectMySQL Dialect = "mysql"
	// DialectDuckDB hands the text to DuckDB as it is.
	DialectDuckDB Dialect = "duckdb"
)

// maxReconnectDelay is where doubling stops.
const maxReconnectDelay = 30 * time.Second

// withDefaults checks the configuration and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	if c.APIKey == "" {
		return c, &Error{Code: CodeConfig, Message: "Config.APIKey is empty; give the key the server was started with"}
	}
	switch c.Dialect {
	case "", DialectAuto, DialectMySQL, DialectDuckDB:
	default:
		return c, &Error{Code: CodeConfig, Message: fmt.Sprintf("Config.Dialect %q is none of auto, mysql and duckdb", c.Dialect)}
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return c, &Error{Code: CodeConfig, Message: fmt.Sprintf("Config.URL %q is not a URL", c.URL), Err: err}
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return c, &Error{Code: CodeConfig, Message: fmt.Sprintf("Config.URL %q must begin with ws:// or wss://", c.URL)}
	}
	if u.Host == "" {
		return c, &Error{Code: CodeConfig, Message: fmt.Sprintf("Config.URL %q names no host", c.URL)}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/ws"
	}
	query := u.Query()
	if c.Database == "" {
		c.Database = query.Get("db")
	}
	orDefault(&c.Database, "default")
	query.Set("db", c.Database)
	u.RawQuery = query.Encode()
	c.URL = u.String()

	orDefault(&c.ConnectTimeout, 5*time.Second)
	orDefault(&c.RequestTimeout, 30*time.Second)
	orDefault(&c.PingInterval, 30*time.Second)
	orDefault(&c.ReconnectDelay, time.Second)
	orDefault(&c.MaxReconnectAttempts, 5)
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	return c, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// EventKind says what happened to the connection.
type EventKind int

// The kinds of event, in the order of a connection's life.
const (
	// Connected: the server accepted the key. Attempt is how many attempts it took after a loss, 0 for the first connection.
	Connected EventKind = iota + 1
	// Disconnected: a working connection ended; Err says why. It is nil after Close.
	Disconnected
	// Reconnecting: attempt number Attempt follows after Delay; Err is why the one before it failed, or why the connection was lost.
	Reconnecting
	// GaveUp: no further attempt follows until a request asks for one; Err says why.
	GaveUp
)

// String names the kind as the TypeScript client does.
func (k EventKind) String() string {
	switch k {
	case Connected:
		return "connected"
	case Disconnected:
		return "disconnected"
	case Reconnecting:
		return "reconnecting"
	case GaveUp:
		return "reconnectExhausted"
	}
	return fmt.Sprintf("EventKind(%d)", int(k))
}

// Event is one change in the connection's life.
type Event struct {
	Kind    EventKind
	Attempt int
	Delay   time.Duration
	Err     error
}
