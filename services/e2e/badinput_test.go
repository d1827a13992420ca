package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// A source that is not set up for replication makes ingest unready, with the statement that
// mends it, and ingest goes on by itself once it is mended.
func TestSourceNotSetUp(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MySQL)
	b := newBank(ctx, t, server, 1)
	for _, c := range []struct{ wrong, mend, say string }{
		{"SET GLOBAL binlog_format = STATEMENT", "SET GLOBAL binlog_format = ROW", "SET GLOBAL binlog_format = 'ROW'"},
		{"SET GLOBAL binlog_row_image = MINIMAL", "SET GLOBAL binlog_row_image = FULL", "SET GLOBAL binlog_row_image = 'FULL'"},
		{"SET GLOBAL binlog_row_metadata = MINIMAL", "SET GLOBAL binlog_row_metadata = FULL", "SET GLOBAL binlog_row_metadata = 'FULL'"},
	} {
		t.Run(c.say, func(t *testing.T) {
			if err := server.Exec(ctx, c.wrong); err != nil {
				t.Fatal(err)
			}
			s := newStack(t, server.URL("bank"))
			startOnly(t, s, s.NATS, s.Ingest)
			awaitCondition(ctx, t, s.Ingest, c.say)
			if err := server.Exec(ctx, c.mend); err != nil {
				t.Fatal(err)
			}
			start(ctx, t, s)
			caughtUp(ctx, t, b, connect(ctx, t, s))
			mustEqual(ctx, t, b, s)
		})
	}
}

func TestBinlogOff(t *testing.T) {
	server := mysqltest.ForTest(t, mysqltest.MariaDB, "--skip-log-bin")
	if err := server.Exec(t.Context(), "CREATE DATABASE bank"); err != nil {
		t.Fatal(err)
	}
	s := newStack(t, server.URL("bank"))
	startOnly(t, s, s.NATS, s.Ingest)
	awaitCondition(t.Context(), t, s.Ingest, "log_bin")
}

func TestSourceRefuses(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MariaDB)
	if err := server.Exec(ctx, "CREATE DATABASE bank", "CREATE TABLE bank.t (id INT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	if err := server.CreateUser(ctx, "reader", "pw", "SELECT ON bank.*"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ url, say string }{
		"wrong password":   {server.URLAs("reader", "wr0ng-secret", "bank"), "correct user and password"},
		"missing grants":   {server.URLAs("reader", "pw", "bank"), "GRANT"},
		"unknown database": {server.URLAs("root", mysqltest.RootPassword, "nothere"), "correct the database"},
		"nobody there":     {"mysql://u:p@127.0.0.1:1/bank", "check host and port"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, c.url)
			startOnly(t, s, s.NATS, s.Ingest)
			awaitCondition(ctx, t, s.Ingest, c.say)
			if log := s.Ingest.Tail(); strings.Contains(log, "wr0ng-secret") || strings.Contains(log, "goroutine ") {
				t.Errorf("the log shows a secret or a stack trace:\n%s", log)
			}
		})
	}
}

// Configuration that cannot work ends a service with code 2 and one line for each problem.
func TestBadConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		say  []string
		code int
	}{
		"ingest":  {[]string{"MYSQL_CONNECTION_STRING=postgres://u:hunter2@h/d"}, []string{"MYSQL_CONNECTION_STRING: it must begin with mysql://", "NATS_URL is not set"}, 2},
		"loader":  {[]string{"MYSQL_CONNECTION_STRING=mysql://u:hunter2@h/d", "PUBLISH_INTERVAL=soon"}, []string{"PUBLISH_INTERVAL: must be a duration", "NATS_URL is not set"}, 2},
		"gateway": {[]string{"PORT=none"}, []string{"PORT: must be", "DUCKLING_API_KEY is not set"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			code, output := runBinary(t, name, c.env...)
			if code != c.code {
				t.Errorf("ended with %d", code)
			}
			for _, say := range c.say {
				if !strings.Contains(output, say) {
					t.Errorf("%q is not said", say)
				}
			}
			if lines := strings.Split(strings.TrimSpace(output), "\n"); len(lines) != len(c.say) || strings.Contains(output, "hunter2") {
				t.Errorf("it says:\n%s", output)
			}
		})
	}
	t.Run("no NATS", func(t *testing.T) {
		for _, name := range []string{"ingest", "loader"} {
			code, output := runBinary(t, name, "MYSQL_CONNECTION_STRING=mysql://u:p@h/d", "NATS_URL=nats://127.0.0.1:1", "DATA_DIR="+t.TempDir())
			if code != 1 || !strings.Contains(output, "NATS_URL") || strings.Contains(output, "goroutine ") {
				t.Errorf("%s ended with %d:\n%s", name, code, output)
			}
		}
	})
}

// Whoever gets the key wrong is told so and turned away; what is damaged on disk is not served.
func TestGatewayRefuses(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MariaDB)
	b := newBank(ctx, t, server, 3)
	s := newStack(t, server.URL("bank"))
	start(ctx, t, s)
	client := connect(ctx, t, s)
	caughtUp(ctx, t, b, client)

	_, err := duckling.Open(ctx, duckling.Config{URL: s.WebSocket(), APIKey: "wrong"})
	if duckling.CodeOf(err) != duckling.CodeAuthInvalid {
		t.Errorf("a wrong key: %v", err)
	}

	if err := errors.Join(s.Loader.Kill(), s.Ingest.Kill(), s.Gateway.Kill()); err != nil {
		t.Fatal(err)
	}
	m, err := generation.Read(s.Generations())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(s.Generations(), m.File), m.Size/2); err != nil {
		t.Fatal(err)
	}
	startOnly(t, s, s.Gateway)
	eventually(ctx, t, "the gateway to refuse the truncated generation", func() error {
		_, err := client.Query(ctx, "SELECT 1")
		if duckling.CodeOf(err) != duckling.CodeUnavailable {
			return fmt.Errorf("it answers %w", errors.Join(err, errors.New("not UNAVAILABLE")))
		}
		return nil
	})
	eventually(ctx, t, "the log to name the damage", func() error {
		if log := s.Gateway.Tail(); !strings.Contains(log, "is damaged") || !strings.Contains(log, m.File) {
			return errors.New("it does not")
		}
		return nil
	})
	// The loader replaces it by itself.
	start(ctx, t, s)
	caughtUp(ctx, t, b, client)
	mustEqual(ctx, t, b, s)

	if err := os.WriteFile(filepath.Join(s.Generations(), "manifest.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	caughtUp(ctx, t, b, client)
}

// A second loader on the same data is refused; the first one goes on.
func TestSecondLoader(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MariaDB)
	b := newBank(ctx, t, server, 4)
	s := newStack(t, server.URL("bank"))
	start(ctx, t, s)
	second, err := stack.New(stack.Options{Source: server.URL("bank"), Dir: t.TempDir(), Env: []string{"DATA_DIR=" + s.DataDir(), "NATS_URL=" + s.NATSURL()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Loader.Start(); err != nil {
		t.Fatal(err)
	}
	<-second.Loader.Exited()
	if code := second.Loader.ExitCode(); code == 0 || !strings.Contains(second.Loader.Tail(), "another loader") {
		t.Errorf("the second loader ended with %d:\n%s", code, second.Loader.Tail())
	}
	caughtUp(ctx, t, b, connect(ctx, t, s))
	mustEqual(ctx, t, b, s)
}

func startOnly(t *testing.T, s *stack.Stack, services ...*stack.Service) {
	t.Helper()
	for _, service := range services {
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitCondition(ctx context.Context, t *testing.T, service *stack.Service, say string) {
	t.Helper()
	eventually(ctx, t, service.Name+" to say "+say, func() error {
		conditions, err := service.Conditions(ctx)
		if err != nil {
			return err
		}
		for _, text := range conditions {
			if strings.Contains(text, say) {
				return nil
			}
		}
		return fmt.Errorf("it says %q", conditions)
	})
}

func runBinary(t *testing.T, name string, env ...string) (code int, output string) {
	t.Helper()
	path, err := stack.Binary("", name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// A source without a table is served as just that, and its first table appears by itself.
func TestEmptySource(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MariaDB)
	if err := server.Exec(ctx, "CREATE DATABASE bank"); err != nil {
		t.Fatal(err)
	}
	s := newStack(t, server.URL("bank"))
	start(ctx, t, s)
	client := connect(ctx, t, s)
	if err := server.Exec(ctx, "CREATE TABLE bank.first (id INT PRIMARY KEY)", "INSERT INTO bank.first VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	eventually(ctx, t, "the first table", func() error {
		n, err := duckling.Get[int](ctx, client, "SELECT COUNT(*) FROM first")
		if err == nil && n != 1 {
			err = fmt.Errorf("%d rows", n)
		}
		return err
	})
}

// A volume that cannot be written makes the loader unready and names the place; once it can be, the loader goes on by itself.
func TestUnwritableVolume(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MariaDB)
	b := newBank(ctx, t, server, 5)
	s := newStack(t, server.URL("bank"))
	// A file where the directory should be stands for a volume that refuses writes: root may write anywhere else.
	place := filepath.Join(s.DataDir(), "default")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	startOnly(t, s, s.NATS, s.Ingest, s.Loader)
	awaitCondition(ctx, t, s.Loader, place)
	if log := s.Loader.Tail(); strings.Contains(log, "goroutine ") {
		t.Errorf("the log shows a stack trace:\n%s", log)
	}
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	start(ctx, t, s)
	caughtUp(ctx, t, b, connect(ctx, t, s))
	mustEqual(ctx, t, b, s)
}
