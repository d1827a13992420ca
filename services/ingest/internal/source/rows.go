package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// view is how the rows after one table map are to be read and where they go.
type view struct {
	table *table // nil: the rows are not followed
	image *mysqltype.Image
	def   *cdcv1.TableDefinition
	rows  tally

	before, after mysqltype.Row
}

// forgetViews makes every table map be looked at again, after something about a table has changed.
func (r *run) forgetViews() { clear(r.views) }

func (r *run) view(ctx context.Context, m *binlog.TableMap) (*view, error) {
	if v, ok := r.views[m]; ok {
		return v, nil
	}
	// The reader drops its table maps now and then; so must this.
	if len(r.views) > 4096 {
		clear(r.views)
	}
	v, err := r.newView(ctx, m)
	if err != nil {
		return nil, err
	}
	r.views[m] = v
	return v, nil
}

func (r *run) newView(ctx context.Context, m *binlog.TableMap) (*view, error) {
	t := r.tables[m.Name]
	if m.Schema != r.server.Schema || t == nil || !t.followed() {
		return &view{}, nil
	}
	if !m.Named {
		return nil, r.condemn(m.Name, "the source logs rows without column names; SET GLOBAL binlog_row_metadata=FULL")
	}
	if t.known == nil {
		if err := r.readCatalog(ctx, t); err != nil {
			return nil, err
		}
	}
	var columns []mysqltype.Column
	// The key that the rows have, which the schema may have of a later time: until it came, or while it was gone, rows could be equal in it.
	key := m.Key
	if t.known != nil {
		columns = t.known.Columns
		if catalog.SameNames(key, t.known.Key) {
			key = t.known.Key // in another order if there are indexes in both
		}
	}
	find := func(collation uint64) (*mysqltype.Charset, error) { return r.charsets.Find(ctx, collation) }
	image, err := mysqltype.NewImage(m.Name, m.Columns, columns, key, find, r.cfg.Rules)
	if err != nil {
		return nil, r.condemn(m.Name, err.Error())
	}
	def := catalog.Define(m.Name, image.Columns, key, "")
	switch {
	case def.GetFingerprint() == t.fingerprint:
	case t.known != nil && !catalog.SameNames(key, t.known.Key):
		return nil, r.condemn(m.Name, "its rows are told apart by another key than its definition's")
	default:
		return nil, r.condemn(m.Name, "its rows do not have the columns that were expected")
	}
	if t.definition != nil {
		def = t.definition // the same, with what is only for people
	}
	return &view{table: t, image: image, def: def, rows: r.metrics.tally(r.cfg.ID, m.Name), before: image.NewRow(), after: image.NewRow()}, nil
}

// schema reads tables as the source has them now, under the rules. It is safe for concurrent use.
func (r *run) schema(ctx context.Context, names ...string) (map[string]*catalog.Table, error) {
	found, err := catalog.Read(ctx, r.server, names...)
	for _, t := range found {
		t.Apply(r.cfg.Rules)
	}
	return found, err
}

// readCatalog reads what the schema says of a table now, which may be later than the stream.
func (r *run) readCatalog(ctx context.Context, t *table) error {
	found, err := r.describe(ctx, t.name)
	if err != nil {
		return err
	}
	if known := found[t.name]; known != nil {
		t.learn(known)
	}
	return nil
}

func (r *run) condemn(table, reason string) error {
	return &condemnedError{tables: []string{table}, reason: reason}
}

// rows appends the rows of an event to the frame being filled.
func (r *run) rows(ctx context.Context, e *binlog.Event) error {
	v, err := r.view(ctx, e.Table)
	if err != nil || v.table == nil {
		return err
	}
	if e.Incomplete != "" {
		return r.condemn(v.table.name, e.Incomplete)
	}
	undated := v.image.Undated
	n, err := r.appendRows(v, e)
	if err != nil {
		return r.condemn(v.table.name, v.unread(e, err))
	}
	if r.large {
		r.touched[v.table.name] = true
	}
	v.rows.add(e.Operation, n, len(e.Images))
	if lost := v.image.Undated - undated; lost > 0 {
		r.metrics.undated.WithLabelValues(r.cfg.ID, v.table.name).Add(float64(lost))
	}
	return nil
}

// unread says which row of an event could not be taken, and what mends it.
func (v *view) unread(e *binlog.Event, err error) string {
	place := fmt.Sprintf("%s:%d", e.File, e.Offset)
	var date *mysqltype.RefusedError
	if !errors.As(err, &date) {
		return fmt.Sprintf("a row at %s cannot be read: %v", place, err)
	}
	row := v.before
	if e.Operation == binlog.Update {
		row = v.after
	}
	return refusal(v.table.name, v.image.KeyText(v.def, row), place, date)
}

var errOdd = errors.New("an update ends after its first image")

func (r *run) appendRows(v *view, e *binlog.Event) (n int, err error) {
	rows := r.writer.Rows(v.def)
	for data := e.Images; len(data) > 0; n++ {
		if data, err = v.image.Split(data, v.before); err != nil {
			return n, err
		}
		switch e.Operation {
		case binlog.Insert:
			err = v.image.Append(rows, v.before, cdcv1.Operation_OPERATION_INSERT)
		case binlog.Delete:
			err = v.image.AppendKey(rows, v.before, cdcv1.Operation_OPERATION_DELETE)
		case binlog.Update:
			if len(data) == 0 {
				return n, errOdd
			}
			if data, err = v.image.Split(data, v.after); err != nil {
				return n, err
			}
			if v.image.SameKey(v.before, v.after) {
				err = v.image.Append(rows, v.after, cdcv1.Operation_OPERATION_UPDATE)
				break
			}
			// Another key, or none: what was is gone, and what is now is new.
			if err = v.image.AppendKey(rows, v.before, cdcv1.Operation_OPERATION_DELETE); err == nil {
				err = v.image.Append(rows, v.after, cdcv1.Operation_OPERATION_INSERT)
			}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// judge looks at how a transaction ended, before its rows are taken.
func (r *run) judge(e *binlog.Event) error {
	switch {
	case len(r.touched) > 0 && !r.large:
		return r.condemnTouched("an XA transaction was too large to wait for its end")
	case e.Undone, e.RolledBack && r.large:
		return r.condemnTouched("part of a transaction was taken back after it was logged")
	case e.RolledBack:
		r.dropRolledBack()
	}
	return nil
}

// dropRolledBack leaves of the gathered rows those that stand: in tables without transactions.
func (r *run) dropRolledBack() {
	kept := r.transaction[:0]
	for _, ev := range r.transaction {
		t := r.tables[tableOf(ev)]
		if t != nil && t.known != nil && t.known.Transactional {
			r.reader.Done(ev)
			continue
		}
		kept = append(kept, ev)
	}
	clear(r.transaction[len(kept):])
	r.transaction = kept
}

func tableOf(e *binlog.Event) string {
	if e.Table == nil {
		return ""
	}
	return e.Table.Name
}

// condemnTouched condemns the tables whose rows the transaction under way holds.
func (r *run) condemnTouched(reason string) error {
	touched := r.allTouched()
	if len(touched) == 0 {
		return nil
	}
	return &condemnedError{tables: slices.Sorted(maps.Keys(touched)), reason: reason}
}

// allTouched names the followed tables whose rows the transaction under way holds.
func (r *run) allTouched() map[string]bool {
	touched := maps.Clone(r.touched)
	for _, e := range r.transaction {
		if t := r.tables[tableOf(e)]; e.Table != nil && e.Table.Schema == r.server.Schema && t != nil && t.followed() {
			touched[t.name] = true
		}
	}
	return touched
}
