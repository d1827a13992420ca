package snapshot

import (
	"fmt"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A table that the source takes for a small one is read to its end all the same, once, in order, and from each mark on.
func TestSmallByEstimateOnly(t *testing.T) {
	s := mysqltest.ForTest(t, mysqltest.MySQL)
	const rows = 2*smallRows + 345
	if err := s.Exec(t.Context(), "CREATE DATABASE shop", "USE shop", "SET SESSION cte_max_recursion_depth = 1000000",
		"CREATE TABLE number (id INT PRIMARY KEY, v VARCHAR(20))",
		fmt.Sprintf("INSERT INTO number WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, REPEAT('x', 20) FROM n", rows),
		"CREATE TABLE pair (a VARCHAR(9), b INT, PRIMARY KEY (a, b))", "INSERT INTO pair SELECT id MOD 7, id FROM number",
		"CREATE TABLE exact LIKE number", fmt.Sprintf("INSERT INTO exact SELECT * FROM number WHERE id <= %d", smallRows),
		"CREATE TABLE none LIKE number"); err != nil {
		t.Fatal(err)
	}
	source, tables := connect(t, s)
	position, err := source.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"number": rows, "pair": rows, "exact": smallRows, "none": 0} {
		tables[name].Rows = 0
		read := func(resume []byte) (marks [][]byte, after []int) {
			n := 0
			c := &Copy{Server: source, Table: tables[name], Definition: tables[name].Definition(), Bounds: NewBounds(2), most: 700}
			err := c.Keyed(t.Context(), position, resume, func(p Piece) error {
				n += p.Rows.Len()
				marks, after = append(marks, p.Resume), append(after, n)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return marks, after
		}
		marks, after := read(nil)
		if want == 0 && len(marks) == 0 {
			continue
		}
		if n := after[len(after)-1]; n != want {
			t.Errorf("%s: %d rows were read, want %d", name, n, want)
		}
		for i, mark := range marks[:len(marks)-1] {
			_, rest := read(mark)
			if n := rest[len(rest)-1]; after[i]+n != want {
				t.Errorf("%s: %d rows up to %s and %d after it, want %d", name, after[i], mark, n, want)
			}
		}
	}
}
