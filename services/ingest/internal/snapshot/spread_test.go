package snapshot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Copies of several large tables that share connections and room each get to their end, in order, whichever is published
// slowly; one that fails leaves both to the others.
func TestCopiesShareBounds(t *testing.T) {
	s := mysqltest.ForTest(t, mysqltest.MySQL)
	const rows = 40_000
	statements := []string{"CREATE DATABASE shop", "USE shop", "SET SESSION cte_max_recursion_depth = 1000000", "CREATE TABLE one (id INT PRIMARY KEY, v VARCHAR(600))",
		fmt.Sprintf("INSERT INTO one WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, REPEAT('x', 600) FROM n", rows),
		"CREATE TABLE two (id VARCHAR(20) PRIMARY KEY, v VARCHAR(600))", "INSERT INTO two SELECT id, v FROM one", "CREATE TABLE three LIKE two", "INSERT INTO three SELECT * FROM two", "ANALYZE TABLE one, two, three"}
	if err := s.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	source, tables := connect(t, s)
	position, err := source.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, connections := range []int{1, 2, 5} {
		bounds := NewBounds(connections)
		copyTable := func(ctx context.Context, name string, emit Emit) error {
			bounds.connections <- struct{}{}
			defer bounds.Give()
			c := &Copy{Server: source, Table: tables[name], Definition: tables[name].Definition(), Bounds: bounds}
			return c.Keyed(ctx, position, nil, emit)
		}
		broken := errors.New("broken")
		pieces := 0
		if err := copyTable(t.Context(), "two", func(Piece) error {
			if pieces++; pieces == 20 {
				return broken
			}
			return nil
		}); !errors.Is(err, broken) {
			t.Fatalf("a copy whose publishing fails ends with %v", err)
		}
		// The first waits before its end until the others have got to theirs.
		var copying, others sync.WaitGroup
		others.Add(2)
		for _, name := range []string{"one", "two", "three"} {
			copying.Go(func() {
				read, last := 0, ""
				err := copyTable(t.Context(), name, func(p Piece) error {
					read += p.Rows.Len()
					if name == "one" && connections > 1 && read > rows/2 {
						others.Wait()
					}
					if name != "one" && string(p.Resume) <= last {
						t.Errorf("%s: %s comes after %s", name, p.Resume, last)
					}
					last = string(p.Resume)
					return nil
				})
				if err != nil || read != rows {
					t.Errorf("%s with %d connections: %d rows, %v", name, connections, read, err)
				}
				if name != "one" {
					others.Done()
				}
			})
		}
		copying.Wait()
		if len(bounds.connections) > 0 || len(bounds.pieces) > 0 {
			t.Errorf("%d connections and room for %d pieces were not given back", len(bounds.connections), len(bounds.pieces))
		}
	}
}
