package schema

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// createKept makes the table of what stays though it was dropped at the source: columns, encoded as those of a definition, and whole tables.
const createKept = `CREATE TABLE IF NOT EXISTS _duckling.kept (source VARCHAR, gone BOOLEAN, columns BLOB)`

// Keep notes that columns which the source drops stay. It returns false if that is nothing new.
func (t *Table) Keep(names []string) bool {
	n := len(t.Kept)
	for _, c := range t.Live.GetColumns() {
		named := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, c.GetName()) })
		if named && !t.keeps(c.GetName()) {
			t.Kept = append(t.Kept, &cdcv1.Column{Name: c.GetName(), Type: c.GetType(), Precision: c.GetPrecision(), Scale: c.GetScale()})
		}
	}
	return len(t.Kept) > n
}

func (t *Table) keeps(name string) bool {
	return slices.ContainsFunc(t.Kept, func(c *cdcv1.Column) bool { return strings.EqualFold(c.GetName(), name) })
}

// Release takes from the kept columns those that def has again, and returns them.
func (t *Table) Release(def *cdcv1.TableDefinition) (released []*cdcv1.Column) {
	names := byName(def)
	t.Kept = slices.DeleteFunc(t.Kept, func(c *cdcv1.Column) bool {
		again := names[strings.ToLower(c.GetName())] != nil
		if again {
			released = append(released, c)
		}
		return again
	})
	return released
}

// KeptNames are the names of the kept columns.
func (t *Table) KeptNames() []string {
	var names []string
	for _, c := range t.Kept {
		names = append(names, c.GetName())
	}
	return names
}

func (b *Book) loadKept() error {
	rows, err := b.rows("SELECT source, gone, columns FROM _duckling.kept")
	if err != nil {
		return err
	}
	for _, r := range rows {
		t, def := b.tables[r.text(0)], new(cdcv1.TableDefinition)
		if t == nil {
			return fmt.Errorf("columns are kept of table %q, which is not known", r.text(0))
		}
		if err := proto.Unmarshal([]byte(r.text(2)), def); err != nil {
			return err
		}
		t.Gone, t.Kept = r.bool(1), def.GetColumns()
	}
	return nil
}

// SaveKept stores what of t stays though it was dropped at the source.
func (b *Book) SaveKept(t *Table) error {
	if err := b.conn.Exec("DELETE FROM _duckling.kept WHERE source = " + duck.Literal(t.Source)); err != nil {
		return err
	}
	if len(t.Kept) == 0 && !t.Gone {
		return nil
	}
	columns, err := proto.Marshal(&cdcv1.TableDefinition{Columns: t.Kept})
	if err != nil {
		return fmt.Errorf("encoding columns: %w", err)
	}
	return b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.kept VALUES (?, ?, ?)", t.Source, t.Gone, columns)
}
