package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type service struct {
	Sources
	Key      Secret        `env:"TEST_KEY,required,notEmpty"`
	Interval time.Duration `env:"TEST_INTERVAL" envDefault:"250ms"`
	Rows     int           `env:"TEST_ROWS" envDefault:"10"`
	Memory   Bytes         `env:"TEST_MEMORY" envDefault:"1GiB"`
}

func TestLoadReportsEverythingAtOnceByVariable(t *testing.T) {
	t.Setenv("TEST_INTERVAL", "soon")
	t.Setenv("TEST_ROWS", "many")
	t.Setenv("TEST_MEMORY", "lots")
	t.Setenv("MYSQL_CONNECTION_STRING", "")
	t.Setenv("DATABASES_FILE", "")
	err := Load(new(service))
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"TEST_KEY is not set", "TEST_INTERVAL: must be a duration", "TEST_ROWS: must be a whole number",
		"TEST_MEMORY: must be a size", "MYSQL_CONNECTION_STRING is not set"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
	if len(e.Problems) != 5 {
		t.Errorf("%d problems: %q", len(e.Problems), e.Problems)
	}
}

// Settings put together from parts may use a field's name twice.
func TestLoadNamesTheRightVariable(t *testing.T) {
	var cfg struct {
		Source struct {
			Wait int `env:"SOURCE_WAIT"`
		}
		Stream struct {
			Wait int `env:"WAIT"`
		} `envPrefix:"STREAM_"`
	}
	for _, wrong := range []string{"SOURCE_WAIT", "STREAM_WAIT"} {
		t.Run(wrong, func(t *testing.T) {
			t.Setenv(wrong, "long")
			if err := Load(&cfg); err == nil || err.Error() != "configuration: "+wrong+": must be a whole number" {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("both set", func(t *testing.T) {
		t.Setenv("SOURCE_WAIT", "1")
		t.Setenv("STREAM_WAIT", "long")
		if err := Load(&cfg); err == nil || !strings.Contains(err.Error(), "SOURCE_WAIT or STREAM_WAIT: ") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCertificatesNeedTLS(t *testing.T) {
	for _, parameters := range []string{"ca=/ca.pem", "tls=false&ca=/ca.pem", "cert=/c.pem&key=/k.pem"} {
		if _, err := ParseSource("mysql://u:p@h/db?" + parameters); err == nil || !strings.Contains(err.Error(), "tls is off") {
			t.Errorf("%s: %v", parameters, err)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Setenv("TEST_KEY", "k")
	t.Setenv("TEST_MEMORY", "512MB")
	t.Setenv("MYSQL_CONNECTION_STRING", "mysql://u:p%40ss@db:3307/shop?tls=verify-ca&ca=/ca.pem")
	cfg := new(service)
	if err := Load(cfg); err != nil {
		t.Fatal(err)
	}
	if cfg.Interval != 250*time.Millisecond || cfg.Memory != 512_000_000 || cfg.Rows != 10 {
		t.Errorf("got %+v", cfg)
	}
	dbs, err := cfg.Databases()
	if err != nil {
		t.Fatal(err)
	}
	want := Source{Host: "db", Port: 3307, User: "u", Password: "p@ss", Database: "shop", TLS: TLS{Mode: TLSVerifyCA, CA: "/ca.pem"}}
	if len(dbs) != 1 || dbs[0].ID != "default" || dbs[0].Source != want {
		t.Errorf("got %+v, password %q", dbs, dbs[0].Source.Password.Reveal())
	}
}

func TestDatabasesFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "databases.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`databases:
  - id: lms
    name: Learning
    connectionString: mysql://u:p@one/lms
    exclude: ["tmp_*"]
    masks: [{table: User, column: email, action: hash, salt: s}]
  - id: common
    connectionString: mysql://u:p@two/common
`)
	s := Sources{File: path}
	dbs, err := s.Databases()
	if err != nil {
		t.Fatal(err)
	}
	if len(dbs) != 2 || dbs[0].Exclude[0] != "tmp_*" || dbs[0].Masks[0].Salt.Reveal() != "s" || dbs[1].Name != "common" {
		t.Errorf("got %+v", dbs)
	}
	write(`databases:
  - {id: "No Good", connectionString: "mysql://u:hunter2@one/lms"}
  - {id: a, connectionString: "mysql://u:hunter2@/lms"}
  - {id: a, connectionString: "postgres://u:hunter2@x/lms", masks: [{table: t, column: c, action: blur}]}
`)
	_, err = s.Databases()
	for _, want := range []string{"entry 1: its id", "entry 2: its connectionString", "entry 3: its id", "used twice", "entry 3: the mask", "must begin with mysql://"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	write("databases:\n  - id: a\n    connectionSting: mysql://u:hunter2@one/lms\n")
	if _, err = s.Databases(); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
	if _, err := (&Sources{File: path, Connection: "mysql://u:p@one/lms"}).Databases(); err == nil {
		t.Error("both variables are accepted")
	}
}

// No way to print a configuration or the errors about it may show a password.
func TestNothingShowsASecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := "hunter2" + rapid.StringMatching(`[a-z0-9:/?#@%&= -]{0,12}`).Draw(t, "rest")
		text := rapid.SampledFrom([]string{"mysql://u:%s@h/db", "mysql://u:%s@h:99999/db", "mysql://u:%s@/db", "postgres://u:%s@h/d", "u:%s@h", "mysql://u:%s@h/db?tls=%[1]s", "mysql://u@h/%s?x=1",
			"mysql://u:a@b/c?%s@h/db", "mysql://u:a@b/%s@h/db", "mysql://u:a@b/%s@h", "mysql://u:a@b/c#%s@h/db", "mysql://u:7/%s@h/db"}).Draw(t, "form")
		connection := fmt.Sprintf(text, password)
		source, err := ParseSource(connection)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("error shows the password: %v", err)
		}
		if source.Database != "" && strings.Contains(source.Database, "hunter2") {
			if strings.Contains(text, "a@b") {
				t.Fatalf("a piece of the password became the database %q", source.Database)
			}
			return // not a secret where it stands
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "source", source, "secret", Secret(password))
		data, _ := json.Marshal(source)
		for _, shown := range []string{log.String(), string(data), fmt.Sprintf("%v %+v %#v %s %"+"d", source, source, source, Secret(password), Secret(password))} {
			if strings.Contains(shown, "hunter2") {
				t.Fatalf("shown: %s", shown)
			}
		}
	})
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"1KB": 1000, "1KiB": 1024, "1.5GiB": 1610612736, "7B": 7, "2 mb": 2e6} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "5", "-1MB", "NaNB", "1XB", "9999999TB", "8388608TiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, b)
		}
	}
}
