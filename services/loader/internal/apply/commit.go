package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// last holds, within a commit, the state each key ends in.
const last = "temp.main." + schema.Reserved + "last"

// effect is what a set of changes did to a table.
type effect struct {
	inserted, deleted int64
	// missed is how many rows should have been there and were not, or were there more than once.
	missed int64
}

// write applies everything staged, within the commit's transaction.
func (a *Applier) write() error {
	for source, reason := range a.broken {
		if err := a.saveBroken(source, reason); err != nil {
			return err
		}
	}
	for _, source := range slices.Sorted(maps.Keys(a.staged)) {
		if a.staged[source].rows == 0 {
			continue
		}
		if err := a.writeTable(a.book.Table(source), a.staged[source]); err != nil {
			return &TableError{Table: source, Err: err}
		}
	}
	return a.finishShadows()
}

func (a *Applier) saveBroken(source, reason string) error {
	t, err := a.book.Ensure(source)
	if err != nil {
		return err
	}
	a.changed = true
	return a.giveUp(t, reason)
}

// giveUp freezes a table until ingest has copied it again, and has it asked to. One that the source no longer has stays as it is.
func (a *Applier) giveUp(t *schema.Table, reason string) error {
	if t.Gone && t.Copy == nil {
		return nil
	}
	if err := a.dropCopy(t); err != nil {
		return err
	}
	t.Frozen, t.Stale, t.Ask = true, reason, reason
	return a.book.SaveTable(t)
}

func (a *Applier) writeTable(t *schema.Table, st *stage) error {
	if t.Copy != nil {
		if err := a.conn.Exec(fmt.Sprintf("INSERT INTO %s SELECT * FROM %s", a.main+t.Copy.Delta(), st.name)); err != nil {
			return fmt.Errorf("noting changes during a copy: %w", err)
		}
	}
	if t.Live == nil || t.Frozen {
		return nil
	}
	e, err := a.change(a.main+duck.Identifier(t.Name), st.name, st.def, t.Kept, !st.changes, false)
	if err != nil {
		return err
	}
	if e.missed != 0 {
		a.stats.Mismatches += uint64(e.missed)
		a.log.Error("rows to be changed were missing or doubled; the table has to be copied again", "table", t.Source, "rows", e.missed)
		t.Stale = fmt.Sprintf("%d rows to be changed were missing or doubled", e.missed)
		t.Ask = t.Stale
	}
	a.stats.Rows += uint64(st.rows)
	a.changed = true
	t.Rows += e.inserted - e.deleted
	return a.book.SaveTable(t)
}

// change applies the changes in source, a table with the columns of a change,
// to target. With fresh every change is an insert of a row that target does not
// have. With overlap, inserts may concern keys that target has. Rows that are updated keep what they have in the columns kept.
func (a *Applier) change(target, source string, def *cdcv1.TableDefinition, kept []*cdcv1.Column, fresh, overlap bool) (effect, error) {
	switch {
	case fresh:
		n, err := a.conn.ExecCount(fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", target, schema.Columns(def, ""), schema.Columns(def, ""), source))
		if err != nil {
			return effect{}, fmt.Errorf("inserting rows: %w", err)
		}
		return effect{inserted: n}, nil
	case len(def.GetKey()) == 0:
		return a.changeMultiset(target, source, def)
	default:
		return a.changeKeyed(target, source, def, kept, overlap)
	}
}

// changeKeyed deletes the rows of all keys that were there before and inserts
// each key's last state. Without an index this is the fastest way DuckDB has:
// the delete is one scan of the key's columns joined with the batch.
func (a *Applier) changeKeyed(target, source string, def *cdcv1.TableDefinition, kept []*cdcv1.Column, overlap bool) (effect, error) {
	key := schema.Key(def, "")
	if err := a.conn.Exec(fmt.Sprintf(
		`CREATE OR REPLACE TEMP TABLE %[1]slast AS SELECT %[2]s, max(%[3]s) AS %[3]s, arg_max(%[4]s, %[3]s) AS %[4]s, arg_min(%[4]s, %[3]s) AS %[1]sfirst%[6]s FROM %[5]s GROUP BY %[2]s`,
		schema.Reserved, key, schema.At, schema.Op, source, updatedOnly(kept))); err != nil {
		return effect{}, fmt.Errorf("finding the last state of each key: %w", err)
	}
	also, err := a.hold(target, "(FROM "+last+" WHERE "+same+")", def, kept)
	if err != nil {
		return effect{}, err
	}
	had := "TRUE"
	if !overlap {
		had = fmt.Sprintf("%sfirst <> %d", schema.Reserved, cdcv1.Operation_OPERATION_INSERT)
	}
	expected, err := a.number(fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", last, had))
	if err != nil {
		return effect{}, err
	}
	var e effect
	if expected > 0 {
		e.deleted, err = a.conn.ExecCount(fmt.Sprintf("DELETE FROM %s AS t USING (SELECT %s FROM %s WHERE %s) AS l WHERE %s",
			target, key, last, had, joined(def, def.GetKey(), "=")))
		if err != nil {
			return effect{}, fmt.Errorf("deleting old rows: %w", err)
		}
	}
	if !overlap {
		e.missed = max(expected-e.deleted, e.deleted-expected)
	}
	e.inserted, err = a.conn.ExecCount(fmt.Sprintf("INSERT INTO %[1]s (%[2]s%[9]s) SELECT %[3]s%[10]s FROM %[4]s AS s JOIN %[5]s AS l ON s.%[6]s = l.%[6]s%[11]s WHERE l.%[7]s <> %[8]d",
		target, schema.Columns(def, ""), schema.Columns(def, "s."), source, last, schema.At, schema.Op, cdcv1.Operation_OPERATION_DELETE, also.names, also.values, also.join))
	if err != nil {
		return effect{}, fmt.Errorf("inserting new rows: %w", err)
	}
	return e, nil
}

// changeMultiset brings the number of equal rows to what the changes add up to;
// their order cannot matter.
func (a *Applier) changeMultiset(target, source string, def *cdcv1.TableDefinition) (effect, error) {
	const n, id = schema.Reserved + "n", schema.Reserved + "id"
	if err := a.conn.Exec(fmt.Sprintf(
		`CREATE OR REPLACE TEMP TABLE %[1]slast AS SELECT *, row_number() OVER () AS %[2]s FROM (
			SELECT %[3]s, sum(CASE WHEN %[4]s = %[5]d THEN 1 ELSE -1 END)::BIGINT AS %[6]s FROM %[7]s GROUP BY %[3]s) WHERE %[6]s <> 0`,
		schema.Reserved, id, schema.Columns(def, ""), schema.Op, cdcv1.Operation_OPERATION_INSERT, n, source)); err != nil {
		return effect{}, fmt.Errorf("counting equal rows: %w", err)
	}
	expected, err := a.number(fmt.Sprintf("SELECT coalesce(sum(-%[1]s), 0)::BIGINT FROM %[2]s WHERE %[1]s < 0", n, last))
	if err != nil {
		return effect{}, err
	}
	var e effect
	if expected > 0 {
		e.deleted, err = a.conn.ExecCount(fmt.Sprintf(
			`DELETE FROM %[1]s WHERE rowid IN (SELECT r FROM (
				SELECT t.rowid AS r, l.%[2]s AS n, row_number() OVER (PARTITION BY l.%[3]s) AS i FROM %[1]s AS t JOIN %[4]s AS l ON %[5]s WHERE l.%[2]s < 0)
			WHERE i <= -n)`,
			target, n, id, last, joined(def, all(def), "IS NOT DISTINCT FROM")))
		if err != nil {
			return effect{}, fmt.Errorf("deleting rows of a table without a key: %w", err)
		}
	}
	e.missed = expected - e.deleted
	e.inserted, err = a.conn.ExecCount(fmt.Sprintf("INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM (SELECT *, unnest(range(%[3]s)) FROM %[4]s WHERE %[3]s > 0)",
		target, schema.Columns(def, ""), n, last))
	if err != nil {
		return effect{}, fmt.Errorf("inserting rows of a table without a key: %w", err)
	}
	return e, nil
}

// joined compares columns of t and l.
func joined(def *cdcv1.TableDefinition, columns []uint32, operator string) string {
	return matched(def, columns, "t", operator, "l")
}

func matched(def *cdcv1.TableDefinition, columns []uint32, left, operator, right string) string {
	parts := make([]string, len(columns))
	for i, k := range columns {
		name := duck.Identifier(def.GetColumns()[k].GetName())
		parts[i] = fmt.Sprintf("%s.%s %s %s.%s", left, name, operator, right, name)
	}
	return strings.Join(parts, " AND ")
}

func all(def *cdcv1.TableDefinition) []uint32 {
	out := make([]uint32, len(def.GetColumns()))
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// number runs a query whose answer is one BIGINT.
func (a *Applier) number(sql string) (int64, error) {
	res, err := a.conn.Query(duck.Uncancelled, sql)
	if err != nil {
		return 0, err
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return 0, err
	}
	return duck.Slice[int64](chunk.Column(0))[0], nil
}
