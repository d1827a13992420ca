package apply

import (
	"errors"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// A copy fills a shadow table from CopyRows while the stream goes on. What the
// stream changes in the table meanwhile is noted in a delta, in order. Every copied row was read after
// the copy began, so it either is as it still should be or its key is in the delta. At
// the end the shadow minus the delta's keys plus the delta's last states is the
// table, and takes the place of the one that readers see.

func (a *Applier) copyBegin(m *cdcv1.CopyBegin) error {
	def := m.GetDefinition()
	if err := frame.CheckDefinition(def); err != nil {
		return a.refuse(m.GetTable(), err)
	}
	if def.GetTable() != m.GetTable() {
		return a.refuse(m.GetTable(), fmt.Errorf("a copy came with the definition of table %q", def.GetTable()))
	}
	t, err := a.book.Ensure(m.GetTable())
	if err != nil {
		return err
	}
	if t.Copy != nil && t.Copy.ID >= m.GetCopyId() {
		a.log.Warn("copy is older than the one under way and is ignored", "table", t.Source, "copy", m.GetCopyId())
		return nil
	}
	if err := a.dropCopy(t); err != nil {
		return err
	}
	if err := a.book.AddDefinition(def); err != nil {
		return err
	}
	t.Copy = &schema.Copy{ID: m.GetCopyId(), Definition: def}
	t.Ask = ""
	if t.Live != nil && (m.GetFreeze() || t.Live.GetFingerprint() != def.GetFingerprint()) {
		t.Frozen = true
		if t.Stale == "" {
			t.Stale = "it is being copied again: " + m.GetReason()
		}
		a.changed = true
	}
	if err := a.redescribe(t, def); err != nil {
		return err
	}
	if err := a.execAll(schema.CreateDescribed("CREATE OR REPLACE TABLE", a.main+t.Copy.Shadow(), def)); err != nil {
		return fmt.Errorf("creating table for a copy: %w", err)
	}
	if err := a.conn.Exec(schema.CreateTable("CREATE OR REPLACE TABLE", a.main+t.Copy.Delta(), schema.ChangeColumns, def)); err != nil {
		return fmt.Errorf("creating table for changes during a copy: %w", err)
	}
	if err := a.book.SaveTable(t); err != nil {
		return err
	}
	return a.book.SaveCopy(t)
}

// redescribe gives the table that readers see the defaults and comments of a newer definition of the same rows, so that the one that
// the book has of them is its own.
func (a *Applier) redescribe(t *schema.Table, def *cdcv1.TableDefinition) error {
	if t.Live == nil || t.Live.GetFingerprint() != def.GetFingerprint() {
		return nil
	}
	statements, err := schema.Alter(a.live(t), t.Live, def, nil)
	if err != nil {
		return err
	}
	if err := a.execAll(statements); err != nil {
		return fmt.Errorf("following a change of defaults or comments: %w", err)
	}
	t.Live = def
	a.changed = a.changed || len(statements) > 0
	return nil
}

// copyRows appends a piece of a copy to its shadow, in the transaction that the
// batch will end with.
func (a *Applier) copyRows(m *cdcv1.CopyRows) error {
	rows := m.GetRows()
	t := a.book.ByCopy(m.GetCopyId())
	if t == nil || a.broken[t.Source] != "" {
		a.stats.IgnoredRows += uint64(rows.GetRows())
		return nil
	}
	t.Copy.Received += int64(rows.GetRows())
	t.Copy.Sent, t.Copy.Estimated = int64(m.GetRowsSent()), int64(m.GetRowsEstimated())
	view, err := copiedView(t, rows)
	if err != nil {
		a.breakTable(t.Source, err.Error())
		return nil
	}
	w, err := a.shadowFor(t)
	if err != nil {
		return err
	}
	a.rows += view.Rows
	if t.Copy.Emptied {
		return nil
	}
	a.stats.CopiedRows += uint64(view.Rows)
	t.Copy.Rows += int64(view.Rows)
	return w.write(view, 0)
}

func copiedView(t *schema.Table, rows *cdcv1.TableRows) (*frame.Table, error) {
	view, err := frame.View(rows, t.Copy.Definition)
	if err != nil {
		return nil, err
	}
	if !view.InsertsOnly() {
		return nil, errors.New("a copied row is not an insert")
	}
	return view, CheckText(view)
}

func (a *Applier) shadowFor(t *schema.Table) (*writer, error) {
	if err := a.begin(); err != nil {
		return nil, err
	}
	if w := a.shadows[t.Copy.ID]; w != nil {
		return w, nil
	}
	appender, err := a.conn.NewAppender("", "main", t.Copy.Shadow())
	if err != nil {
		return nil, err
	}
	w := &writer{appender: appender}
	a.shadows[t.Copy.ID] = w
	return w, nil
}

// finishShadows stores how far the copies got that were written to.
func (a *Applier) finishShadows() error {
	for id, w := range a.shadows {
		w.appender.Close()
		delete(a.shadows, id)
		if t := a.book.ByCopy(id); t != nil {
			if err := a.book.SaveCopy(t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *Applier) copyCut(m *cdcv1.CopyCut) error {
	t := a.book.ByCopy(m.GetCopyId())
	if t == nil {
		return nil
	}
	t.Copy.Cut = true
	if err := a.conn.Exec("TRUNCATE " + a.main + t.Copy.Delta()); err != nil {
		return fmt.Errorf("emptying the changes during a copy: %w", err)
	}
	return a.book.SaveCopy(t)
}

// merge brings a copy's shadow to where the stream is, in a transaction before
// that of the swap: DuckDB cannot read back its log of a transaction that wrote to
// a table and renamed it. Emptying the delta along with it makes doing it again harmless, should the swap not come.
func (a *Applier) merge(m *cdcv1.CopyEnd) error {
	t := a.book.ByCopy(m.GetCopyId())
	if t == nil || t.Copy.Received != int64(m.GetRows()) {
		return nil
	}
	c := t.Copy
	e, err := a.change(a.main+c.Shadow(), a.main+c.Delta(), c.Definition, nil, false, true)
	if err != nil {
		return &TableError{Table: t.Source, Err: fmt.Errorf("joining copied rows with the changes since: %w", err)}
	}
	if len(c.Definition.GetKey()) == 0 && e.missed != 0 {
		return a.giveUp(t, fmt.Sprintf("%d rows deleted during the copy were not among the copied ones", e.missed))
	}
	if err := a.conn.Exec("TRUNCATE " + a.main + c.Delta()); err != nil {
		return fmt.Errorf("emptying the changes during a copy: %w", err)
	}
	c.Rows += e.inserted - e.deleted
	if err := a.carry(t); err != nil {
		return &TableError{Table: t.Source, Err: err}
	}
	return a.book.SaveCopy(t)
}

// copyEnd swaps the copied table in.
func (a *Applier) copyEnd(m *cdcv1.CopyEnd) error {
	t := a.book.ByCopy(m.GetCopyId())
	if t == nil {
		a.log.Warn("end of a copy that is not under way is ignored", "table", m.GetTable(), "copy", m.GetCopyId())
		return nil
	}
	if m.GetVoid() != "" {
		return a.copyVoid(t, m.GetVoid())
	}
	c := t.Copy
	if c.Received != int64(m.GetRows()) {
		return a.giveUp(t, fmt.Sprintf("the copy ended after %d rows of which %d arrived", m.GetRows(), c.Received))
	}
	a.changed = true
	if t.Live != nil {
		if err := a.conn.Exec("DROP TABLE " + a.live(t)); err != nil {
			return fmt.Errorf("dropping the replaced table: %w", err)
		}
	}
	if err := a.conn.Exec(fmt.Sprintf("DROP TABLE %s; ALTER TABLE %s RENAME TO %s", a.main+c.Delta(), a.main+c.Shadow(), duck.Identifier(t.Name))); err != nil {
		return fmt.Errorf("swapping the copied table in: %w", err)
	}
	t.Live, t.Rows, t.Copy = c.Definition, c.Rows, nil
	t.Frozen, t.Stale, t.Ask, t.Cancelled = false, "", "", time.Time{}
	if err := errors.Join(a.swapped(t), a.book.SaveCancelled(t)); err != nil {
		return err
	}
	if err := a.book.SaveCopy(t); err != nil {
		return err
	}
	return a.book.SaveTable(t)
}

// copyVoid ends a copy that was given up. Where something has made the copy necessary that ingest did not know of, it is asked for again.
func (a *Applier) copyVoid(t *schema.Table, reason string) error {
	if err := a.dropCopy(t); err != nil {
		return err
	}
	if needs := t.Needs(); needs != "" {
		t.Ask = needs
		return a.book.SaveTable(t)
	}
	a.log.Info("copy was given up and the table stays as it is", "table", t.Source, "reason", reason)
	t.Cancelled = time.Now().UTC().Truncate(time.Microsecond) // as it is stored
	return a.book.SaveCancelled(t)
}

// dropCopy ends a copy without a result. What comes of it later is ignored.
func (a *Applier) dropCopy(t *schema.Table) error {
	if t.Copy == nil {
		return nil
	}
	if w := a.shadows[t.Copy.ID]; w != nil {
		w.appender.Close()
		delete(a.shadows, t.Copy.ID)
	}
	if err := a.conn.Exec(fmt.Sprintf("DROP TABLE IF EXISTS %s; DROP TABLE IF EXISTS %s", a.main+t.Copy.Shadow(), a.main+t.Copy.Delta())); err != nil {
		return fmt.Errorf("dropping a void copy: %w", err)
	}
	t.Copy = nil
	return a.book.SaveCopy(t)
}
