package source

import (
	"slices"
	"testing"

	"github.com/chittihq/duckling/pkg/frame"
)

// Whatever a statement that drops a column or a table does beside, the stream says what readers are to keep of it.
func TestDroppedIsToBeKept(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Destructive = KeepDropped
		r.exec("CREATE TABLE orders (id INT PRIMARY KEY, a INT, b INT, c INT, d INT, e INT, f INT)", "CREATE TABLE other (id INT PRIMARY KEY)", "INSERT INTO orders (id, f) VALUES (1, 1)")
		r.start()
		r.converge()
		for i, statement := range []string{
			"ALTER TABLE orders DROP COLUMN a, ADD COLUMN g INT", "ALTER TABLE orders DROP b, MODIFY c BIGINT", "ALTER TABLE orders DROP COLUMN c, RENAME TO renamed",
			"ALTER TABLE renamed RENAME COLUMN d TO h", "ALTER TABLE renamed DROP COLUMN e, DROP PRIMARY KEY, ADD PRIMARY KEY (id, f)",
		} {
			r.exec(statement, "INSERT INTO other VALUES ("+string(rune('1'+i))+")")
			r.converge()
		}
		r.exec("DROP TABLE renamed", "CREATE TABLE renamed (id INT PRIMARY KEY)")
		r.converge()
		var kept []string
		tail, err := r.bus.Tail(t.Context(), r.config.ID)
		if err != nil {
			t.Fatal(err)
		}
		for seq := tail.FirstSeq; seq <= tail.Last.Seq; seq++ {
			message, err := r.bus.Get(t.Context(), r.config.ID, seq)
			if err != nil {
				t.Fatal(err)
			}
			f, err := frame.Unmarshal(message.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range f.GetTableEvent().GetKept() {
				if !slices.Contains(kept, name) {
					kept = append(kept, name)
				}
			}
			if f.GetTableEvent().GetKeep() {
				kept = append(kept, "table "+f.GetTableEvent().GetTable())
			}
		}
		if want := []string{"a", "b", "c", "e", "table renamed"}; !slices.Equal(kept, want) {
			t.Errorf("%q are to be kept, want %q", kept, want)
		}
	})
}
