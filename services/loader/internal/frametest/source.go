// Package frametest is a source for tests: it makes random histories of tables
// as frames, and knows what each table holds at the end.
package frametest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Row holds a value a column: nil, int64 (also for unscaled decimals, days and
// microseconds), uint64, float64 or string.
type Row []any

// Table is one table of the source.
type Table struct {
	Def  *cdcv1.TableDefinition
	Rows []Row
	// Followed is true from when the loader can know the table.
	Followed bool
	copying  *copying
}

// copying is a copy under way: chunks were read at some moment and are sent later.
type copying struct {
	id    uint64
	ready [][]Row
	after int64 // keyed: the last key read
	read  bool
	sent  uint64
	spare bool // readers have the table without it
}

// Source makes frames. Out is called with each.
type Source struct {
	Rand   *rand.Rand
	Out    func(*cdcv1.Frame)
	Name   string
	Epoch  uint64
	Tables map[string]*Table

	offset  uint64
	nextKey int64
	copyID  uint64
	tables  int
}

// New returns a source with no tables.
func New(seed uint64, name string, out func(*cdcv1.Frame)) *Source {
	return &Source{Rand: rand.New(rand.NewPCG(seed, 7)), Out: out, Name: name, Epoch: 1, Tables: map[string]*Table{}} //nolint:gosec // repeatable on purpose
}

func (s *Source) emit(f *cdcv1.Frame) {
	f.Source, f.Epoch = s.Name, s.Epoch
	f.Position = &cdcv1.Position{File: "binlog.000001", Offset: s.offset, Server: "s1", CommitTimeUs: int64(s.offset) * 1000}
	s.Out(f)
}

// Definition makes one of two kinds of table: with a key of one or two columns,
// or without one. Every type of the contract occurs.
func Definition(name string, keys int) *cdcv1.TableDefinition {
	column := func(name string, t cdcv1.Type, nullable bool) *cdcv1.Column {
		return &cdcv1.Column{Name: name, Type: t, Nullable: nullable}
	}
	def := &cdcv1.TableDefinition{Table: name, Comment: "table " + name, Columns: []*cdcv1.Column{
		column("Id", cdcv1.Type_TYPE_INT64, false), column("part", cdcv1.Type_TYPE_TEXT, false),
		column("i8", cdcv1.Type_TYPE_INT8, true), column("i16", cdcv1.Type_TYPE_INT16, true), column("i32", cdcv1.Type_TYPE_INT32, true),
		column("u8", cdcv1.Type_TYPE_UINT8, true), column("u16", cdcv1.Type_TYPE_UINT16, true), column("u32", cdcv1.Type_TYPE_UINT32, true),
		column("u64", cdcv1.Type_TYPE_UINT64, true), column("f32", cdcv1.Type_TYPE_FLOAT, true), column("order", cdcv1.Type_TYPE_DOUBLE, true),
		{Name: "d4", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 4, Scale: 1, Nullable: true},
		{Name: "d9", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 9, Scale: 2, Nullable: true},
		{Name: "d18", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 18, Scale: 4, Nullable: true},
		{Name: "d38", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 38, Scale: 10, Nullable: true, Comment: "it's wide"},
		column("blob", cdcv1.Type_TYPE_BLOB, true), column("json", cdcv1.Type_TYPE_JSON, true), column("date", cdcv1.Type_TYPE_DATE, true),
		column("ts", cdcv1.Type_TYPE_TIMESTAMP, true), column("time", cdcv1.Type_TYPE_TIME, true),
	}}
	for k := range keys {
		def.Key = append(def.Key, uint32(k))
	}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// row makes a row; tables without a key get few different ones.
func (s *Source) row(def *cdcv1.TableDefinition) Row {
	small := len(def.GetKey()) == 0
	r := make(Row, len(def.GetColumns()))
	for i, c := range def.GetColumns() {
		if c.GetNullable() && s.Rand.IntN(4) == 0 {
			continue
		}
		n := int64(s.Rand.IntN(200)) - 100
		if small {
			n = int64(s.Rand.IntN(2))
		}
		r[i] = s.value(c, n)
	}
	s.nextKey++
	r[0] = s.nextKey
	if small {
		r[0] = int64(s.Rand.IntN(3))
		for i := 2; i < 19; i++ {
			r[i] = nil
		}
	}
	r[1] = []string{"", "a", "a rather long part of a key"}[s.Rand.IntN(3)]
	return r
}

func (s *Source) value(c *cdcv1.Column, n int64) any {
	switch c.GetType() {
	case cdcv1.Type_TYPE_UINT8, cdcv1.Type_TYPE_UINT16, cdcv1.Type_TYPE_UINT32:
		return uint64(n + 100)
	case cdcv1.Type_TYPE_UINT64:
		return ^uint64(0) - uint64(n+100)
	case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE:
		return float64(n) / 4
	case cdcv1.Type_TYPE_TEXT:
		return strings.Repeat("ä", int(n+100)/8)
	case cdcv1.Type_TYPE_BLOB:
		return strings.Repeat("\x00\xff", int(n+100)/8)
	case cdcv1.Type_TYPE_JSON:
		return fmt.Sprintf(`{"n": %d}`, n)
	case cdcv1.Type_TYPE_TIMESTAMP, cdcv1.Type_TYPE_TIME:
		return n * 1_000_000_123
	default:
		return n
	}
}

// Add adds a table with rows that the loader has not heard of, as it is with
// tables that are older than the stream.
func (s *Source) Add(keys, rows int) *Table {
	s.tables++
	t := &Table{Def: Definition(fmt.Sprintf("T%d", s.tables), keys)}
	for range rows {
		t.Rows = append(t.Rows, s.row(t.Def))
	}
	s.Tables[t.Def.GetTable()] = t
	return t
}

// change is one row of a transaction.
type change struct {
	table string
	op    cdcv1.Operation
	row   Row
}

// Transaction changes n rows of followed tables, in one frame or several. A
// large one is at times broken off and sent again, as after a restart of ingest.
func (s *Source) Transaction(n int) {
	names := s.names(func(t *Table) bool { return t.Followed })
	if len(names) == 0 {
		return
	}
	var changes []change
	for range n {
		changes = append(changes, s.mutate(names[s.Rand.IntN(len(names))])...)
	}
	pieces := 1
	if n > 3 {
		pieces = 1 + s.Rand.IntN(4)
	}
	if pieces > 1 && s.Rand.IntN(3) == 0 {
		s.send(changes[:1+s.Rand.IntN(len(changes)-1)], true)
		s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_State{State: &cdcv1.State{Restart: true}}})
	}
	for p := range pieces {
		if p > 0 && s.Rand.IntN(3) == 0 {
			s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_Definition{Definition: s.Tables[names[0]].Def}})
		}
		if p == pieces-1 {
			s.offset += 100
		}
		s.send(changes[len(changes)*p/pieces:len(changes)*(p+1)/pieces], p < pieces-1)
		s.CopyStep(0)
	}
}

func (s *Source) send(changes []change, open bool) {
	m := &cdcv1.Changes{Open: open}
	if !open {
		m.Transactions = 1
	}
	rows := map[string]*frame.Rows{}
	var order []string
	for _, c := range changes {
		if rows[c.table] == nil {
			rows[c.table] = frame.NewRows(s.Tables[c.table].Def)
			order = append(order, c.table)
		}
		Append(rows[c.table], c.op, c.row)
	}
	for _, name := range order {
		m.Tables = append(m.Tables, rows[name].Message())
	}
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: m}})
}

// mutate changes one row of the model.
func (s *Source) mutate(name string) []change {
	t := s.Tables[name]
	if len(t.Rows) == 0 || s.Rand.IntN(3) == 0 {
		r := s.row(t.Def)
		t.Rows = append(t.Rows, r)
		return []change{{name, cdcv1.Operation_OPERATION_INSERT, r}}
	}
	i := s.Rand.IntN(len(t.Rows))
	old := t.Rows[i]
	del := change{name, cdcv1.Operation_OPERATION_DELETE, old}
	if s.Rand.IntN(3) == 0 {
		t.Rows = slices.Delete(slices.Clone(t.Rows), i, i+1)
		return []change{del}
	}
	t.Rows = slices.Clone(t.Rows)
	r := s.row(t.Def)
	if len(t.Def.GetKey()) == 0 || s.Rand.IntN(4) == 0 {
		t.Rows[i] = r
		return []change{del, {name, cdcv1.Operation_OPERATION_INSERT, r}}
	}
	for _, k := range t.Def.GetKey() {
		r[k] = old[k]
	}
	t.Rows[i] = r
	return []change{{name, cdcv1.Operation_OPERATION_UPDATE, r}}
}

// State sends a checkpoint of ingest.
func (s *Source) State() {
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_State{State: &cdcv1.State{SourceTimeUs: int64(s.offset)*1000 + 500}}})
}

func (s *Source) names(want func(*Table) bool) []string {
	var out []string
	for name, t := range s.Tables {
		if want(t) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Append adds a row to rows; of a delete only what the contract asks for.
func Append(rows *frame.Rows, op cdcv1.Operation, r Row) {
	def := rows.Definition()
	for i, c := range def.GetColumns() {
		v := r[i]
		if op == cdcv1.Operation_OPERATION_DELETE && len(def.GetKey()) > 0 && !slices.Contains(def.GetKey(), uint32(i)) {
			v = nil
		}
		out := rows.Column(i)
		switch v := v.(type) {
		case nil:
			out.Null()
		case int64:
			if frame.Width(c) == 16 {
				out.Wide(uint64(v), v>>63)
			} else {
				out.Int(v)
			}
		case uint64:
			out.Uint(v)
		case float64:
			if c.GetType() == cdcv1.Type_TYPE_FLOAT {
				out.Float32(float32(v))
			} else {
				out.Float64(v)
			}
		case string:
			out.String(v)
		}
	}
	rows.EndRow(op)
}
