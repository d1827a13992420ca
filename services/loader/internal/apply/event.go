package apply

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// alone commits what is staged, then applies a frame that changes a table as a
// whole in a transaction of its own: DuckDB does not alter a table in the
// transaction that wrote to it.
func (a *Applier) alone(progress schema.Progress, f *cdcv1.Frame) (visible bool, err error) {
	if a.open {
		return false, &JoinError{fmt.Sprintf("frame %d changes a table amid a transaction", a.seq)}
	}
	before := false
	if a.rows > 0 || a.begun || len(a.broken) > 0 {
		if before, err = a.Commit(); err != nil {
			return false, err
		}
	}
	if end := f.GetCopyEnd(); end != nil && end.GetVoid() == "" {
		if err := a.apart(func() error { return a.widen(end) }); err != nil {
			return before, err
		}
		if err := a.apart(func() error { return a.merge(end) }); err != nil {
			return before, err
		}
	}
	if err := a.begin(); err != nil {
		return before, err
	}
	if err := a.whole(f); err != nil {
		return before, a.rollback(err)
	}
	visible, err = a.finish(progress)
	return visible || before, err
}

func (a *Applier) whole(f *cdcv1.Frame) error {
	switch body := f.GetBody().(type) {
	case *cdcv1.Frame_TableEvent:
		a.changed = true
		return a.event(body.TableEvent)
	case *cdcv1.Frame_CopyBegin:
		return a.copyBegin(body.CopyBegin)
	case *cdcv1.Frame_CopyCut:
		return a.copyCut(body.CopyCut)
	case *cdcv1.Frame_CopyEnd:
		return a.copyEnd(body.CopyEnd)
	case *cdcv1.Frame_CheckEnd:
		return nil // what stands before it is committed, and nothing after it
	default:
		return &JoinError{fmt.Sprintf("frame %d holds something this release does not know: upgrade the loader before ingest", a.seq)}
	}
}

// refuse gives up on a table because of what a frame says of it as a whole.
func (a *Applier) refuse(source string, reason error) error {
	a.log.Error("table cannot be followed and has to be copied again", "table", source, "reason", reason)
	t, err := a.book.Ensure(source)
	if err != nil {
		return err
	}
	a.changed = true
	return a.giveUp(t, reason.Error())
}

func (a *Applier) event(e *cdcv1.TableEvent) error {
	a.dropStage(e.GetTable())
	t := a.book.Table(e.GetTable())
	switch e.GetKind() {
	case cdcv1.TableEvent_KIND_CREATE:
		return a.create(e)
	case cdcv1.TableEvent_KIND_ALTER:
		return a.alter(t, e)
	case cdcv1.TableEvent_KIND_DROP:
		if e.GetKeep() && t != nil && t.Live != nil {
			return a.leave(t, e.GetReason())
		}
		return a.drop(t)
	case cdcv1.TableEvent_KIND_TRUNCATE:
		return a.truncate(t)
	case cdcv1.TableEvent_KIND_RENAME:
		return a.rename(t, e)
	case cdcv1.TableEvent_KIND_QUARANTINE:
		return a.quarantine(e)
	default:
		return &JoinError{fmt.Sprintf("frame %d holds a table event this release does not know: upgrade the loader before ingest", a.seq)}
	}
}

func (a *Applier) live(t *schema.Table) string { return a.main + duck.Identifier(t.Name) }

func (a *Applier) execAll(statements []string) error {
	for _, sql := range statements {
		if err := a.conn.Exec(sql); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) create(e *cdcv1.TableEvent) error {
	def := e.GetDefinition()
	if err := frame.CheckDefinition(def); err != nil {
		return a.refuse(e.GetTable(), err)
	}
	if err := a.drop(a.book.Table(e.GetTable())); err != nil {
		return err
	}
	t, err := a.book.Ensure(e.GetTable())
	if err != nil {
		return err
	}
	if err := a.book.AddDefinition(def); err != nil {
		return err
	}
	if err := a.execAll(schema.CreateDescribed("CREATE TABLE", a.live(t), def)); err != nil {
		return fmt.Errorf("creating table: %w", err)
	}
	t.Live = def
	return a.book.SaveTable(t)
}

// alter follows a change of columns. A copy under way is given up: pieces of it
// may have been read before and after the change.
func (a *Applier) alter(t *schema.Table, e *cdcv1.TableEvent) error {
	def := e.GetDefinition()
	if err := frame.CheckDefinition(def); err != nil {
		return a.refuse(e.GetTable(), err)
	}
	if t == nil {
		return a.refuse(e.GetTable(), errors.New("its columns changed before it was created or copied"))
	}
	if t.Copy != nil {
		if err := a.dropCopy(t); err != nil {
			return err
		}
		t.Ask = "its columns changed during a copy"
	}
	if err := a.keep(t, e); err != nil {
		return err
	}
	if t.Live == nil || t.Frozen {
		return a.book.SaveTable(t)
	}
	statements, err := schema.Alter(a.live(t), t.Live, def, t.Kept)
	var needed *schema.CopyNeededError
	if errors.As(err, &needed) {
		return a.refuse(t.Source, needed)
	}
	again, err := a.release(t, def)
	if err != nil {
		return err
	}
	if err := a.execAll(append(again, statements...)); err != nil {
		return &TableError{Table: t.Source, Err: fmt.Errorf("following a change of columns: %w", err)}
	}
	if err := a.book.AddDefinition(def); err != nil {
		return err
	}
	t.Live = def
	return a.book.SaveTable(t)
}

func (a *Applier) drop(t *schema.Table) error {
	if t == nil {
		return nil
	}
	if err := a.dropCopy(t); err != nil {
		return err
	}
	if t.Live != nil {
		if err := a.conn.Exec("DROP TABLE " + a.live(t)); err != nil {
			return fmt.Errorf("dropping table: %w", err)
		}
	}
	return a.book.Forget(t)
}

// truncate empties a table. A row of a copy under way that is still right was
// inserted after this, so it is in the delta: copied rows are not needed any more, whether they
// came already or are still to come. Before the cut of a table without a key it is
// the other way round: its rows are read when all this has happened.
func (a *Applier) truncate(t *schema.Table) error {
	if t == nil {
		return nil
	}
	if t.Live != nil && !t.Frozen {
		if err := a.conn.Exec("TRUNCATE " + a.live(t)); err != nil {
			return fmt.Errorf("emptying table: %w", err)
		}
		t.Rows = 0
	}
	if c := t.Copy; c != nil {
		if err := a.conn.Exec("TRUNCATE " + a.main + c.Delta()); err != nil {
			return fmt.Errorf("emptying the changes during a copy: %w", err)
		}
		if len(c.Definition.GetKey()) > 0 || c.Cut {
			c.Emptied, c.Rows = true, 0
			if err := a.conn.Exec("TRUNCATE " + a.main + c.Shadow()); err != nil {
				return fmt.Errorf("emptying a copy: %w", err)
			}
		}
		if err := a.book.SaveCopy(t); err != nil {
			return err
		}
	}
	return a.book.SaveTable(t)
}

// rename moves a table, and a copy of it with it. Rows that come under the new
// name follow a definition that has it.
func (a *Applier) rename(t *schema.Table, e *cdcv1.TableEvent) error {
	if t == nil {
		return nil
	}
	a.dropStage(e.GetNewName())
	if err := a.drop(a.book.Table(e.GetNewName())); err != nil {
		return err
	}
	if t.Copy != nil {
		// Its pieces would go on under the old name.
		if err := a.dropCopy(t); err != nil {
			return err
		}
		t.Ask = "it was renamed during a copy"
	}
	if err := a.keep(t, e); err != nil {
		return err
	}
	old := t.Name
	if t.Live != nil {
		def := proto.CloneOf(t.Live)
		def.Table = e.GetNewName()
		def.Fingerprint = frame.Fingerprint(def)
		if err := a.book.AddDefinition(def); err != nil {
			return err
		}
		t.Live = def
	}
	if err := a.book.Rename(t, e.GetNewName()); err != nil {
		return err
	}
	if t.Live == nil || t.Name == old {
		return nil
	}
	if err := a.conn.Exec(fmt.Sprintf("ALTER TABLE %s RENAME TO %s", a.main+duck.Identifier(old), duck.Identifier(t.Name))); err != nil {
		return fmt.Errorf("renaming table: %w", err)
	}
	return nil
}

// quarantine keeps what there is, stale. Ingest knows, so it is not asked for a copy.
func (a *Applier) quarantine(e *cdcv1.TableEvent) error {
	t, err := a.book.Ensure(e.GetTable())
	if err != nil {
		return err
	}
	if err := a.dropCopy(t); err != nil {
		return err
	}
	if err := a.keep(t, e); err != nil {
		return err
	}
	t.Frozen, t.Stale, t.Ask = true, e.GetReason(), ""
	return a.book.SaveTable(t)
}
