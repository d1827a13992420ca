package schema

import (
	"fmt"
	"regexp"
	"slices"
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
// come last. Defaults and comments follow. Columns that are kept are not dropped; new rows have null in them. It returns a *CopyNeededError for
// a change that rows cannot follow.
func Alter(table string, from, to *cdcv1.TableDefinition, kept []*cdcv1.Column) ([]string, error) {
	before := byName(from)
	after := byName(to)
	alter := func(format string, args ...any) string {
		return "ALTER TABLE " + table + " " + fmt.Sprintf(format, args...)
	}
	var drops, changes, adds []string
	for _, c := range from.GetColumns() {
		name := duck.Identifier(c.GetName())
		stays := slices.ContainsFunc(kept, func(k *cdcv1.Column) bool { return strings.EqualFold(k.GetName(), c.GetName()) })
		switch {
		case after[strings.ToLower(c.GetName())] != nil:
		case !stays:
			drops = append(drops, alter("DROP COLUMN %s", name))
		case c.Default != nil:
			changes = append(changes, alter("ALTER COLUMN %s DROP DEFAULT", name))
		}
	}
	for _, c := range to.GetColumns() {
		name := duck.Identifier(c.GetName())
		old := before[strings.ToLower(c.GetName())]
		switch {
		case old == nil:
			adds = append(adds, alter("ADD COLUMN %s %s%s", name, Type(c), asDefault(c, c.Initial)))
		case Type(old) == Type(c):
			if old.GetName() != c.GetName() {
				changes = append(changes, alter("RENAME COLUMN %s TO %s", duck.Identifier(old.GetName()), name))
			}
		default:
			return nil, &CopyNeededError{fmt.Sprintf("column %s changed from %s to %s", c.GetName(), Type(old), Type(c))}
		}
	}
	// DuckDB refuses to drop a table's last column, so additions come first; names cannot clash.
	return slices.Concat(adds, changes, drops, describe(table, from, to)), nil
}

// describe returns the statements that give a table the defaults and comments of another definition of the same columns.
func describe(table string, from, to *cdcv1.TableDefinition) []string {
	before := byName(from)
	var out []string
	if from.GetComment() != to.GetComment() {
		out = append(out, fmt.Sprintf("COMMENT ON TABLE %s IS %s", table, comment(to.GetComment())))
	}
	for _, c := range to.GetColumns() {
		name := duck.Identifier(c.GetName())
		old := before[strings.ToLower(c.GetName())]
		has := old.GetDefault()
		given := old != nil && old.Default != nil
		if old == nil { // it was added just now, with what older rows hold
			has, given = c.GetInitial(), c.Initial != nil
		}
		switch {
		case c.Default == nil && given:
			out = append(out, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, name))
		case c.Default != nil && (!given || has != c.GetDefault()):
			out = append(out, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET%s", table, name, asDefault(c, c.Default)))
		}
		if old.GetComment() != c.GetComment() {
			out = append(out, fmt.Sprintf("COMMENT ON COLUMN %s.%s IS %s", table, name, comment(c.GetComment())))
		}
	}
	return out
}

func comment(text string) string {
	if text == "" {
		return "NULL"
	}
	return duck.Literal(text)
}

// asDefault is a bare literal, which DuckDB casts by itself: after adding a column
// with an expression as its default it refuses a second change in the transaction.
func asDefault(c *cdcv1.Column, text *string) string {
	switch {
	case text == nil:
		return ""
	case wholeNumber[c.GetType()] && integer.MatchString(*text):
		return " DEFAULT " + *text
	default:
		return " DEFAULT " + duck.Literal(*text)
	}
}

var (
	integer     = regexp.MustCompile(`^-?[0-9]{1,20}$`)
	wholeNumber = map[cdcv1.Type]bool{
		cdcv1.Type_TYPE_INT8: true, cdcv1.Type_TYPE_INT16: true, cdcv1.Type_TYPE_INT32: true, cdcv1.Type_TYPE_INT64: true,
		cdcv1.Type_TYPE_UINT8: true, cdcv1.Type_TYPE_UINT16: true, cdcv1.Type_TYPE_UINT32: true, cdcv1.Type_TYPE_UINT64: true,
	}
)

func byName(def *cdcv1.TableDefinition) map[string]*cdcv1.Column {
	m := make(map[string]*cdcv1.Column, len(def.GetColumns()))
	for _, c := range def.GetColumns() {
		m[strings.ToLower(c.GetName())] = c
	}
	return m
}
