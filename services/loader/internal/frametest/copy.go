package frametest

import (
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// CopyBegin begins a copy of a table, and gives up one that was under way.
func (s *Source) CopyBegin(name string, freeze bool) {
	t := s.Tables[name]
	s.copyID++
	spare := !freeze && t.Followed && (t.copying == nil || t.copying.spare)
	t.copying = &copying{id: s.copyID, after: -1 << 62, spare: spare}
	t.Followed = true
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{
		Table: name, CopyId: s.copyID, Definition: t.Def, Freeze: freeze, Reason: "test",
	}}})
}

// CopyVoid gives up the table's copy, if readers have the table without it, and returns false where they do not.
func (s *Source) CopyVoid(name string) bool {
	t := s.Tables[name]
	c := t.copying
	if c == nil || !c.spare {
		return false
	}
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: name, CopyId: c.id, Rows: math.MaxUint64, Void: "cancelled"}}})
	t.copying = nil
	return true
}

// CopyStep lets each copy under way do one of the things it can do next. rows
// is how many rows a chunk has; 0 only sends what was read before, so that it may be called amid a transaction.
func (s *Source) CopyStep(rows int) {
	for _, name := range s.names(func(t *Table) bool { return t.copying != nil }) {
		t := s.Tables[name]
		c := t.copying
		switch {
		case len(c.ready) > 0 && (c.read || rows == 0 || s.Rand.IntN(2) == 0):
			s.sendChunk(t)
		case rows == 0:
		case !c.read:
			s.readChunk(t, rows)
		default:
			s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: name, CopyId: c.id, Rows: c.sent}}})
			t.copying = nil
		}
	}
}

// readChunk reads rows as they are now; with a key the next ones in its order,
// without one all of them at once, and the cut is here.
func (s *Source) readChunk(t *Table, rows int) {
	c := t.copying
	if len(t.Def.GetKey()) == 0 {
		for chunk := range slices.Chunk(t.Rows, rows) {
			c.ready = append(c.ready, chunk)
		}
		c.read = true
		// Chunks may be on their way before the stream reaches the cut.
		s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CopyCut{CopyCut: &cdcv1.CopyCut{Table: t.Def.GetTable(), CopyId: c.id}}})
		return
	}
	sorted := slices.Clone(t.Rows)
	slices.SortFunc(sorted, func(a, b Row) int { return int(a[0].(int64) - b[0].(int64)) })
	var chunk []Row
	for _, r := range sorted {
		if r[0].(int64) > c.after && len(chunk) < rows {
			chunk = append(chunk, r)
		}
	}
	c.read = len(chunk) < rows
	if len(chunk) > 0 {
		c.after = chunk[len(chunk)-1][0].(int64)
		c.ready = append(c.ready, chunk)
	}
}

func (s *Source) sendChunk(t *Table) {
	c := t.copying
	rows := frame.NewRows(t.Def)
	for _, r := range c.ready[0] {
		Append(rows, cdcv1.Operation_OPERATION_INSERT, r)
	}
	c.ready = c.ready[1:]
	c.sent += uint64(rows.Len())
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: c.id, Rows: rows.Message(), RowsSent: c.sent, RowsEstimated: c.sent + 1}}})
}

func (s *Source) event(e *cdcv1.TableEvent) {
	s.offset += 100
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: e}})
}

// Create makes a new table at the source.
func (s *Source) Create(keys int) {
	t := s.Add(keys, 0)
	t.Followed = true
	s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: t.Def.GetTable(), Definition: t.Def})
}

// Truncate empties a table.
func (s *Source) Truncate(name string) {
	s.Tables[name].Rows = nil
	s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_TRUNCATE, Table: name})
}

// Drop drops a table.
func (s *Source) Drop(name string) {
	delete(s.Tables, name)
	s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: name})
}

// Rename gives a table a new name. A copy under way is begun again.
func (s *Source) Rename(name string) {
	t := s.Tables[name]
	s.tables++
	t.Def = renamed(t.Def, fmt.Sprintf("T%d", s.tables))
	delete(s.Tables, name)
	s.Tables[t.Def.GetTable()] = t
	s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_RENAME, Table: name, NewName: t.Def.GetTable()})
	if t.copying != nil {
		s.CopyBegin(t.Def.GetTable(), false)
	}
}

func renamed(def *cdcv1.TableDefinition, name string) *cdcv1.TableDefinition {
	def = proto.CloneOf(def)
	def.Table = name
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// Alter adds a column, or drops one that was added. A copy under way is begun again.
func (s *Source) Alter(name string) {
	t := s.Tables[name]
	def := proto.CloneOf(t.Def)
	base := len(Definition(name, 1).GetColumns())
	if extra := len(def.GetColumns()) - base; extra > 0 && s.Rand.IntN(2) == 0 {
		def.Columns = slices.Delete(def.Columns, base, base+1)
		for i, r := range t.Rows {
			t.Rows[i] = slices.Delete(slices.Clone(r), base, base+1)
		}
	} else {
		s.tables++
		initial := proto.String("5")
		def.Columns = append(def.Columns, &cdcv1.Column{Name: fmt.Sprintf("added%d", s.tables), Type: cdcv1.Type_TYPE_INT32, Nullable: true, Initial: initial})
		for i, r := range t.Rows {
			t.Rows[i] = append(slices.Clone(r), int64(5))
		}
	}
	def.Fingerprint = frame.Fingerprint(def)
	t.Def = def
	s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: name, Definition: def})
	if t.copying != nil {
		s.CopyBegin(name, false)
	}
}

// Swap exchanges two tables by three renames, as tools for online changes do.
func (s *Source) Swap(a, b string) {
	rename := func(from, to string) {
		s.event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_RENAME, Table: from, NewName: to})
	}
	rename(a, "tmp")
	rename(b, a)
	rename("tmp", b)
	s.Tables[a], s.Tables[b] = s.Tables[b], s.Tables[a]
	for _, name := range []string{a, b} {
		t := s.Tables[name]
		t.Def = renamed(t.Def, name)
		if t.copying != nil {
			s.CopyBegin(name, false)
		}
	}
}

// Step does something at random.
func (s *Source) Step() {
	followed := s.names(func(t *Table) bool { return t.Followed })
	all := s.names(func(*Table) bool { return true })
	s.CopyStep(20)
	switch n := s.Rand.IntN(100); {
	case n < 70:
		s.Transaction(1 + s.Rand.IntN(8))
	case n < 78:
		s.State()
	case n < 84 && len(all) > 0:
		if name := all[s.Rand.IntN(len(all))]; s.Tables[name].copying == nil || s.Rand.IntN(4) == 0 {
			s.CopyBegin(name, s.Rand.IntN(3) == 0)
		}
	case n < 86 && len(all) < 6:
		s.Create(s.Rand.IntN(3))
	case n < 88 && len(all) < 6:
		s.Add(s.Rand.IntN(3), 50+s.Rand.IntN(100))
	case len(followed) == 0:
	case n < 90:
		s.Truncate(followed[s.Rand.IntN(len(followed))])
	case n < 92:
		s.Rename(followed[s.Rand.IntN(len(followed))])
	case n < 93 && len(followed) > 2:
		s.Drop(followed[s.Rand.IntN(len(followed))])
	case n < 95:
		s.Alter(followed[s.Rand.IntN(len(followed))])
	case n < 96 && len(followed) > 1:
		s.Swap(followed[0], followed[1])
	case n < 98:
		s.Transaction(50 + s.Rand.IntN(200))
	default:
		s.CopyVoid(followed[s.Rand.IntN(len(followed))])
	}
}

// Finish ends all copies, so that the loader holds what the source does.
func (s *Source) Finish() {
	for len(s.names(func(t *Table) bool { return t.copying != nil })) > 0 {
		s.CopyStep(20)
	}
}
