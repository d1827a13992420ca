package schema

import (
	"fmt"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// CopyNeededError says that rows of an old definition cannot be carried over
// to a new one: the source has to be read again.
type CopyNeededError struct{ Reason string }

func (e *CopyNeededError) Error() string { return e.Reason }

// Alter returns the statements that bring a table from one definition to
// another. Columns are matched by name, without regard to case as in MySQL and
// in DuckDB. The order of the columns in DuckDB is not changed: added columns
// come last. It returns a *CopyNeededError for a change that rows cannot follow.
func Alter(table string, from, to *cdcv1.TableDefinition) ([]string, error) {
	before := byName(from)
	after := byName(to)
	alter := func(format string, args ...any) string {
		return "ALTER TABLE " + table + " " + fmt.Sprintf(format, args...)
	}
	var drops, changes, adds []string
	for _, c := range from.GetColumns() {
		if after[strings.ToLower(c.GetName())] == nil {
			drops = append(drops, alter("DROP COLUMN %s", duck.Identifier(c.GetName())))
		}
	}
	for _, c := range to.GetColumns() {
		name := duck.Identifier(c.GetName())
		old := before[strings.ToLower(c.GetName())]
		switch {
		case old == nil:
			adds = append(adds, alter("ADD COLUMN %s %s%s", name, Type(c), initial(c)))
			if c.Initial != nil {
				// Rows to come carry their own values; what they lack is null.
				adds = append(adds, alter("ALTER COLUMN %s DROP DEFAULT", name))
			}
		case Type(old) == Type(c):
			if old.GetName() != c.GetName() {
				changes = append(changes, alter("RENAME COLUMN %s TO %s", duck.Identifier(old.GetName()), name))
			}
		default:
			return nil, &CopyNeededError{fmt.Sprintf("column %s changed from %s to %s", c.GetName(), Type(old), Type(c))}
		}
	}
	// DuckDB refuses to drop a table's last column, so additions come first; names cannot clash.
	return append(append(adds, changes...), drops...), nil
}

// initial is a bare literal, which DuckDB casts by itself: after adding a column
// with an expression as its default it refuses a second change in the transaction.
func initial(c *cdcv1.Column) string {
	if c.Initial == nil {
		return ""
	}
	return " DEFAULT " + duck.Literal(c.GetInitial())
}

func byName(def *cdcv1.TableDefinition) map[string]*cdcv1.Column {
	m := make(map[string]*cdcv1.Column, len(def.GetColumns()))
	for _, c := range def.GetColumns() {
		m[strings.ToLower(c.GetName())] = c
	}
	return m
}
