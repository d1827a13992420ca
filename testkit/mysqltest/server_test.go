package mysqltest_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/go-sql-driver/mysql"
)

func eachFlavor(t *testing.T, test func(t *testing.T, flavor mysqltest.Flavor)) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			t.Parallel()
			test(t, flavor)
		})
	}
}

func open(t *testing.T, s *mysqltest.Server, database string) *sql.DB {
	t.Helper()
	db, err := s.Open(database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func exec(t *testing.T, s *mysqltest.Server, statements ...string) {
	t.Helper()
	if err := s.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
}

func scalar(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var value string
	if err := db.QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func TestDefaultsMakeASource(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s := mysqltest.ForTest(t, flavor)
		db := open(t, s, "")
		want := map[string]string{
			"log_bin": "1", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL",
			"local_infile": "1", "time_zone": "+00:00", "character_set_server": "utf8mb4", "lower_case_table_names": "0",
			"sync_binlog": "0", "innodb_flush_log_at_trx_commit": "2", "innodb_buffer_pool_size": "134217728",
			"bind_address": "127.0.0.1",
		}
		switch flavor {
		case mysqltest.MySQL:
			want["gtid_mode"] = "ON"
		case mysqltest.MariaDB:
			want["gtid_strict_mode"] = "1"
		}
		for name, value := range want {
			if got := scalar(t, db, "SELECT @@GLOBAL."+name); got != value {
				t.Errorf("%s is %q, not %q", name, got, value)
			}
		}
		if version := scalar(t, db, "SELECT VERSION()"); strings.Contains(version, "MariaDB") != (flavor == mysqltest.MariaDB) {
			t.Errorf("%s says it is version %s", flavor, version)
		}
		before, err := s.GTID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exec(t, s, "CREATE DATABASE shop")
		after, err := s.GTID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if before != "" || after == "" {
			t.Errorf("GTID position went from %q to %q, want a first transaction", before, after)
		}
	})
}

func TestServersDiffer(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		a, b := mysqltest.ForTest(t, flavor), mysqltest.ForTest(t, flavor)
		queries := []string{"SELECT @@server_id", "SELECT @@datadir", "SELECT @@port"}
		if flavor == mysqltest.MySQL {
			queries = append(queries, "SELECT @@server_uuid")
		}
		for _, query := range queries {
			if x, y := scalar(t, open(t, a, ""), query), scalar(t, open(t, b, ""), query); x == y {
				t.Errorf("%s: both servers say %s", query, x)
			}
		}
	})
}

func TestArgsWinOverDefaults(t *testing.T) {
	t.Parallel()
	s := mysqltest.ForTest(t, mysqltest.MySQL, append(mysqltest.WithoutGTID(), "--binlog-row-image=MINIMAL", "--sync-binlog=7")...)
	db := open(t, s, "")
	for name, want := range map[string]string{"gtid_mode": "OFF", "binlog_row_image": "MINIMAL", "sync_binlog": "7"} {
		if got := scalar(t, db, "SELECT @@GLOBAL."+name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
}

func TestDurable(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		db := open(t, mysqltest.ForTest(t, flavor, mysqltest.Durable()...), "")
		if got := scalar(t, db, "SELECT CONCAT(@@sync_binlog, @@innodb_flush_log_at_trx_commit)"); got != "11" {
			t.Errorf("sync_binlog and innodb_flush_log_at_trx_commit are %s", got)
		}
	})
}

func TestDataOutliveTheProcess(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s := mysqltest.ForTest(t, flavor)
		exec(t, s, "CREATE DATABASE shop", "CREATE TABLE shop.kept (id INT PRIMARY KEY)", "INSERT INTO shop.kept VALUES (1)")
		db, addr := open(t, s, "shop"), s.Addr

		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if s.Running() {
			t.Error("a killed server is said to run")
		}
		if err := db.PingContext(t.Context()); err == nil {
			t.Error("a killed server answers")
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		exec(t, s, "INSERT INTO shop.kept VALUES (2)")

		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Running() {
			t.Error("a stopped server is said to run")
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil { // a running one
			t.Fatal(err)
		}
		if got := scalar(t, db, "SELECT GROUP_CONCAT(id ORDER BY id) FROM kept"); got != "1,2" {
			t.Errorf("rows after the restarts: %s", got)
		}
		if s.Addr != addr {
			t.Errorf("address went from %s to %s", addr, s.Addr)
		}
	})
}

func TestNamedFolderIsKeptAndFoundAgain(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		opts := mysqltest.Options{Flavor: flavor, Dir: t.TempDir()}
		first, err := mysqltest.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, first, "CREATE DATABASE kept")
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := mysqltest.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		exec(t, second, "USE kept")
	})
}

func TestCloseRemovesTheTemporaryFolder(t *testing.T) {
	t.Parallel()
	s, err := mysqltest.Start(t.Context(), mysqltest.Options{Flavor: mysqltest.MariaDB})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there", s.Dir)
	}
}

func TestRefusedOptionsShowTheLog(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s, err := mysqltest.Start(t.Context(), mysqltest.Options{Flavor: flavor, Args: []string{"--no-such-option"}})
		if err == nil {
			s.Close()
			t.Fatal("the server started")
		}
		if !strings.Contains(err.Error(), "unknown option '--no-such-option'") {
			t.Errorf("the error hides the reason: %v", err)
		}
	})
}

func TestPortOfAnotherServerIsRefused(t *testing.T) {
	t.Parallel()
	taken := mysqltest.ForTest(t, mysqltest.MariaDB)
	address := open(t, taken, "")
	port := scalar(t, address, "SELECT @@port")
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		s, err := mysqltest.Start(t.Context(), mysqltest.Options{Flavor: flavor, Port: number(t, port)})
		if err == nil {
			s.Close()
			t.Fatalf("a second server started on port %s", port)
		}
		if !strings.Contains(err.Error(), "the port is taken: "+taken.Addr) {
			t.Errorf("the error does not name the port: %v", err)
		}
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: mysqltest.MySQL})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestMissingServerNamesTheScript(t *testing.T) {
	t.Setenv("DUCKLING_TESTDB", t.TempDir())
	_, err := mysqltest.Start(t.Context(), mysqltest.Options{Flavor: mysqltest.MySQL})
	if !errors.Is(err, mysqltest.ErrNotInstalled) || !strings.Contains(err.Error(), "scripts/testdb.sh install") {
		t.Errorf("the error is %v", err)
	}
}

func TestAccounts(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		s := mysqltest.ForTest(t, flavor)
		exec(t, s, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
		const user, password = "duck'ling", `p@ss/w\rd'?`
		if err := s.CreateUser(t.Context(), user, password, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*", "SELECT ON shop.*"); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(s.URLAs(user, password, "shop"))
		if err != nil {
			t.Fatal(err)
		}
		config := mysql.NewConfig()
		config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		config.Passwd, _ = u.User.Password()
		db, err := sql.Open("mysql", config.FormatDSN())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got := scalar(t, db, "SELECT COUNT(*) FROM t"); got != "0" {
			t.Errorf("the new user counts %s rows", got)
		}
		if _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err == nil {
			t.Error("the new user writes without a grant")
		}
		root, err := sql.Open("mysql", s.DSN("shop"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if _, err := root.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); err != nil {
			t.Error(err)
		}
	})
}

func TestReplica(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		source, replica := mysqltest.ForTest(t, flavor), mysqltest.ForTest(t, flavor)
		exec(t, source, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
		if err := replica.ReplicateFrom(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		exec(t, source, "INSERT INTO shop.t VALUES (7)")
		if err := replica.WaitFor(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		if got := scalar(t, open(t, replica, "shop"), "SELECT id FROM t"); got != "7" {
			t.Errorf("the replica has row %s", got)
		}
		want, err := source.GTID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The replica logs what it applies, so that Duckling can be moved over to it.
		if got, err := replica.GTID(t.Context()); err != nil || got != want {
			t.Errorf("the replica's GTID position is %q (%v), the source's %q", got, err, want)
		}
	})
}
