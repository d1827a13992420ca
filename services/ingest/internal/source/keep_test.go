package source

import (
	"slices"
	"strings"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

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
		for _, event := range r.tableEvents() {
			for _, name := range event.GetKept() {
				if !slices.Contains(kept, name) {
					kept = append(kept, name)
				}
			}
			if event.GetKeep() {
				kept = append(kept, "table "+event.GetTable())
			}
		}
		if want := []string{"a", "b", "c", "e", "table renamed"}; !slices.Equal(kept, want) {
			t.Errorf("%q are to be kept, want %q", kept, want)
		}
	})
}

// A table whose new name is not followed is kept as a dropped one is, whatever statement renames it and by however many steps, unless
// another takes its name in the same statement, as online schema changes do.
func TestRenamedAwayIsToBeKept(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.Destructive = KeepDropped
		r.config.Follow = func(table string) bool { return !strings.HasPrefix(table, "skip_") }
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			r.exec("CREATE TABLE "+name+" (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO "+name+" VALUES (1, '"+name+"')")
		}
		out := r.otherSchema()
		r.start()
		r.converge()
		r.exec("RENAME TABLE a TO "+out+".a", "RENAME TABLE b TO skip_b", "ALTER TABLE c RENAME TO "+out+".c", "RENAME TABLE d TO skip_d, e TO d",
			"RENAME TABLE f TO g, g TO "+out+".g", "UPDATE d SET v = 'still'", "DROP TABLE skip_b, skip_d")
		r.converge()
		var kept, lost []string
		for _, event := range r.tableEvents() {
			switch {
			case event.GetKind() != cdcv1.TableEvent_KIND_DROP:
			case event.GetKeep() && strings.Contains(event.GetReason(), "was renamed to"):
				kept = append(kept, event.GetTable())
			default:
				lost = append(lost, event.GetTable())
			}
		}
		if want := []string{"a", "b", "c", "g"}; !slices.Equal(kept, want) {
			t.Errorf("the tables %q are to be kept, want %q", kept, want)
		}
		if want := []string{"d"}; !slices.Equal(lost, want) {
			t.Errorf("the tables %q are not to be kept, want %q", lost, want)
		}
		r.exec("RENAME TABLE "+out+".a TO a", "INSERT INTO a VALUES (2, 'back')")
		r.converge()
	})
}

// otherSchema makes a schema beside the one that is followed.
func (r *rig) otherSchema() string {
	r.t.Helper()
	name := r.schema + "_out"
	r.exec("CREATE DATABASE " + name)
	return name
}

// tableEvents are those that the stream holds.
func (r *rig) tableEvents() (events []*cdcv1.TableEvent) {
	r.t.Helper()
	tail, err := r.bus.Tail(r.t.Context(), r.config.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for seq := tail.FirstSeq; seq <= tail.Last.Seq; seq++ {
		message, err := r.bus.Get(r.t.Context(), r.config.ID, seq)
		if err != nil {
			r.t.Fatal(err)
		}
		f, err := frame.Unmarshal(message.Payload)
		if err != nil {
			r.t.Fatal(err)
		}
		if event := f.GetTableEvent(); event != nil {
			events = append(events, event)
		}
	}
	return events
}
