package preflight

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// source is a server with a database shop, checked as an account sees it.
type source struct {
	*testing.T
	server *mysqltest.Server
	user   string
	id     uint32 // under which the replica is to be
	// seen has each check's grades; those of a table are together, and its absence is a pass.
	seen map[string]map[Grade]bool
}

func newSource(t *testing.T, flavor mysqltest.Flavor, args ...string) *source {
	t.Helper()
	s := &source{T: t, server: mysqltest.ForTest(t, flavor, args...), user: "root", id: 4711, seen: map[string]map[Grade]bool{}}
	s.exec("CREATE DATABASE shop", "CREATE TABLE shop.good (id INT PRIMARY KEY, v VARCHAR(10))")
	return s
}

func (s *source) exec(statements ...string) {
	s.Helper()
	if err := s.server.Exec(s.Context(), statements...); err != nil {
		s.Fatal(err)
	}
}

// find runs the checks, of all tables but skip.
func (s *source) find() map[string]Finding {
	s.Helper()
	c, err := s.connect()
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	list, err := Check(s.Context(), c, s.id, func(table string) bool { return table != "skip" })
	if err != nil {
		s.Fatal(err)
	}
	found := map[string]Finding{}
	for _, f := range list {
		found[f.Check] = f
		name := f.Check
		if strings.HasPrefix(name, "table ") {
			name = "table"
		}
		if s.seen[name] == nil {
			s.seen[name] = map[Grade]bool{}
		}
		s.seen[name][f.Grade] = true
		if f.Grade != Pass && f.Mend == "" {
			s.Errorf("%s: nothing mends it", f.Check)
		}
	}
	return found
}

func (s *source) connect() (*server.Server, error) {
	host, text, err := net.SplitHostPort(s.server.Addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	return server.Connect(s.Context(), server.Config{Host: host, Port: uint16(port), User: s.user, Password: mysqltest.RootPassword, Schema: "shop"})
}

// expect requires a check's grade; no finding is a pass.
func (s *source) expect(check string, want Grade) Finding {
	s.Helper()
	f, ok := s.find()[check]
	if got := f.Grade; got != want && (ok || want != Pass) {
		s.Errorf("%s: %s, want %s", check, f, want)
	}
	return f
}

// spoil breaks what a check looks at, and mends it with what the finding says.
func (s *source) spoil(check string, want Grade, statements ...string) {
	s.Helper()
	s.expect(check, Pass)
	s.exec(statements...)
	mend := s.expect(check, want).Mend
	for _, statement := range strings.Split(mend, "; ") {
		if !strings.HasPrefix(statement, "then ") {
			s.exec(statement)
		}
	}
	s.expect(check, Pass)
}

// What is wrong is found, and the statement beside it mends it.
func TestCheck(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			s := newSource(t, flavor)
			for _, setting := range []string{"binlog_format = 'STATEMENT'", "binlog_row_image = 'MINIMAL'", "binlog_row_metadata = 'MINIMAL'"} {
				name, _, _ := strings.Cut(setting, " ")
				s.spoil(name, Fail, "SET GLOBAL "+setting)
			}
			s.spoil("binlog_expire_logs_seconds", Warn, "SET GLOBAL binlog_expire_logs_seconds = 3600")
			s.spoil("table bare", Warn, "CREATE TABLE shop.bare (v INT)")
			s.spoil("table old", Warn, "CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE=MyISAM")
			s.spoil("character sets", Warn, "CREATE TABLE shop.kanji (id INT PRIMARY KEY, v VARCHAR(10) CHARACTER SET sjis, w VARCHAR(9) CHARACTER SET latin1)")
			s.expect("size", Pass)
			s.exec("CREATE TABLE shop.uncounted (id INT PRIMARY KEY) STATS_PERSISTENT=1, STATS_AUTO_RECALC=0", "INSERT INTO shop.uncounted VALUES (1), (2)",
				"UPDATE mysql.innodb_table_stats SET n_rows = 0 WHERE database_name = 'shop' AND table_name = 'uncounted'", "FLUSH TABLE shop.uncounted")
			if flavor == mysqltest.MariaDB { // which reads its statistics again only then
				if err := s.server.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s.exec(s.expect("size", Warn).Mend)
			s.expect("size", Pass)
			if detail := s.find()["size"].Detail; !strings.Contains(detail, "tables of about") || !strings.Contains(detail, "DuckDB's file") {
				t.Errorf("the size is told as %q", detail)
			}
			s.exec("CREATE TABLE shop.skip (v INT)", "CREATE TABLE shop.parent (id INT PRIMARY KEY)",
				"CREATE TABLE shop.child (id INT PRIMARY KEY, p INT, CONSTRAINT c FOREIGN KEY (p) REFERENCES shop.parent (id) ON DELETE CASCADE)")
			s.expect("table skip", Pass)
			s.expect("table good", Pass)
			if flavor == mysqltest.MySQL {
				s.spoil("binlog_row_value_options", Fail, "SET GLOBAL binlog_row_value_options = 'PARTIAL_JSON'")
				s.expect("gtid_mode", Pass)
				s.expect("table child", Pass)
			} else {
				s.exec("CREATE TABLE shop.odd (id INT PRIMARY KEY, v TEXT COMPRESSED)")
				s.expect("table odd", Fail)
				s.expect("table child", Warn)
			}
			s.identities()
			s.grants()
			// What only a server set up otherwise shows.
			for name, grades := range s.seen {
				if name != "table" && name != "gtid_mode" && !strings.HasPrefix(name, "log_") && (!grades[Pass] || len(grades) < 2) {
					t.Errorf("%s was seen only as %v", name, grades)
				}
			}
		})
	}
}

// identities: the source's own id, and that of a replica that is connected.
func (s *source) identities() {
	s.Helper()
	s.expect("server id", Pass)
	db, err := s.server.Open("shop")
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	was := s.id
	if err := db.QueryRowContext(s.Context(), "SELECT @@GLOBAL.server_id").Scan(&s.id); err != nil {
		s.Fatal(err)
	}
	s.expect("server id", Fail)
	s.id = was
	c, err := s.connect()
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	from, err := c.Position(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(s.server.Addr)
	n, _ := strconv.ParseUint(port, 10, 16)
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() {
		r := binlog.NewReader(binlog.Config{Flavor: c.Flavor, Host: host, Port: uint16(n), User: "root", Password: mysqltest.RootPassword, ServerID: s.id})
		ended <- r.Run(ctx, from)
	}()
	s.await("server id", Warn)
	cancel()
	<-ended
	s.await("server id", Pass)
}

// await waits until a check's grade is what it is to become.
func (s *source) await(check string, want Grade) {
	s.Helper()
	deadline := time.After(time.Minute)
	for s.find()[check].Grade != want {
		select {
		case <-deadline:
			s.Fatalf("%s has not become %s", check, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// grants: an account without any is told each statement that it lacks, and these are all it needs.
func (s *source) grants() {
	s.Helper()
	if err := s.server.CreateUser(s.Context(), "poor", mysqltest.RootPassword, "INSERT ON shop.*"); err != nil {
		s.Fatal(err)
	}
	s.user = "poor"
	monitor := "grant REPLICATION CLIENT"
	if s.server.Flavor == mysqltest.MariaDB {
		monitor = "grant BINLOG MONITOR"
	}
	want := map[string]Grade{"grant REPLICATION SLAVE": Fail, monitor: Fail, "grant SELECT": Warn, "grant LOCK TABLES": Warn, "server id": Warn}
	found := s.find()
	for check, grade := range want {
		f := found[check]
		if f.Grade != grade {
			s.Errorf("%s: %s, want %s", check, f, grade)
		}
		s.exec(f.Mend)
	}
	for check := range want {
		s.expect(check, Pass)
	}
}

// A server without a binlog fails, and nothing else is asked of it.
func TestCheckWithoutBinlog(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			s := newSource(t, flavor, "--skip-log-bin")
			if f := s.expect("binary log", Fail); !strings.Contains(f.Mend, "log_bin=") {
				t.Errorf("it is mended with %q", f.Mend)
			}
			c, err := s.connect()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := Require(t.Context(), c); err == nil {
				t.Error("a server without a binlog is good enough to be followed")
			}
		})
	}
}

// GTIDs can be turned on with the statements that are told; foreign keys left to InnoDB are found on MySQL, too.
func TestCheckWithoutGTID(t *testing.T) {
	s := newSource(t, mysqltest.MySQL, append(mysqltest.WithoutGTID(), "--innodb-native-foreign-keys=ON")...)
	s.exec("CREATE TABLE shop.parent (id INT PRIMARY KEY)",
		"CREATE TABLE shop.child (id INT PRIMARY KEY, p INT, CONSTRAINT c FOREIGN KEY (p) REFERENCES shop.parent (id) ON DELETE CASCADE)")
	s.expect("table child", Warn)
	mend := s.expect("gtid_mode", Warn).Mend
	s.exec(strings.Split(mend, "; ")...)
	s.expect("gtid_mode", Pass)
}

// A replica that does not log what it replicates is not taken for a source.
func TestReplicaWithoutItsOwnLog(t *testing.T) {
	for flavor, name := range map[mysqltest.Flavor]string{mysqltest.MySQL: "log_replica_updates", mysqltest.MariaDB: "log_slave_updates"} {
		t.Run(string(flavor), func(t *testing.T) {
			option := "--" + strings.ReplaceAll(name, "_", "-")
			s := newSource(t, flavor, option+"=OFF")
			s.expect(name, Pass)
			s.user = "poor"
			if err := s.server.CreateUser(t.Context(), s.user, mysqltest.RootPassword, "SELECT ON shop.*"); err != nil {
				t.Fatal(err)
			}
			s.exec(s.expect(name, Warn).Mend)
			s.expect(name, Pass)
			if err := s.server.ReplicateFrom(t.Context(), mysqltest.ForTest(t, flavor)); err != nil {
				t.Fatal(err)
			}
			if f := s.expect(name, Fail); !strings.Contains(f.Mend, name+"=ON") {
				t.Errorf("it is mended with %q", f.Mend)
			}
			c, err := s.connect()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := Require(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("it is required that %v", err)
			}
		})
	}
}

// Findings read as sentences.
func TestFindingsAreSentences(t *testing.T) {
	f := Finding{Warn, "size", "it cannot be told", "ANALYZE TABLE t"}
	if got := fmt.Sprint(f); got != "size: it cannot be told; mend it with: ANALYZE TABLE t" {
		t.Errorf("a finding reads %q", got)
	}
}
