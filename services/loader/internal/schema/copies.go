package schema

import (
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

// Copy is a copy of a table under way.
type Copy struct {
	ID         uint64
	Definition *cdcv1.TableDefinition
	// Received counts the rows of all pieces, Rows those the shadow holds. Sent and Estimated are ingest's own figures.
	Received, Rows, Sent, Estimated int64
	// Cut is true once the delta holds only what the copied rows do not.
	Cut bool
	// Emptied is true when the stream emptied the table after the rows to come were
	// due: those that are still right are in the delta too.
	Emptied bool
}

// Shadow is the table that collects the copied rows.
func (c *Copy) Shadow() string { return fmt.Sprintf("%sshadow_%d", Reserved, c.ID) }

// Delta is the table that collects the stream's changes since the copy began.
func (c *Copy) Delta() string { return fmt.Sprintf("%sdelta_%d", Reserved, c.ID) }

// Needs says why the table cannot do without a copy, empty where it can.
func (t *Table) Needs() string {
	switch {
	case t.Stale != "":
		return t.Stale
	case t.Ask != "":
		return t.Ask
	case t.Live == nil:
		return "it has no rows yet"
	case t.Frozen:
		return "it is being copied again"
	}
	return ""
}

// SaveCopy stores t's copy, or that there is none.
func (b *Book) SaveCopy(t *Table) error {
	if err := b.conn.Exec("DELETE FROM _duckling.copies WHERE source = " + duck.Literal(t.Source)); err != nil {
		return err
	}
	if t.Copy == nil {
		return nil
	}
	c := t.Copy
	return b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.copies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		t.Source, c.ID, c.Definition.GetFingerprint(), c.Received, c.Rows, c.Sent, c.Estimated, c.Cut, c.Emptied)
}

// createCancelled makes the table of when copies were given up.
const createCancelled = `CREATE TABLE IF NOT EXISTS _duckling.cancelled (source VARCHAR, at_us BIGINT)`

func (b *Book) loadCancelled() error {
	rows, err := b.rows("SELECT source, at_us FROM _duckling.cancelled")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if t := b.tables[r.text(0)]; t != nil {
			t.Cancelled = time.UnixMicro(r.int(1)).UTC()
		}
	}
	return nil
}

// SaveCancelled stores when t's copy was given up, or that none was.
func (b *Book) SaveCancelled(t *Table) error {
	err := b.conn.Exec("DELETE FROM _duckling.cancelled WHERE source = " + duck.Literal(t.Source))
	if err != nil || t.Cancelled.IsZero() {
		return err
	}
	return b.conn.Run(duck.Uncancelled, "INSERT INTO _duckling.cancelled VALUES (?, ?)", t.Source, t.Cancelled.UnixMicro())
}
