package preflight

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// What is wrong is found, and the statement beside it mends it.
func TestCheck(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			m, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: flavor})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			exec := func(statements ...string) {
				t.Helper()
				if err := m.Exec(ctx, statements...); err != nil {
					t.Fatal(err)
				}
			}
			exec("CREATE DATABASE shop", "CREATE TABLE shop.good (id INT PRIMARY KEY)", "CREATE TABLE shop.bare (v INT)", "CREATE TABLE shop.skip (v INT)",
				"CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE=MyISAM",
				"SET GLOBAL binlog_expire_logs_seconds = 3600", "SET GLOBAL binlog_row_image = 'MINIMAL'")
			if flavor == mysqltest.MariaDB {
				exec("CREATE TABLE shop.odd (id INT PRIMARY KEY, v TEXT COMPRESSED)")
			}
			follow := func(table string) bool { return table != "skip" }
			find := func(id uint32) map[string]Finding {
				t.Helper()
				s, err := connect(ctx, m.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				list, err := Check(ctx, s, id, follow)
				if err != nil {
					t.Fatal(err)
				}
				found := map[string]Finding{}
				for _, f := range list {
					found[f.Check] = f
				}
				return found
			}
			grades := func(found map[string]Finding, want map[string]Grade) {
				t.Helper()
				for check, grade := range want {
					if f := found[check]; f.Grade != grade {
						t.Errorf("%s: %q, want %s", check, f, grade)
					}
					if f := found[check]; grade != Pass && f.Mend == "" {
						t.Errorf("%s: nothing mends it", check)
					}
				}
			}
			found := find(4711)
			want := map[string]Grade{"binlog_expire_logs_seconds": Warn, "binlog_row_image": Fail, "binlog_format": Pass, "server id": Pass, "table bare": Warn,
				"table old": Warn, "size": Pass, "grant REPLICATION SLAVE": Pass}
			if flavor == mysqltest.MariaDB {
				want["table odd"] = Fail
			}
			grades(found, want)
			for _, name := range []string{"table skip", "table good"} {
				if f, ok := found[name]; ok {
					t.Errorf("%s: %s", name, f)
				}
			}
			exec(found["binlog_expire_logs_seconds"].Mend, strings.Split(found["binlog_row_image"].Mend, ";")[0], found["table bare"].Mend, found["table old"].Mend)
			found = find(4711)
			grades(found, map[string]Grade{"binlog_expire_logs_seconds": Pass, "binlog_row_image": Pass})
			for _, name := range []string{"table bare", "table old"} {
				if f, ok := found[name]; ok {
					t.Errorf("after mending, %s: %s", name, f)
				}
			}
			var own uint32
			db, err := m.Open("shop")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.QueryRowContext(ctx, "SELECT @@GLOBAL.server_id").Scan(&own); err != nil {
				t.Fatal(err)
			}
			grades(find(own), map[string]Grade{"server id": Fail})
		})
	}
}

func connect(ctx context.Context, addr string) (*server.Server, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	return server.Connect(ctx, server.Config{Host: host, Port: uint16(port), User: "root", Password: mysqltest.RootPassword, Schema: "shop"})
}
