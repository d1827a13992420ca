package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/config"
	"github.com/chittihq/duckling/services/gateway/internal/auth"
	"github.com/chittihq/duckling/services/gateway/internal/jobs"
)

// Access are the settings that say who may ask, and over what.
type Access struct {
	// KeysFile keeps the keys of databases, beside NATS, where they are when it is not set. Gateways that share it agree.
	KeysFile string `env:"API_KEYS_FILE"`
	// JWTSecret (HS256) or JWTPublicKeyFile (PEM; RS256 or ES256) verify tokens of another system. Without them none is taken.
	JWTSecret        config.Secret `env:"JWT_SECRET"`
	JWTPublicKeyFile string        `env:"JWT_PUBLIC_KEY_FILE"`
	JWTIssuer        string        `env:"JWT_ISSUER"`
	JWTAudience      string        `env:"JWT_AUDIENCE"`
	// CORSOrigins are the origins whose pages may read answers, separated by commas; * is every one.
	CORSOrigins []string `env:"CORS_ORIGINS"`
	// TLSCertFile and TLSKeyFile, in PEM, make the gateway speak TLS. They are read anew when they change.
	TLSCertFile string `env:"TLS_CERT_FILE"`
	TLSKeyFile  string `env:"TLS_KEY_FILE"`
}

func (a *Access) problems(complain func(wrong bool, format string, args ...any)) {
	complain(a.JWTSecret != "" && a.JWTPublicKeyFile != "", "JWT_SECRET and JWT_PUBLIC_KEY_FILE are both set; tokens are verified by one of them")
	complain((a.TLSCertFile == "") != (a.TLSKeyFile == ""), "TLS_CERT_FILE and TLS_KEY_FILE must both be set, or neither")
	for _, origin := range a.CORSOrigins {
		good := origin == "*" || strings.HasPrefix(origin, "http://") || strings.HasPrefix(origin, "https://")
		complain(!good || strings.HasSuffix(origin, "/"), "CORS_ORIGINS must be origins such as https://shop.example, without a path, or *")
	}
}

// keys are the keys of databases: in the file, or else in NATS.
func (a *Access) keys(nats bool, connection func() *bus.Bus, log *slog.Logger) *auth.Keys {
	switch {
	case a.KeysFile != "":
		return auth.NewKeys(auth.NewFileStore(a.KeysFile, log))
	case nats:
		return auth.NewKeys(auth.NewTableStore(connection, log))
	}
	return auth.NewKeys(nil)
}

func (a *Access) tokens() (*auth.Tokens, error) {
	settings := auth.TokenSettings{Secret: a.JWTSecret.Reveal(), Issuer: a.JWTIssuer, Audience: a.JWTAudience}
	switch {
	case a.JWTPublicKeyFile != "":
		pem, err := os.ReadFile(a.JWTPublicKeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading JWT_PUBLIC_KEY_FILE: %w", err)
		}
		settings.PublicKey = pem
	case settings.Secret == "":
		return nil, nil //nolint:nilnil // no tokens are taken
	}
	return auth.NewTokens(settings)
}

// secure makes a listener one for TLS, where that is set.
func (a *Access) secure(listener net.Listener) (net.Listener, error) {
	if a.TLSCertFile == "" {
		return listener, nil
	}
	certificate, err := auth.LoadCertificate(a.TLSCertFile, a.TLSKeyFile)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener, certificate.Config()), nil
}

// Jobs are the settings of jobs.
type Jobs struct {
	// Running is how many run at once, Max how many there may be in all, PerKey of these for one key.
	Running int `env:"JOBS_CONCURRENT" envDefault:"2"`
	Max     int `env:"JOBS_MAX" envDefault:"1000"`
	PerKey  int `env:"JOBS_PER_KEY" envDefault:"50"`
	// MaxBytes is what all results may take on the disk of DUCKDB_TEMP_DIR.
	MaxBytes config.Bytes `env:"JOBS_MAX_BYTES" envDefault:"2GiB"`
	// Timeout is how long one may run, Expiry how long its result is kept.
	Timeout time.Duration `env:"JOBS_TIMEOUT" envDefault:"15m"`
	Expiry  time.Duration `env:"JOBS_EXPIRY" envDefault:"1h"`
}

func (j *Jobs) problems(complain func(wrong bool, format string, args ...any)) {
	complain(j.Running <= 0, "JOBS_CONCURRENT must be positive")
	complain(j.Max <= 0, "JOBS_MAX must be positive")
	complain(j.PerKey <= 0, "JOBS_PER_KEY must be positive")
	complain(j.MaxBytes <= 0, "JOBS_MAX_BYTES must be positive")
	complain(j.Timeout <= 0, "JOBS_TIMEOUT must be positive, as 15m")
	complain(j.Expiry <= 0, "JOBS_EXPIRY must be positive, as 1h")
}

func (j *Jobs) limits(temp string) jobs.Limits {
	return jobs.Limits{
		Dir: filepath.Join(temp, "jobs"), Running: j.Running, Jobs: j.Max, PerKey: j.PerKey, Bytes: int64(j.MaxBytes), Timeout: j.Timeout, Expiry: j.Expiry,
	}
}
