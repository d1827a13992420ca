package frametest

import (
	"fmt"
	"slices"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Check is a check under way: the rows of its chunks are read at some moment and their hashes sent later.
type Check struct {
	ID    uint64
	Table string

	reload bool
	after  int64
	read   bool
	rows   int // of a part; 0 is all
	more   bool
	chunk  uint32
	sent   uint64
}

// CheckBegin begins a check of a table, of about so many rows after a mark where it has a key and rows is not 0.
func (s *Source) CheckBegin(name string, after []byte, rows int) *Check {
	s.copyID++
	c := &Check{ID: s.copyID, Table: name, after: -1 << 62}
	if len(s.Tables[name].Def.GetKey()) > 0 {
		c.rows = rows
	}
	if len(after) > 0 {
		_, _ = fmt.Sscan(string(after), &c.after) // of this package's making
	}
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CheckBegin{CheckBegin: &cdcv1.CheckBegin{Table: name, CheckId: c.ID, Definition: s.Tables[name].Def.GetFingerprint(), After: after}}})
	return c
}

// CheckStep reads the next rows as they are now and sends their hashes, with a key in its order, without one all of them at
// once. It returns false when there are no more.
func (s *Source) CheckStep(c *Check, rows int) bool {
	t := s.Tables[c.Table]
	if c.read {
		return false
	}
	chunk := t.Rows
	if len(t.Def.GetKey()) > 0 {
		chunk = t.after(c.after, 1<<62, rows)
		c.read = len(chunk) < rows
	} else {
		c.read = true
	}
	if len(chunk) == 0 {
		return false
	}
	view := s.view(t, chunk)
	c.sent += uint64(len(chunk))
	if c.rows > 0 && int(c.sent) >= c.rows {
		c.read, c.more = true, true
	}
	m := &cdcv1.CheckRows{CheckId: c.ID, Chunk: c.chunk, Values: view.Sums(nil).Pack(), RowsSent: c.sent}
	if len(t.Def.GetKey()) > 0 {
		c.after = chunk[len(chunk)-1][0].(int64)
		m.Keys, m.LastKey, m.Mark = view.KeySums().Pack(), view.KeyText(view.Rows-1), fmt.Append(nil, c.after)
	}
	c.chunk++
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CheckRows{CheckRows: m}})
	return true
}

// CheckEnd ends a check, or the rows that were asked for; void is empty where there is a result.
func (s *Source) CheckEnd(c *Check, void string) {
	m := &cdcv1.CheckEnd{Table: c.Table, CheckId: c.ID, Rows: c.sent, Reload: c.reload, Void: void}
	if c.more && !c.reload {
		// The first column tells rows apart, also where the key has two.
		m.Mark, m.Bound = fmt.Append(nil, c.after), []string{fmt.Sprint(c.after)}
	}
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CheckEnd{CheckEnd: m}})
}

// Reload sends the rows between two marks as they are now, of a check whose end follows by CheckEnd.
func (s *Source) Reload(c *Check, after, upto []byte) {
	t := s.Tables[c.Table]
	from, to := int64(-1<<62), int64(1<<62)
	if len(after) > 0 {
		_, _ = fmt.Sscan(string(after), &from) // of this package's making
	}
	if len(upto) > 0 {
		_, _ = fmt.Sscan(string(upto), &to)
	}
	if !c.reload {
		c.reload, c.sent = true, 0
	}
	rows := frame.NewRows(t.Def)
	for _, r := range t.after(from, to, len(t.Rows)) {
		Append(rows, cdcv1.Operation_OPERATION_INSERT, r)
	}
	c.sent += uint64(rows.Len())
	s.emit(&cdcv1.Frame{Body: &cdcv1.Frame_CheckRows{CheckRows: &cdcv1.CheckRows{CheckId: c.ID, Rows: rows.Message(), RowsSent: c.sent}}})
}

// after returns up to n rows with after < key <= upto, in the order of the key's first column, which is enough to tell rows apart.
func (t *Table) after(after, upto int64, n int) []Row {
	sorted := slices.Clone(t.Rows)
	slices.SortFunc(sorted, func(a, b Row) int { return int(a[0].(int64) - b[0].(int64)) })
	var out []Row
	for _, r := range sorted {
		if k := r[0].(int64); k > after && k <= upto && len(out) < n {
			out = append(out, r)
		}
	}
	return out
}

func (s *Source) view(t *Table, list []Row) *frame.Table {
	rows := frame.NewRows(t.Def)
	for _, r := range list {
		Append(rows, cdcv1.Operation_OPERATION_INSERT, r)
	}
	view, err := frame.View(rows.Message(), t.Def)
	if err != nil {
		panic(err)
	}
	return view
}
