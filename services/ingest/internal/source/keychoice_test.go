package source

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/seed"
)

// Of several unique indexes the source chooses the one whose columns it logs as the key, by rules of its own. The schema
// is read with the same choice: a table that has no primary key is followed as it was copied, whatever its indexes are.
func TestKeyIsTheSources(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		names, first := make([]string, 12), seed.For(t)
		for i := range names {
			names[i] = fmt.Sprintf("t%d", i)
			r.exec(randomIndexes(rand.New(rand.NewPCG(first, uint64(i))), names[i], r.mysql.Flavor)...)
			r.exec("INSERT INTO " + names[i] + " (a, b, c, d) VALUES (1, 1, 1, '1'), (2, 2, 2, '2')")
		}
		r.start()
		r.converge()
		for _, name := range names {
			r.exec("INSERT INTO "+name+" (a, b, c, d) VALUES (3, 3, 3, '3')", "UPDATE "+name+" SET a = 4, b = 4 WHERE c = 1", "DELETE FROM "+name+" WHERE a = 2")
		}
		r.converge()
		r.recopied(nil, names, "")
	})
}

// randomIndexes makes a table with unique indexes, of which some come later and some go.
func randomIndexes(rng *rand.Rand, table string, flavor mysqltest.Flavor) []string {
	columns := []string{"(a)", "(b)", "(c)", "(d)", "(a, b)", "(b, a)", "(b, d)", "(c, a)", "(d(3))", "(a, d(2))", "(v)", "(v, a)", "(s)", "(s, b)"}
	generated := ", v INT AS (a + 1) VIRTUAL, s INT AS (b + 1) STORED"
	if flavor == mysqltest.MySQL {
		columns = append(columns, "((a + b))", "(b, (a + 1))")
		generated = ", v INT AS (a + 1) VIRTUAL NOT NULL, s INT AS (b + 1) STORED NOT NULL"
	}
	index := func(i int) string {
		return fmt.Sprintf("UNIQUE %c%d %s", 'a'+rng.IntN(26), i, columns[rng.IntN(len(columns))])
	}
	var made []string
	for i := range rng.IntN(4) {
		made = append(made, index(i))
	}
	statements := []string{"CREATE TABLE " + table + " (a INT NOT NULL, b INT NOT NULL, c INT, d VARCHAR(20) NOT NULL" + generated + strings.Join(append([]string{""}, made...), ", ") + ")"}
	for i := range rng.IntN(3) {
		statements = append(statements, "ALTER TABLE "+table+" ADD "+index(10+i))
	}
	if len(made) > 0 && rng.IntN(2) == 0 {
		statements = append(statements, "ALTER TABLE "+table+" DROP INDEX "+strings.Fields(made[rng.IntN(len(made))])[1])
	}
	return statements
}
