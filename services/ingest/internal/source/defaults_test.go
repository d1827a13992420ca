package source

import (
	"context"
	"fmt"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// What a server's operators have set for all sessions does not change what is read: neither how many rows, nor for how long, nor as of when,
// nor those of which nothing stands, nor without the keys that the server has made.
func TestServersWithOddDefaults(t *testing.T) {
	for flavor, odd := range map[mysqltest.Flavor]map[string]string{
		mysqltest.MySQL:   {"transaction_isolation": "'READ-UNCOMMITTED'", "max_execution_time": "1000", "show_gipk_in_create_table_and_information_schema": "OFF"},
		mysqltest.MariaDB: {"tx_isolation": "'READ-UNCOMMITTED'", "max_statement_time": "1000"},
	} {
		t.Run(string(flavor), func(t *testing.T) {
			r := newRig(t, flavor, "--max-connections=78")
			r.config.CopyConnections = 1 // which reads again and again
			odd["autocommit"], odd["sql_select_limit"] = "0", "10"
			const usual = "SET SESSION autocommit = 1"
			r.exec(orders, "CREATE TABLE doubtful (id INT PRIMARY KEY)")
			if flavor == mysqltest.MySQL {
				r.exec("SET SESSION sql_generate_invisible_primary_key = 1", "CREATE TABLE hidden (v INT)", "INSERT INTO hidden VALUES (1), (1), (2)")
			}
			r.fill(30_000)
			doubtful, err := r.db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer doubtful.Close()
			for _, statement := range []string{"BEGIN", "INSERT INTO doubtful VALUES (1)"} {
				if _, err := doubtful.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			var restore []string
			restored := func() { r.exec(restore...); restore = nil }
			t.Cleanup(func() { // after a failure
				if err := r.mysql.Exec(context.WithoutCancel(t.Context()), restore...); err != nil {
					t.Error(err)
				}
			})
			for name, value := range odd {
				restore = append(restore, "SET GLOBAL "+name+" = DEFAULT")
				r.exec(fmt.Sprintf("SET GLOBAL %s = %s", name, value))
			}
			var limit float64
			limited := map[mysqltest.Flavor]string{mysqltest.MySQL: "max_execution_time", mysqltest.MariaDB: "max_statement_time"}[flavor]
			if err := r.connect().DB.QueryRowContext(t.Context(), "SELECT @@SESSION."+limited).Scan(&limit); err != nil || limit != 0 {
				t.Errorf("statements may take %v, want any time (%v)", limit, err)
			}
			r.start()
			r.eventually("all is copied", func(m *model) bool { return len(m.tables) >= 2 && len(m.copies) == 0 && m.tables["orders"] != nil })
			for round := range 3 {
				total := fmt.Sprintf("%d.00", 1000+round)
				r.exec(usual, fmt.Sprintf("UPDATE orders SET total = %s WHERE id <= 100", total))
				r.eventually("the change arrives", func(m *model) bool { return m.tables["orders"].rows["100"][0]["total"] == total })
				r.control(ControlRequest{Op: "copy", Table: "orders"})
				r.eventually("the table is copied again", func(m *model) bool { return m.begun["orders"] == round+2 && m.copies["orders"] == nil })
			}
			restored()
			if _, err := doubtful.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			r.exec("UPDATE orders SET total = 0 WHERE id <= 3")
			r.converge()
		})
	}
}
