package gateway

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

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
	MaxRows       int           `env:"MAX_RESULT_ROWS" envDefault:"1000000"`
	MaxBytes      config.Bytes  `env:"MAX_RESULT_BYTES" envDefault:"256MiB"`

	// MemoryLimit is what DuckDB may use for each open generation; empty means DuckDB's own default, 80 % of the machine.
	MemoryLimit string `env:"DUCKDB_MEMORY_LIMIT"`
	// Threads is how many threads run queries; 0 means one for each core.
	Threads int `env:"DUCKDB_THREADS"`
	// TempDir is where DuckDB spills to, at most MaxTemp; empty means the system's. It must be writable and outside of DataDir.
	TempDir string       `env:"DUCKDB_TEMP_DIR"`
	MaxTemp config.Bytes `env:"DUCKDB_MAX_TEMP" envDefault:"10GiB"`
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
	complain(c.MaxRows <= 0, "MAX_RESULT_ROWS must be positive")
	complain(c.MaxBytes <= 0, "MAX_RESULT_BYTES must be positive")
	complain(c.Threads < 0, "DUCKDB_THREADS must not be negative")
	return problems
}

func (c *Config) limits() query.Limits {
	concurrent := c.MaxConcurrent
	if concurrent == 0 {
		concurrent = max(8, 4*runtime.GOMAXPROCS(0))
	}
	return query.Limits{Timeout: c.QueryTimeout, Concurrent: concurrent, Queue: c.MaxQueue, Rows: c.MaxRows, Bytes: int(c.MaxBytes)}
}

// tempDir makes a directory of this process's own for the companion database and what DuckDB spills.
func (c *Config) tempDir() (string, error) {
	dir, err := os.MkdirTemp(c.TempDir, "duckling-gateway-")
	if err != nil {
		return "", fmt.Errorf("making a temporary directory (DUCKDB_TEMP_DIR): %w", err)
	}
	return dir, nil
}
