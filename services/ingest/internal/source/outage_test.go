package source

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/preflight"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// privateRig has a server of its own, for tests that do harm to it.
func privateRig(t *testing.T, flavor mysqltest.Flavor) *rig {
	return newRig(t, flavor, "--max-connections=77")
}

// The source's end and return is a pause, not a loss.
func TestSourceRestarts(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			r.exec(orders)
			r.fill(1000)
			r.start()
			r.converge()
			if err := r.mysql.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := r.mysql.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.exec("UPDATE orders SET total = 5 WHERE id < 10", "FLUSH BINARY LOGS", "DELETE FROM orders WHERE id = 11")
			r.converge()
			if n := r.model.begun["orders"]; n != 1 {
				t.Errorf("orders was copied %d times, want once", n)
			}
		})
	}
}

// When the binlog that comes next is gone, tables are copied anew and what readers have stays until then.
func TestPurgedBinlog(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			r.exec(orders)
			r.fill(1000)
			stop := r.start()
			r.converge()
			stop()
			r.exec("DELETE FROM orders WHERE id < 100", "FLUSH BINARY LOGS", "DELETE FROM orders WHERE id < 200", "FLUSH BINARY LOGS")
			last, _, err := r.head()
			if err != nil {
				t.Fatal(err)
			}
			// A server keeps a while what it still sends to one that has just gone, or needs for its own recovery.
			for oldest := ""; oldest != last; oldest = r.oldestBinlog() {
				r.exec("FLUSH ENGINE LOGS", "PURGE BINARY LOGS TO '"+last+"'")
			}
			r.start()
			r.converge()
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.model.reasons) == 0 || !strings.Contains(r.model.reasons[0], "purged") {
				t.Errorf("the stream gives %q as reasons, want that the binlog was purged", r.model.reasons)
			}
		})
	}
}

func (r *rig) oldestBinlog() string {
	r.t.Helper()
	rows, err := r.db.QueryContext(r.t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		r.t.Fatal("the server lists no binlogs", err)
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	if err := rows.Scan(values...); err != nil {
		r.t.Fatal(err)
	}
	return string(*values[0].(*sql.RawBytes))
}

func (r *rig) head() (string, uint64, error) {
	s, err := server.Connect(r.t.Context(), r.config.Server)
	if err != nil {
		return "", 0, err
	}
	defer s.Close()
	return s.Head(r.t.Context())
}

// Two of the same source: the stream stays in order, whoever writes.
func TestSecondIngestIsFencedOut(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	r.exec(orders)
	r.fill(1000)
	r.start()
	r.converge()
	r.config.ServerID++
	stop := r.start()
	for range 20 {
		r.exec("UPDATE orders SET total = total + 1 WHERE id < 10", "INSERT INTO orders (customer, total, at) VALUES (1, 1, '2024-01-01')")
	}
	r.converge()
	stop()
	r.exec("DELETE FROM orders WHERE id < 5")
	r.converge()
}

// A server that cannot be followed is refused with what mends it.
func TestWrongSettingsAreRefused(t *testing.T) {
	tests := map[string]struct {
		args []string
		want []string
	}{
		"no binlog":   {[]string{"--skip-log-bin"}, []string{"binary log", "log_bin"}},
		"bad formats": {[]string{"--binlog-row-image=MINIMAL", "--binlog-row-metadata=MINIMAL"}, []string{"binlog_row_image = 'FULL'", "binlog_row_metadata = 'FULL'"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mysql := mysqltest.ForTest(t, mysqltest.MariaDB, test.args...)
			if err := mysql.Exec(t.Context(), "CREATE DATABASE shop"); err != nil {
				t.Fatal(err)
			}
			s, err := server.Connect(t.Context(), serverConfig(mysql.Addr, "shop"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = preflight.Require(t.Context(), s)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to name %q", err, want)
				}
			}
		})
	}
}

func TestMissingGrantsAreNamed(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			name := "u_" + r.schema
			if err := r.mysql.CreateUser(t.Context(), name, "pw", "SELECT ON `"+r.schema+"`.*"); err != nil {
				t.Fatal(err)
			}
			r.config.Server.User, r.config.Server.Password = name, "pw"
			s, err := server.Connect(t.Context(), r.config.Server)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = preflight.Require(t.Context(), s)
			if err == nil || !strings.Contains(err.Error(), "GRANT REPLICATION SLAVE ON *.*") {
				t.Errorf("got %v, want it to name the missing grant", err)
			}
			r.exec("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + name)
			if err := preflight.Require(t.Context(), s); err != nil {
				t.Errorf("with every grant: %v", err)
			}
		})
	}
}

func TestUnreachableSourceSaysWhatToDo(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	for want, spoil := range map[string]func(*server.Config){
		"check host and port":                           func(c *server.Config) { c.Port = 1 },
		"correct user and password":                     func(c *server.Config) { c.Password = "wrong" },
		"correct the database in the connection string": func(c *server.Config) { c.Schema = "nowhere" },
	} {
		cfg := r.config.Server
		spoil(&cfg)
		_, err := server.Connect(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// An idle source is heard of, and its position moves.
func TestIdleSourceIsHeardOf(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	r.exec(orders)
	r.start()
	r.eventually("orders streams", func(m *model) bool { return m.tables["orders"] != nil })
	var before time.Time
	r.eventually("a first sign of life", func(m *model) bool {
		before = time.UnixMicro(m.heard)
		return m.heard != 0 && m.states["orders"] == cdcv1.TableState_PHASE_STREAMING
	})
	r.eventually("a later one", func(m *model) bool { return time.UnixMicro(m.heard).After(before) })
}
