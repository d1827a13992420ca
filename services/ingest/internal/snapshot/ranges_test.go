package snapshot

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Whatever the distribution of an integer key, ranges follow one another without a gap and none holds much
// more than it should.
func TestRangesOfIntegerKeys(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			s := mysqltest.ForTest(t, flavor)
			deep := "SET SESSION max_recursive_iterations = 10000000"
			if flavor == mysqltest.MySQL {
				deep = "SET SESSION cte_max_recursion_depth = 10000000"
			}
			const rows = 110_000
			statements := []string{"CREATE DATABASE shop", "USE shop", deep, "CREATE TABLE dense (id INT PRIMARY KEY, v VARCHAR(100))",
				fmt.Sprintf("INSERT INTO dense WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, REPEAT('x', 90) FROM n", rows)}
			for name, key := range map[string]string{
				"signed":    "BIGINT, id * 2 - 100000",
				"skewed":    "BIGINT, IF(id < 5, -id * 1000000000000000000, IF(id < 55000, id, 9000000000000000000 + id))",
				"very_long": "BIGINT UNSIGNED, 18446744073709551615 - id",
			} {
				typ, expression, _ := strings.Cut(key, ",")
				statements = append(statements, fmt.Sprintf("CREATE TABLE %s (id %s PRIMARY KEY, v VARCHAR(100))", name, typ),
					fmt.Sprintf("INSERT INTO %s SELECT %s, v FROM dense", name, expression), "ANALYZE TABLE "+name)
			}
			if err := s.Exec(t.Context(), append(statements, "ANALYZE TABLE dense")...); err != nil {
				t.Fatal(err)
			}
			source, tables := connect(t, s)
			for name, table := range tables {
				checkRanges(t, &Copy{Server: source, Table: table, Definition: table.Definition()}, name, rows)
			}
		})
	}
}

func connect(t *testing.T, s *mysqltest.Server) (*server.Server, map[string]*catalog.Table) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	source, err := server.Connect(t.Context(), server.Config{Host: host, Port: uint16(n), User: "root", Password: mysqltest.RootPassword, Schema: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	tables, err := catalog.Read(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return source, tables
}

func checkRanges(t *testing.T, c *Copy, name string, rows int) {
	t.Helper()
	total, spans := 0, 0
	var after []string
	conn, err := c.Server.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = c.walk(t.Context(), conn, nil, func(s *span) error {
		if fmt.Sprint(s.after) != fmt.Sprint(after) {
			t.Errorf("%s: a range begins at %v, the one before ended at %v", name, s.after, after)
		}
		after = s.upto
		var n int
		count := "SELECT COUNT(*) FROM " + c.Server.Name(name) + where([]string{"id"}, s.after, s.upto)
		if err := c.Server.DB.QueryRowContext(context.WithoutCancel(t.Context()), count).Scan(&n); err != nil {
			return err
		}
		if size := n * int(c.Table.RowBytes); size > 4*rangeBytes {
			t.Errorf("%s: a range of %d rows, some %d bytes", name, n, size)
		}
		total += n
		spans++
		return nil
	})
	if err != nil || total != rows || after != nil || spans < 3 {
		t.Errorf("%s: %d ranges hold %d rows of %d and end at %v: %v", name, spans, total, rows, after, err)
	}
}
