package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/ingest/internal/preflight"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// copied returns how often each of the tables was copied, and why they were condemned.
func (r *rig) copied(tables ...string) (times map[string]int, reasons string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	times = map[string]int{}
	for _, name := range tables {
		times[name] = r.model.begun[name]
	}
	return times, strings.Join(r.model.reasons, "; ")
}

// recopied requires that, since the tables were first copied, some were copied again and the others never.
func (r *rig) recopied(again, never []string, reason string) {
	r.t.Helper()
	times, reasons := r.copied(append(again, never...)...)
	for _, name := range again {
		if times[name] < 2 {
			r.t.Errorf("%s was not copied again", name)
		}
	}
	for _, name := range never {
		if times[name] != 1 {
			r.t.Errorf("%s was copied %d times, want once", name, times[name])
		}
	}
	if !strings.Contains(reasons, reason) || reason == "" && reasons != "" {
		r.t.Errorf("the reasons are %q, want %q", reasons, reason)
	}
}

func (r *rig) connect() *server.Server {
	r.t.Helper()
	s, err := server.Connect(r.t.Context(), r.config.Server)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return s
}

const pair = "CREATE TABLE part (id INT PRIMARY KEY, a VARCHAR(50), b INT, j JSON, t TEXT); CREATE TABLE whole LIKE part"

func (r *rig) pair() {
	r.t.Helper()
	r.exec(strings.Split(pair, "; ")...)
	for _, table := range []string{"part", "whole"} {
		r.exec("INSERT INTO " + table + ` VALUES (1, 'one', 1, '{"k": [1, 2, 3], "text": "` + strings.Repeat("x", 200) + `"}', 'one'), (2, 'two', 2, '[]', 'two'), (3, NULL, NULL, NULL, 'three')`)
	}
	r.start()
	r.converge()
}

// What a session may set for itself and what makes its rows incomplete is noticed on the event: the table is copied anew, others go on.
func TestSessionsLogInPart(t *testing.T) {
	tests := map[string]struct {
		flavors []mysqltest.Flavor
		setting string
		reason  string
	}{
		"minimal image": {[]mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB}, "binlog_row_image = 'MINIMAL'", "binlog_row_image=FULL"},
		"noblob image":  {[]mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB}, "binlog_row_image = 'NOBLOB'", "binlog_row_image=FULL"},
		"partial json":  {[]mysqltest.Flavor{mysqltest.MySQL}, "binlog_row_value_options = 'PARTIAL_JSON'", "binlog_row_value_options=''"},
		"statements":    {[]mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB}, "binlog_format = 'STATEMENT'", "binlog_format=ROW"},
	}
	for name, test := range tests {
		for _, flavor := range test.flavors {
			t.Run(name+" "+string(flavor), func(t *testing.T) {
				r := newRig(t, flavor)
				r.pair()
				r.exec("SET SESSION "+test.setting, `UPDATE part SET b = b + 1, j = JSON_REPLACE(j, '$.k[1]', 9) WHERE id = 1`)
				r.exec("UPDATE whole SET b = b + 1, a = 'uno', j = NULL WHERE id = 1", "DELETE FROM whole WHERE id = 2", "INSERT INTO whole VALUES (4, 'four', 4, '{}', '')")
				r.converge()
				if name == "statements" { // which may have written to any table
					r.recopied([]string{"part", "whole"}, nil, test.reason)
				} else {
					r.recopied([]string{"part"}, []string{"whole"}, test.reason)
				}
				r.exec("UPDATE part SET b = b + 1", "DELETE FROM part WHERE id = 3")
				r.converge()
			})
		}
	}
}

// Compressed transactions are read like others, between others, small and large.
func TestCompressedTransactions(t *testing.T) {
	for flavor, setting := range map[mysqltest.Flavor]string{
		mysqltest.MySQL: "SET SESSION binlog_transaction_compression = %v", mysqltest.MariaDB: "SET GLOBAL log_bin_compress = %v",
	} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor, "--max-connections=78") // a setting of the whole server
			r.exec(orders, "CREATE TABLE wide (id INT PRIMARY KEY, v LONGTEXT, f DOUBLE, n BIGINT UNSIGNED, at TIMESTAMP(6) NULL, j JSON)")
			r.fill(100)
			r.start()
			r.converge()
			for _, on := range []string{"1", "0", "1"} {
				r.exec(fmt.Sprintf(setting, on),
					"REPLACE INTO wide VALUES (1, REPEAT('abc', 100000), 0.1, 18446744073709551615, '2024-01-02 03:04:05.678901', '[12345678901234567890]'), (2, REPEAT('x', 500), NULL, 0, NULL, NULL)",
					"BEGIN", "UPDATE orders SET total = total + 1 WHERE id < 50", "DELETE FROM wide WHERE id = 2", "INSERT INTO wide (id, v) VALUES (2, REPEAT('back', 1000))", "COMMIT",
					"INSERT INTO orders (customer, total, note, at) SELECT 1, 2.5, REPEAT('y', 150), '2024-01-01' FROM orders a, orders b LIMIT 3000",
					"BEGIN", "DELETE FROM orders", "ROLLBACK")
				r.exec("DELETE FROM orders WHERE id % 3 = 0")
			}
			r.converge()
			r.recopied(nil, []string{"orders", "wide"}, "")
		})
	}
}

// The binlog is read with and without checksums, and across the change.
func TestChecksums(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor, "--max-connections=78")
			r.exec(orders)
			r.fill(100)
			stop := r.start()
			r.converge()
			for _, algorithm := range []string{"NONE", "CRC32", "NONE", "CRC32"} {
				r.exec("SET GLOBAL binlog_checksum = "+algorithm, "UPDATE orders SET total = total + 1", "INSERT INTO orders (customer, total, at) VALUES (1, 1, '2024-01-01')")
				r.converge()
				stop()
				r.exec("DELETE FROM orders WHERE id = (SELECT * FROM (SELECT MIN(id) FROM orders) AS o)")
				stop = r.start()
			}
			r.converge()
			r.recopied(nil, []string{"orders"}, "")
		})
	}
}

// Tables without transactions: rows stand though the transaction around them is rolled back.
func TestTablesWithoutTransactions(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders, "CREATE TABLE heap (id INT PRIMARY KEY, v VARCHAR(50)) ENGINE=MyISAM", "CREATE TABLE bag (v VARCHAR(50)) ENGINE=MyISAM",
			"INSERT INTO heap VALUES (1, 'a'), (2, 'b')", "INSERT INTO bag VALUES ('a'), ('a')")
		r.fill(50)
		r.start()
		r.converge()
		r.exec("INSERT INTO heap VALUES (3, 'c')", "UPDATE heap SET id = id + 10", "DELETE FROM heap WHERE id = 11", "UPDATE bag SET v = 'b' LIMIT 1", "INSERT INTO bag VALUES ('c'), ('c')")
		r.converge()
		r.recopied(nil, []string{"orders", "heap", "bag"}, "")
		if r.mysql.Flavor == mysqltest.MySQL && t.Name() != "TestTablesWithoutTransactions/mysql_without_gtid" {
			return // GTIDs forbid the mixture
		}
		r.exec("BEGIN", "UPDATE orders SET total = 9", "INSERT INTO heap VALUES (99, 'stays')", "DELETE FROM orders", "ROLLBACK", "UPDATE orders SET total = 8 WHERE id = 1")
		r.converge()
	})
}

// Rows that a foreign key changes or removes are followed where the server logs them, and the check warns where it does not.
func TestForeignKeysCascade(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec("CREATE TABLE parent (id INT PRIMARY KEY, v INT)",
			"CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE)",
			"CREATE TABLE grandchild (id INT PRIMARY KEY, c INT, FOREIGN KEY (c) REFERENCES child (id) ON DELETE CASCADE)",
			"CREATE TABLE orphan (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE)",
			"INSERT INTO parent VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO child VALUES (1, 1), (2, 1), (3, 2), (4, 3)",
			"INSERT INTO grandchild VALUES (1, 1), (2, 2), (3, 3), (4, 4)", "INSERT INTO orphan VALUES (1, 1), (2, 2), (3, 3)")
		r.start()
		r.converge()
		findings, err := preflight.Check(t.Context(), r.connect(), 4242, func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		warned := strings.Contains(fmt.Sprint(findings), "does not log that")
		if r.mysql.Flavor == mysqltest.MariaDB {
			if !warned {
				t.Errorf("MariaDB logs no such change; the check found %v", findings)
			}
			return
		}
		if warned {
			t.Errorf("this MySQL logs such changes; the check found %v", findings)
		}
		r.exec("DELETE FROM parent WHERE id = 1", "UPDATE parent SET id = 20 WHERE id = 2", "UPDATE parent SET v = 5 WHERE id = 3")
		r.converge()
	})
}

// LOAD DATA and what else writes many rows by one statement.
func TestBulkWrites(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50))", "INSERT INTO t VALUES (1, 'old'), (2, 'old')")
		r.start()
		r.converge()
		file := filepath.Join(r.mysql.Dir, r.schema+".csv")
		if err := os.WriteFile(file, []byte("2,two\n3,three\n4,\\N\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		r.exec("LOAD DATA INFILE '"+file+"' REPLACE INTO TABLE t FIELDS TERMINATED BY ','", "INSERT INTO t VALUES (1, 'new'), (5, 'five') ON DUPLICATE KEY UPDATE v = 'updated'",
			"REPLACE INTO t SELECT id + 3, v FROM (SELECT * FROM t) AS x")
		r.converge()
		r.recopied(nil, []string{"t"}, "")
	})
}

// Partitions: what removes or brings rows without logging them leads to a copy, what only moves rows does not.
func TestPartitions(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		const by = " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN (30))"
		for _, name := range []string{"moved", "dropped", "emptied", "swapped"} {
			r.exec("CREATE TABLE "+name+" (id INT PRIMARY KEY, v VARCHAR(20))"+by, "INSERT INTO "+name+" VALUES (1, 'a'), (11, 'b'), (21, 'c')")
		}
		r.exec("CREATE TABLE other (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO other VALUES (12, 'other'), (13, 'other')", "CREATE TABLE still (id INT PRIMARY KEY)")
		r.start()
		r.converge()
		r.exec("ALTER TABLE moved ADD PARTITION (PARTITION p3 VALUES LESS THAN (40))", "INSERT INTO moved VALUES (31, 'd')",
			"ALTER TABLE moved REORGANIZE PARTITION p0, p1 INTO (PARTITION p01 VALUES LESS THAN (20))", "ALTER TABLE moved REMOVE PARTITIONING",
			"ALTER TABLE moved PARTITION BY HASH (id) PARTITIONS 4", "ALTER TABLE moved COALESCE PARTITION 2", "ALTER TABLE moved REBUILD PARTITION ALL", "UPDATE moved SET id = id + 100")
		r.converge()
		r.recopied(nil, []string{"moved"}, "")
		r.exec("ALTER TABLE dropped DROP PARTITION p1", "ALTER TABLE emptied TRUNCATE PARTITION p0, p2", "ALTER TABLE swapped EXCHANGE PARTITION p1 WITH TABLE other", "INSERT INTO still VALUES (1)")
		r.converge()
		r.recopied([]string{"dropped", "emptied", "swapped", "other"}, []string{"moved", "still"}, "partition")
		r.exec("INSERT INTO dropped VALUES (2, 'x')", "DELETE FROM emptied", "UPDATE swapped SET v = 'y'", "DELETE FROM other")
		r.converge()
		if r.mysql.Flavor != mysqltest.MariaDB {
			return
		}
		r.exec("ALTER TABLE swapped CONVERT PARTITION p2 TO TABLE converted", "UPDATE converted SET v = 'z'", "INSERT INTO still VALUES (2)")
		r.converge()
		r.exec("ALTER TABLE swapped CONVERT TABLE converted TO PARTITION p4 VALUES LESS THAN (40)", "INSERT INTO still VALUES (3)")
		r.converge()
	})
}

// MariaDB can make a key unique by leaving rows out.
func TestAlterIgnore(t *testing.T) {
	r := newRig(t, mysqltest.MariaDB)
	r.exec("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 1), (3, 2)")
	r.start()
	r.converge()
	r.exec("ALTER IGNORE TABLE t ADD UNIQUE KEY (v)", "INSERT INTO t VALUES (4, 4)")
	r.converge()
}
