package apply

import (
	"errors"
	"fmt"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// stage collects the changes of one table in a temporary table, which DuckDB
// moves to disk when memory runs short. It is filled outside the transaction on
// the file, so that a large transaction of the source holds nothing up.
type stage struct {
	writer
	def  *cdcv1.TableDefinition
	name string
	// rows is what is staged, written what the temporary table has ever held.
	rows, written int
	// changes is false while every row is an insert.
	changes bool
}

// recreate is how many deleted rows a staging table may carry along; scanning them costs time.
const recreate = 1 << 14

func (a *Applier) newStage(t *schema.Table, def *cdcv1.TableDefinition) (*stage, error) {
	name := schema.Reserved + "stage_" + t.Name
	if err := a.conn.Exec(schema.CreateTable("CREATE OR REPLACE TEMP TABLE", duck.Identifier(name), schema.ChangeColumns, def)); err != nil {
		return nil, fmt.Errorf("creating staging table: %w", err)
	}
	appender, err := a.conn.NewAppender("temp", "main", name)
	if err != nil {
		return nil, err
	}
	return &stage{writer: writer{appender: appender, first: 2}, def: def, name: "temp.main." + duck.Identifier(name)}, nil
}

// stageFor returns the stage for rows of t that follow def.
func (a *Applier) stageFor(t *schema.Table, def *cdcv1.TableDefinition) (*stage, error) {
	st := a.staged[t.Source]
	if st != nil && (st.def.GetFingerprint() == def.GetFingerprint()) && (st.rows > 0 || st.written < recreate) {
		return st, nil
	}
	a.dropStage(t.Source)
	st, err := a.newStage(t, def)
	if err != nil {
		return nil, err
	}
	a.staged[t.Source] = st
	return st, nil
}

func (a *Applier) stageChanges(seq uint64, c *cdcv1.Changes) error {
	if c.GetOpen() && c.GetTransactions() > 0 {
		// Which rows a restart voids could not be told.
		return &JoinError{fmt.Sprintf("frame %d ends transactions and leaves one open", seq)}
	}
	row := 0
	for _, m := range c.GetTables() {
		if err := a.stageRows(m, at(seq, row)); err != nil {
			return err
		}
		if row += int(m.GetRows()); row >= maxFrameRows {
			return &JoinError{fmt.Sprintf("frame %d holds more than %d rows", seq, maxFrameRows)}
		}
	}
	return nil
}

func (a *Applier) stageRows(m *cdcv1.TableRows, place uint64) error {
	if a.broken[m.GetTable()] != "" {
		a.stats.IgnoredRows += uint64(m.GetRows())
		return nil
	}
	t := a.book.Table(m.GetTable())
	if t != nil && t.Copy == nil && (t.Frozen || t.Live == nil && t.Ask != "") {
		a.stats.IgnoredRows += uint64(m.GetRows())
		return nil
	}
	view, err := view(t, m)
	if err != nil {
		a.breakTable(m.GetTable(), err.Error())
		return nil
	}
	st, err := a.stageFor(t, view.Definition)
	if err != nil {
		return err
	}
	if err := st.write(view, place); err != nil {
		return err
	}
	st.rows += view.Rows
	st.written += view.Rows
	st.changes = st.changes || !view.InsertsOnly()
	a.rows += view.Rows
	return nil
}

// view checks rows of the stream against what t's rows are to look like now.
func view(t *schema.Table, m *cdcv1.TableRows) (*frame.Table, error) {
	var def *cdcv1.TableDefinition
	if t != nil {
		def = t.Follows()
	}
	switch {
	case def == nil:
		return nil, errors.New("rows came before the table was created or copied")
	case def.GetFingerprint() != m.GetDefinition():
		return nil, fmt.Errorf("rows follow definition %x while the table is at %x", m.GetDefinition(), def.GetFingerprint())
	}
	view, err := frame.View(m, def)
	if err != nil {
		return nil, err
	}
	if err := CheckText(view); err != nil {
		return nil, err
	}
	if len(def.GetKey()) == 0 && !view.InsertsOnly() {
		return view, checkMultiset(view)
	}
	return view, nil
}

// checkMultiset makes sure that rows can be told apart without a key.
func checkMultiset(t *frame.Table) error {
	for i := range t.Rows {
		if t.Operation(i) == cdcv1.Operation_OPERATION_UPDATE {
			return errors.New("an update came for a table without a key")
		}
	}
	for _, c := range t.Definition.GetColumns() {
		if strings.EqualFold(c.GetName(), "rowid") {
			return errors.New("rows of a table without a key cannot be deleted while it has a column named rowid, which hides DuckDB's own: give the table a primary key")
		}
	}
	return nil
}

// breakTable gives up on a table until it is copied again, from the next commit
// on. Other tables go on.
func (a *Applier) breakTable(source, reason string) {
	a.log.Error("table cannot be followed and has to be copied again", "table", source, "reason", reason)
	a.broken[source] = reason
	a.dropStage(source)
}

func (a *Applier) dropStage(source string) {
	if st := a.staged[source]; st != nil {
		st.appender.Close()
		delete(a.staged, source)
	}
}

// flush makes all staged rows visible to the statements of the commit.
func (a *Applier) flush() error {
	for _, st := range a.staged {
		if err := st.appender.Flush(); err != nil {
			return err
		}
	}
	for _, w := range a.shadows {
		if err := w.appender.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// void takes back the rows from place on.
func (st *stage) void(conn *duck.Conn, place uint64) error {
	if err := st.appender.Flush(); err != nil {
		return err
	}
	n, err := conn.ExecCount(fmt.Sprintf("DELETE FROM %s WHERE %s >= %d", st.name, schema.At, place))
	if err != nil {
		return fmt.Errorf("dropping rows of a void transaction: %w", err)
	}
	st.rows -= int(n)
	return nil
}

// clear empties the stage after a commit.
func (st *stage) clear(conn *duck.Conn) error {
	if st.rows == 0 {
		return nil
	}
	if st.written < recreate {
		if err := conn.Exec("DELETE FROM " + st.name); err != nil {
			return fmt.Errorf("emptying staging table: %w", err)
		}
	} else if err := conn.Exec("TRUNCATE " + st.name); err != nil {
		return fmt.Errorf("emptying staging table: %w", err)
	}
	st.rows, st.changes = 0, false
	return nil
}
