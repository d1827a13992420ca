package apply

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// Columns and tables that the source has dropped stay where ingest says so. Kept columns are in the table that readers see and in no
// definition, so nothing that the stream brings touches them: a new row has null there, and one that is changed, mended or copied
// again takes along what its key had. Without a key nothing tells which row a copied one was, and they become null.

// keep notes what an event says is to stay.
func (a *Applier) keep(t *schema.Table, e *cdcv1.TableEvent) error {
	if !t.Keep(e.GetKept()) {
		return nil
	}
	a.log.Info("columns that the source dropped are kept", "table", t.Source, "columns", t.KeptNames())
	return a.book.SaveKept(t)
}

// leave keeps a table that the source has dropped, or why else it is not followed any longer, until another comes in its name.
func (a *Applier) leave(t *schema.Table, reason string) error {
	if err := a.dropCopy(t); err != nil {
		return err
	}
	a.log.Info("a table that the source dropped is kept", "table", t.Source)
	t.Frozen, t.Stale, t.Ask, t.Gone = true, cmp.Or(reason, "it was dropped at the source"), "", true
	if err := a.book.SaveKept(t); err != nil {
		return err
	}
	return a.book.SaveTable(t)
}

// release gives up kept columns of which def brings others of the same name, and returns the statements that drop them.
func (a *Applier) release(t *schema.Table, def *cdcv1.TableDefinition) (statements []string, err error) {
	for _, c := range t.Release(def) {
		a.log.Warn("a kept column gives way to a new one of its name", "table", t.Source, "column", c.GetName())
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", a.live(t), duck.Identifier(c.GetName())))
	}
	if len(statements) == 0 {
		return nil, nil
	}
	return statements, a.book.SaveKept(t)
}

const (
	// same is true of a key of the last states that has only been updated.
	same = schema.Reserved + "same"
	// held has, within a commit, what rows that come again had in kept columns.
	held = "temp.main." + schema.Reserved + "held"
)

// updatedOnly is the column same; nothing where no columns are kept.
func updatedOnly(kept []*cdcv1.Column) string {
	if len(kept) == 0 {
		return ""
	}
	return fmt.Sprintf(", bool_and(%s = %d) AS %s", schema.Op, cdcv1.Operation_OPERATION_UPDATE, same)
}

// holding is what an INSERT of rows s needs in addition: names of columns, their values, and where those come from.
type holding struct{ names, values, join string }

// hold reads the kept columns of target's rows with the keys in keys, before those rows go.
func (a *Applier) hold(target, keys string, def *cdcv1.TableDefinition, kept []*cdcv1.Column) (h holding, err error) {
	if len(kept) == 0 {
		return h, nil
	}
	var values []string
	for _, c := range kept {
		name := duck.Identifier(c.GetName())
		values = append(values, fmt.Sprintf("any_value(t.%s) AS %s", name, name))
		h.names += ", " + name
		h.values += ", h." + name
	}
	h.join = fmt.Sprintf(" LEFT JOIN %s AS h ON %s", held, matched(def, def.GetKey(), "s", "=", "h"))
	err = a.conn.Exec(fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %sheld AS SELECT %s, %s FROM %s AS t JOIN (SELECT DISTINCT %s FROM %s) AS l ON %s GROUP BY ALL",
		schema.Reserved, schema.Key(def, "t."), strings.Join(values, ", "), target, schema.Key(def, ""), keys, joined(def, def.GetKey(), "=")))
	if err != nil {
		return h, fmt.Errorf("reading kept columns: %w", err)
	}
	return h, nil
}

// widen adds the kept columns to a copy's shadow, in a transaction of its own: DuckDB does not alter a table in one that writes to it.
func (a *Applier) widen(m *cdcv1.CopyEnd) error {
	t := a.book.ByCopy(m.GetCopyId())
	if t == nil {
		return nil
	}
	for _, c := range a.carried(t) {
		if err := a.conn.Exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", a.main+t.Copy.Shadow(), duck.Identifier(c.GetName()), schema.Type(c))); err != nil {
			return fmt.Errorf("adding kept columns to a copy: %w", err)
		}
	}
	return nil
}

// carried are the kept columns that go from the table to its copy.
func (a *Applier) carried(t *schema.Table) []*cdcv1.Column {
	if t.Gone || t.Live == nil {
		return nil // it is another table of the same name
	}
	return slices.DeleteFunc(slices.Clone(t.Kept), func(c *cdcv1.Column) bool {
		return slices.ContainsFunc(t.Copy.Definition.GetColumns(), func(n *cdcv1.Column) bool { return strings.EqualFold(n.GetName(), c.GetName()) })
	})
}

// carry fills the kept columns of a copy's shadow, by key.
func (a *Applier) carry(t *schema.Table) error {
	columns, on := a.carried(t), sameKey(t.Live, t.Copy.Definition)
	if len(columns) == 0 {
		return nil
	}
	if on == "" {
		a.log.Warn("kept columns are null after a copy of a table without a key, or with another one", "table", t.Source)
		return nil
	}
	var set []string
	for _, c := range columns {
		name := duck.Identifier(c.GetName())
		set = append(set, fmt.Sprintf("%s = l.%s", name, name))
	}
	if err := a.conn.Exec(fmt.Sprintf("UPDATE %s AS t SET %s FROM %s AS l WHERE %s", a.main+t.Copy.Shadow(), strings.Join(set, ", "), a.live(t), on)); err != nil {
		return fmt.Errorf("carrying kept columns to a copy: %w", err)
	}
	return nil
}

// sameKey compares the keys of t, which follows copied, and l, which follows live; it is empty where they do not consist of the same columns.
func sameKey(live, copied *cdcv1.TableDefinition) string {
	if len(copied.GetKey()) == 0 || len(copied.GetKey()) != len(live.GetKey()) {
		return ""
	}
	var parts []string
	for i, k := range copied.GetKey() {
		now, was := copied.GetColumns()[k], live.GetColumns()[live.GetKey()[i]]
		if !strings.EqualFold(now.GetName(), was.GetName()) {
			return ""
		}
		left, right := "t."+duck.Identifier(now.GetName()), "l."+duck.Identifier(was.GetName())
		if schema.Type(now) != schema.Type(was) {
			left, right = left+"::VARCHAR", right+"::VARCHAR"
		}
		parts = append(parts, left+" = "+right)
	}
	return strings.Join(parts, " AND ")
}

// swapped forgets kept columns that a copy has brought itself, and that the table was gone.
func (a *Applier) swapped(t *schema.Table) error {
	if len(t.Kept) == 0 && !t.Gone {
		return nil
	}
	if t.Gone {
		t.Kept, t.Gone = nil, false
	}
	if _, err := a.release(t, t.Live); err != nil {
		return err
	}
	return a.book.SaveKept(t)
}
