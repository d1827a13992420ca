package source

import (
	"fmt"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Transactions that others committed first, in any order of their numbers and in several domains, are each read once, also by a run that resumes.
func TestTransactionsOfSeveralServers(t *testing.T) {
	for flavor, as := range map[mysqltest.Flavor]func(n int) string{
		mysqltest.MySQL: func(n int) string {
			return fmt.Sprintf("SET GTID_NEXT = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:%d'", []int{5, 9, 7, 6, 20, 1}[n])
		},
		mysqltest.MariaDB: func(n int) string {
			return fmt.Sprintf("SET SESSION gtid_domain_id = %d, server_id = %d", 1+n%3, 100+n)
		},
	} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor, "--max-connections=76") // whose GTIDs no other test needs
			r.exec("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE bag (v INT)", "INSERT INTO bag VALUES (0)")
			stop := r.start()
			r.converge()
			for n := range 6 {
				own := "SELECT 1"
				if flavor == mysqltest.MySQL {
					own = "SET GTID_NEXT = 'AUTOMATIC'"
				}
				r.exec(as(n), fmt.Sprintf("INSERT INTO bag VALUES (%d)", n), own, fmt.Sprintf("INSERT INTO a VALUES (%d)", n))
				if n%2 == 0 {
					r.converge()
					stop()
					stop = r.start()
				}
			}
			r.converge()
			r.recopied(nil, []string{"a", "bag"}, "")
		})
	}
}

// Of an XA transaction that was prepared before the stream began neither the copy nor the stream has the rows; at its commit they are copied.
func TestXAPreparedBeforeTheStream(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor)
			r.exec("CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")
			r.exec("XA START 'before'", "INSERT INTO a VALUES (2)", "XA END 'before'", "XA PREPARE 'before'")
			r.start()
			r.converge()
			r.exec("INSERT INTO a VALUES (3)", "XA COMMIT 'before'", "INSERT INTO a VALUES (4)")
			r.converge()
			r.recopied([]string{"a"}, nil, "before this run began")
		})
	}
}
