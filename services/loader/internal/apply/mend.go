package apply

import (
	"fmt"

	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// Store runs fn in a transaction of its own. Nothing may be staged and no transaction be open.
func (a *Applier) Store(fn func() error) error { return a.apart(fn) }

// Idle is true when Store may be called.
func (a *Applier) Idle() bool { return a.rows == 0 && !a.begun && !a.open && len(a.broken) == 0 }

// Mend replaces rows of a table with a key that differ from the source's, in a transaction of its own: those
// with the keys in wrong go, and those in right come. Both are SQL for tables, with the key's columns and with all of them. Where a key may occur in right
// it must in wrong too, unless the table is known not to have it. note is run in the same
// transaction and told how many rows went and came.
func (a *Applier) Mend(source, wrong, right string, note func(deleted, inserted int64) error) error {
	return a.apart(func() error {
		t := a.book.Table(source)
		def := t.Live
		also, err := a.hold(a.live(t), "("+wrong+")", def, t.Kept)
		if err != nil {
			return err
		}
		deleted, err := a.conn.ExecCount(fmt.Sprintf("DELETE FROM %s AS t USING (SELECT DISTINCT %s FROM (%s)) AS l WHERE %s",
			a.live(t), schema.Key(def, ""), wrong, joined(def, def.GetKey(), "IS NOT DISTINCT FROM"))) // damage can make a key null
		if err != nil {
			return fmt.Errorf("deleting rows that differ: %w", err)
		}
		inserted, err := a.conn.ExecCount(fmt.Sprintf("INSERT INTO %s (%s%s) SELECT %s%s FROM (%s) AS s%s",
			a.live(t), schema.Columns(def, ""), also.names, schema.Columns(def, "s."), also.values, right, also.join))
		if err != nil {
			return fmt.Errorf("inserting rows that differed: %w", err)
		}
		// What the book says may have been wrong too.
		if t.Rows, err = a.number("SELECT count(*) FROM " + a.live(t)); err != nil {
			return fmt.Errorf("counting rows: %w", err)
		}
		if err := a.book.SaveTable(t); err != nil {
			return err
		}
		return note(deleted, inserted)
	})
}
