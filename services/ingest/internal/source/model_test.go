package source

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// model folds frames into tables as a loader must, and fails at the first one that does not fit: an
// insert of a row that is there, a delete of one that is not, a row of an unknown definition.
type model struct {
	definitions map[uint64]*cdcv1.TableDefinition
	tables      map[string]*modelTable
	copies      map[string]*modelCopy
	open        []*cdcv1.TableRows // rows of a transaction that has not ended
	position    *cdcv1.Position
	states      map[string]cdcv1.TableState_Phase
	quarantined map[string]string
	begun       map[string]int // copies begun, by table
	voided      map[string]int // of them those that came to nothing
	frames      int
	rowFrames   int      // of them those with changes
	heard       int64    // when the source last had nothing more
	reasons     []string // of quarantines
}

type modelTable struct {
	definition *cdcv1.TableDefinition
	rows       map[string][]row // by key; several only where there is no key
}

// row holds a value for each column by name, so that rows outlive an added column.
type row map[string]string

type modelCopy struct {
	id     uint64
	freeze bool
	table  *modelTable
	delta  []change
}

type change struct {
	op  cdcv1.Operation
	key string
	row row
}

const null = "\x00null"

func newModel() *model {
	return &model{
		definitions: map[uint64]*cdcv1.TableDefinition{}, tables: map[string]*modelTable{}, copies: map[string]*modelCopy{},
		states: map[string]cdcv1.TableState_Phase{}, quarantined: map[string]string{}, begun: map[string]int{}, voided: map[string]int{},
	}
}

func (m *model) apply(f *cdcv1.Frame) error {
	m.position = f.GetPosition()
	m.frames++
	switch b := f.GetBody().(type) {
	case *cdcv1.Frame_State:
		if b.State.GetRestart() {
			m.open = nil
		}
		if m.open != nil {
			return fmt.Errorf("a state within a transaction")
		}
		m.heard = b.State.GetSourceTimeUs()
		clear(m.states)
		for _, t := range b.State.GetTables() {
			m.states[t.GetTable()] = t.GetPhase()
			if t.GetPhase() == cdcv1.TableState_PHASE_QUARANTINED { // of one that nothing else was told of
				m.quarantined[t.GetTable()] = t.GetReason()
			}
		}
	case *cdcv1.Frame_Definition:
		return m.define(b.Definition)
	case *cdcv1.Frame_Changes:
		m.rowFrames++
		m.open = append(m.open, b.Changes.GetTables()...)
		if b.Changes.GetOpen() {
			return nil
		}
		for _, rows := range m.open {
			if err := m.changes(rows); err != nil {
				return err
			}
		}
		m.open = nil
	case *cdcv1.Frame_TableEvent:
		if m.open != nil {
			return fmt.Errorf("a table event within a transaction")
		}
		return m.event(b.TableEvent)
	case *cdcv1.Frame_CopyBegin:
		if err := m.define(b.CopyBegin.GetDefinition()); err != nil {
			return err
		}
		m.begun[b.CopyBegin.GetTable()]++
		_, quarantined := m.quarantined[b.CopyBegin.GetTable()] // and so until a copy has ended, whichever that is
		m.copies[b.CopyBegin.GetTable()] = &modelCopy{
			id: b.CopyBegin.GetCopyId(), freeze: b.CopyBegin.GetFreeze() || quarantined,
			table: &modelTable{definition: b.CopyBegin.GetDefinition(), rows: map[string][]row{}},
		}
	case *cdcv1.Frame_CopyRows:
		return m.copyRows(b.CopyRows)
	case *cdcv1.Frame_CopyCut:
		if c := m.copies[b.CopyCut.GetTable()]; c != nil && c.id == b.CopyCut.GetCopyId() {
			c.delta = nil
		}
	case *cdcv1.Frame_CopyEnd:
		return m.copyEnd(b.CopyEnd)
	}
	return nil
}

func (m *model) define(def *cdcv1.TableDefinition) error {
	if err := frame.CheckDefinition(def); err != nil {
		return err
	}
	m.definitions[def.GetFingerprint()] = def
	return nil
}

// decode reads the rows of a message.
func (m *model) decode(rows *cdcv1.TableRows) ([]change, error) {
	def := m.definitions[rows.GetDefinition()]
	if def == nil {
		return nil, fmt.Errorf("rows of %q follow definition %x, which was not sent", rows.GetTable(), rows.GetDefinition())
	}
	view, err := frame.View(rows, def)
	if err != nil {
		return nil, err
	}
	out := make([]change, view.Rows)
	for i := range out {
		r := row{}
		for c, column := range def.GetColumns() {
			r[column.GetName()] = cell(&view.Columns[c], column, i)
		}
		out[i] = change{op: view.Operation(i), key: keyOf(def, r), row: r}
	}
	return out, nil
}

func keyOf(def *cdcv1.TableDefinition, r row) string {
	var key []string
	for _, k := range def.GetKey() {
		key = append(key, r[def.GetColumns()[k].GetName()])
	}
	if len(key) == 0 {
		for _, c := range def.GetColumns() {
			key = append(key, r[c.GetName()])
		}
	}
	return strings.Join(key, "\x01")
}

func (m *model) changes(rows *cdcv1.TableRows) error {
	changes, err := m.decode(rows)
	if err != nil {
		return err
	}
	name := rows.GetTable()
	c, t := m.copies[name], m.tables[name]
	if c != nil {
		c.delta = append(c.delta, changes...)
	}
	if c != nil && c.freeze || t == nil && c != nil {
		return nil
	}
	if t == nil {
		return fmt.Errorf("rows of %q, which does not exist", name)
	}
	if t.definition.GetFingerprint() != rows.GetDefinition() {
		return fmt.Errorf("rows of %q follow another definition than the table", name)
	}
	for _, change := range changes {
		if err := t.apply(change); err != nil {
			return fmt.Errorf("table %q: %w", name, err)
		}
	}
	return nil
}

func (t *modelTable) apply(c change) error {
	have := t.rows[c.key]
	keyless := len(t.definition.GetKey()) == 0
	switch c.op {
	case cdcv1.Operation_OPERATION_INSERT:
		if len(have) > 0 && !keyless {
			return fmt.Errorf("insert of %q, which exists", c.key)
		}
		t.rows[c.key] = append(have, c.row)
	case cdcv1.Operation_OPERATION_UPDATE:
		if len(have) != 1 || keyless {
			return fmt.Errorf("update of %q, of which there are %d", c.key, len(have))
		}
		t.rows[c.key] = []row{c.row}
	case cdcv1.Operation_OPERATION_DELETE:
		switch {
		case len(have) == 0:
			return fmt.Errorf("delete of a row that does not exist: %s", t.nearest(c.key))
		case len(have) == 1:
			delete(t.rows, c.key)
		default:
			t.rows[c.key] = have[1:]
		}
	}
	return nil
}

// nearest tells how the row that is most like one that is missing differs from it.
func (t *modelTable) nearest(key string) string {
	missing, fewest := strings.Split(key, "\x01"), 1<<30
	var out []string
	for have := range t.rows {
		var different []string
		for i, cell := range strings.Split(have, "\x01") {
			if i >= len(missing) || cell != missing[i] {
				different = append(different, fmt.Sprintf("there is %.200q, want %.200q", cell, missing[min(i, len(missing)-1)]))
			}
		}
		if len(different) < fewest {
			fewest, out = len(different), different
		}
	}
	return strings.Join(out, "; ")
}

func (m *model) event(e *cdcv1.TableEvent) error {
	t := m.tables[e.GetTable()]
	if e.GetKind() != cdcv1.TableEvent_KIND_QUARANTINE && e.GetKind() != cdcv1.TableEvent_KIND_CREATE && t == nil && m.copies[e.GetTable()] == nil {
		if _, known := m.quarantined[e.GetTable()]; !known {
			return fmt.Errorf("%v of %q, which does not exist", e.GetKind(), e.GetTable())
		}
	}
	switch e.GetKind() {
	case cdcv1.TableEvent_KIND_CREATE:
		if err := m.define(e.GetDefinition()); err != nil {
			return err
		}
		delete(m.copies, e.GetTable())
		delete(m.quarantined, e.GetTable())
		m.tables[e.GetTable()] = &modelTable{definition: e.GetDefinition(), rows: map[string][]row{}}
	case cdcv1.TableEvent_KIND_DROP:
		delete(m.tables, e.GetTable())
		delete(m.copies, e.GetTable())
		delete(m.quarantined, e.GetTable())
	case cdcv1.TableEvent_KIND_TRUNCATE:
		if t != nil {
			t.rows = map[string][]row{}
		}
	case cdcv1.TableEvent_KIND_RENAME:
		delete(m.copies, e.GetTable())
		if reason, ok := m.quarantined[e.GetTable()]; ok {
			delete(m.quarantined, e.GetTable())
			m.quarantined[e.GetNewName()] = reason
		}
		if t != nil {
			delete(m.tables, e.GetTable())
			m.tables[e.GetNewName()] = t
		}
		if e.GetDefinition() == nil {
			return nil
		}
		if t != nil {
			t.definition = e.GetDefinition()
		}
		return m.define(e.GetDefinition())
	case cdcv1.TableEvent_KIND_ALTER:
		if err := m.define(e.GetDefinition()); err != nil {
			return err
		}
		t.alter(e.GetDefinition())
	case cdcv1.TableEvent_KIND_QUARANTINE:
		delete(m.copies, e.GetTable())
		m.quarantined[e.GetTable()] = e.GetReason()
		m.reasons = append(m.reasons, e.GetTable()+": "+e.GetReason())
	}
	return nil
}

// alter fills the columns that are new with what their definition says rows from before hold.
func (t *modelTable) alter(def *cdcv1.TableDefinition) {
	t.definition = def
	rows := map[string][]row{}
	names := map[string]bool{}
	for _, c := range def.GetColumns() {
		names[c.GetName()] = true
	}
	for _, list := range t.rows {
		for _, r := range list {
			maps.DeleteFunc(r, func(name, _ string) bool { return !names[name] })
			for _, c := range def.GetColumns() {
				if _, ok := r[c.GetName()]; ok {
					continue
				}
				r[c.GetName()] = null
				if c.Initial != nil {
					r[c.GetName()] = initialText(c)
				}
			}
			key := keyOf(def, r)
			rows[key] = append(rows[key], r)
		}
	}
	t.rows = rows
}

// initialText casts as DuckDB would, for the types that the tests add.
func initialText(c *cdcv1.Column) string {
	switch c.GetType() {
	case cdcv1.Type_TYPE_TEXT, cdcv1.Type_TYPE_BLOB, cdcv1.Type_TYPE_JSON, cdcv1.Type_TYPE_DATE:
	case cdcv1.Type_TYPE_DECIMAL:
		n, _ := new(big.Rat).SetString(c.GetInitial())
		return n.FloatString(int(c.GetScale()))
	case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE:
		n, _ := new(big.Rat).SetString(c.GetInitial())
		f, _ := n.Float64()
		if c.GetType() == cdcv1.Type_TYPE_FLOAT {
			f32, _ := n.Float32()
			return strconv.FormatFloat(float64(f32), 'g', -1, 32)
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	case cdcv1.Type_TYPE_TIMESTAMP:
		return c.GetInitial() + ".000000"
	default:
		n, _ := new(big.Int).SetString(c.GetInitial(), 10)
		return n.String()
	}
	return c.GetInitial()
}

// content is a table's rows in an order of their own, for comparing.
func (m *model) content(table string) []string {
	t := m.tables[table]
	if t == nil {
		return nil
	}
	var out []string
	for _, list := range t.rows {
		for _, r := range list {
			var cells []string
			for _, c := range t.definition.GetColumns() {
				cells = append(cells, c.GetName()+"="+r[c.GetName()])
			}
			out = append(out, strings.Join(cells, " | "))
		}
	}
	slices.Sort(out)
	return out
}
