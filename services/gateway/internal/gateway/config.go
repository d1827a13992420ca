package gateway

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/services/gateway/internal/tracing"
	"github.com/chittihq/duckling/services/gateway/internal/ws"
)

// Cores is how many cores the process may use, taken before anything changes how many of them Go sees.
var Cores = runtime.GOMAXPROCS(0)

// Config are the gateway's settings.
type Config struct {
	// DataDir is the volume that the loader publishes on. The gateway only reads it.
	DataDir string        `env:"DATA_DIR" envDefault:"/app/data"`
	APIKey  config.Secret `env:"DUCKLING_API_KEY"`
	// Host is the address to listen on; empty means all.
	Host string `env:"HOST"`
	// Port is 3001; 0 takes a free one.
	Port int `env:"PORT" envDefault:"3001"`
	// AddrFile is a file to which the address is written once the gateway listens.
	AddrFile string `env:"ADDR_FILE"`
	// NATSURL is where loader and ingest are asked for their state; without it only that is missing.
	NATSURL config.Secret `env:"NATS_URL"`

	QueryTimeout  time.Duration `env:"QUERY_TIMEOUT" envDefault:"30s"`
	MaxConcurrent int           `env:"MAX_CONCURRENT_QUERIES"` // 0: four for each core, at least 8
	MaxQueue      int           `env:"QUERY_QUEUE_MAX" envDefault:"1000"`
	// QueryRate is how many statements a second one key may send on average, and QueryBurst how many at once; a rate of 0 sets no
	// bounds, since the services that share the one key of a small installation should not get into each other's way.
	QueryRate  float64      `env:"QUERY_RATE"`
	QueryBurst int          `env:"QUERY_BURST"` // 0: two seconds' worth
	MaxRows    int          `env:"MAX_RESULT_ROWS" envDefault:"1000000"`
	MaxBytes   config.Bytes `env:"MAX_RESULT_BYTES" envDefault:"256MiB"`

	// QueryGrace is how long a statement that was told to stop may take for it before its engine is given up, and
	// MaxStuck how many such statements there may be before the process ends, to be started anew.
	QueryGrace time.Duration `env:"QUERY_GRACE" envDefault:"5s"`
	MaxStuck   int           `env:"MAX_STUCK_QUERIES" envDefault:"4"`
	// ResultCache is how many bytes of results are kept; 0 keeps none.
	ResultCache config.Bytes `env:"RESULT_CACHE_BYTES" envDefault:"64MiB"`
	// SlowQuery is how long a statement takes that is logged; 0 logs none. AccessLog logs all.
	SlowQuery time.Duration `env:"SLOW_QUERY" envDefault:"1s"`
	AccessLog bool          `env:"ACCESS_LOG"`

	// MaxConnections is how many WebSocket connections may be open; AuthTimeout how long each may take for its key.
	MaxConnections int           `env:"MAX_CONNECTIONS" envDefault:"5000"`
	AuthTimeout    time.Duration `env:"AUTH_TIMEOUT" envDefault:"30s"`
	// MaxHTTPConnections is how many others may be open. All clients of WebSocket come as such at first, which may be at the same moment.
	MaxHTTPConnections int `env:"MAX_HTTP_CONNECTIONS" envDefault:"5000"`
	// SendBuffer is how many bytes may wait for a client that does not read them.
	SendBuffer config.Bytes `env:"WS_SEND_BUFFER" envDefault:"64MiB"`
	// StreamTimeout is how long a stream waits for credit.
	StreamTimeout time.Duration `env:"STREAM_TIMEOUT" envDefault:"60s"`

	// MemoryLimit is what DuckDB may use for each open generation; empty means DuckDB's own default, 80 % of the machine.
	MemoryLimit string `env:"DUCKDB_MEMORY_LIMIT"`
	// Threads is how many threads run queries; 0 means one for each core.
	Threads int `env:"DUCKDB_THREADS"`
	// PrepareAhead is how many of the statements used in the last minute are prepared on a new generation before it is served; 0 is none.
	PrepareAhead int `env:"PREPARE_AHEAD" envDefault:"8"`
	// TempDir is where DuckDB spills to, at most MaxTemp; empty means the system's. It must be writable and outside of DataDir.
	TempDir string       `env:"DUCKDB_TEMP_DIR"`
	MaxTemp config.Bytes `env:"DUCKDB_MAX_TEMP" envDefault:"10GiB"`

	Access Access
	Jobs   Jobs

	ping time.Duration // 30 s, but in a test
}

// Problems implements config.Checker.
func (c *Config) Problems() []string {
	var problems []string
	complain := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	complain(c.APIKey == "", "DUCKLING_API_KEY is not set; choose a long random key and give it to the clients too")
	complain(c.Port < 0 || c.Port > 65535, "PORT must be between 0 and 65535")
	complain(c.QueryTimeout <= 0, "QUERY_TIMEOUT must be positive, as 30s")
	complain(c.MaxConcurrent < 0, "MAX_CONCURRENT_QUERIES must not be negative")
	complain(c.MaxQueue < 0, "QUERY_QUEUE_MAX must not be negative")
	complain(c.QueryRate < 0, "QUERY_RATE must not be negative; 0 sets no bounds")
	complain(c.QueryBurst < 0, "QUERY_BURST must not be negative; 0 is two seconds' worth")
	complain(c.MaxRows <= 0, "MAX_RESULT_ROWS must be positive")
	complain(c.MaxBytes <= 0, "MAX_RESULT_BYTES must be positive")
	complain(c.QueryGrace <= 0, "QUERY_GRACE must be positive, as 5s")
	complain(c.MaxStuck < 0, "MAX_STUCK_QUERIES must not be negative")
	complain(c.ResultCache < 0, "RESULT_CACHE_BYTES must not be negative; 0 keeps no results")
	complain(c.SlowQuery < 0, "SLOW_QUERY must not be negative; 0 logs no slow queries")
	complain(c.MaxConnections <= 0, "MAX_CONNECTIONS must be positive")
	complain(c.MaxHTTPConnections <= 0, "MAX_HTTP_CONNECTIONS must be positive")
	complain(c.AuthTimeout <= 0, "AUTH_TIMEOUT must be positive, as 30s")
	complain(c.SendBuffer <= 0, "WS_SEND_BUFFER must be positive")
	complain(c.StreamTimeout <= 0, "STREAM_TIMEOUT must be positive, as 60s")
	complain(c.PrepareAhead < 0 || c.PrepareAhead > 64, "PREPARE_AHEAD must be between 0 and 64; 0 prepares nothing ahead")
	complain(c.Threads < 0, "DUCKDB_THREADS must not be negative")
	problems = append(problems, tracing.Problems()...)
	c.Access.problems(complain)
	c.Jobs.problems(complain)
	return problems
}

func (c *Config) limits() query.Limits {
	concurrent := c.MaxConcurrent
	if concurrent == 0 {
		concurrent = max(8, 4*Cores)
	}
	burst := c.QueryBurst
	if burst == 0 {
		burst = max(1, int(2*c.QueryRate))
	}
	return query.Limits{
		Rate: c.QueryRate, Burst: burst,
		Timeout: c.QueryTimeout, Grace: c.QueryGrace, Stuck: c.MaxStuck, Concurrent: concurrent, Queue: c.MaxQueue,
		Rows: c.MaxRows, Bytes: int(c.MaxBytes), Cache: int(c.ResultCache), Slow: c.SlowQuery, Log: c.AccessLog,
	}
}

func (c *Config) wsLimits() ws.Limits {
	return ws.Limits{
		Connections: c.MaxConnections, Auth: c.AuthTimeout, SendBytes: int(c.SendBuffer), Send: 30 * time.Second, Credit: c.StreamTimeout,
		Ping: cmp.Or(c.ping, 30*time.Second), Requests: 1000, Streams: 32, Subscriptions: 200, Statements: 1000, Bytes: int(c.MaxBytes),
	}
}

// tempDir makes a directory of this process's own for the companion database and what DuckDB spills.
func (c *Config) tempDir() (string, error) {
	dir, err := os.MkdirTemp(c.TempDir, "duckling-gateway-")
	if err != nil {
		return "", fmt.Errorf("making a temporary directory (DUCKDB_TEMP_DIR): %w", err)
	}
	return dir, nil
}
