package apply

import (
	"fmt"
	"unicode/utf8"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
)

// writer appends rows of frames to a table whose columns are those of a
// definition, in its order, after the two columns of a change or none.
type writer struct {
	appender *duck.Appender
	// first is where the definition's columns begin, 0 or 2.
	first int
}

// at is the place of a row in the stream: rows of a frame follow each other.
func at(seq uint64, row int) uint64 { return seq<<24 | uint64(row) }

const maxFrameRows = 1 << 24

// write appends all rows. Where the table has columns for it, the rows get the places from place on.
func (w *writer) write(t *frame.Table, place uint64) error {
	for from := 0; from < t.Rows; from += duck.ChunkRows {
		rows := min(duck.ChunkRows, t.Rows-from)
		if w.first > 0 {
			for i := range rows {
				duck.SetFixed(w.appender.Column(0), i, place+uint64(from+i))
				duck.SetFixed(w.appender.Column(1), i, uint8(t.Operation(from+i)))
			}
		}
		for i := range t.Columns {
			Fill(w.appender, w.first+i, t.Definition.GetColumns()[i], &t.Columns[i], from, rows)
		}
		if err := w.appender.Append(rows); err != nil {
			return err
		}
	}
	return nil
}

// Fill sets rows of column i of an appender's chunk to those of c from the row from on, a multiple of 8. Fixed widths are those of DuckDB's own
// vectors, so the bytes are copied as they are. c must live until the chunk is appended, and its text be UTF-8.
func Fill(a *duck.Appender, i int, def *cdcv1.Column, c *frame.ColumnView, from, rows int) {
	out := a.Column(i)
	if len(c.Nulls()) > 0 {
		out.SetNulls(c.Nulls()[from/8:], rows)
	}
	switch {
	case c.Width() == frame.Variable:
		a.Borrow(c.Fixed())
		for row := range rows {
			out.SetBorrowed(row, c.Bytes(from+row))
		}
	case def.GetType() == cdcv1.Type_TYPE_TIME:
		out.SetIntervals(0, c.Fixed()[8*from:8*(from+rows)])
	default:
		out.CopyFixed(0, c.Width(), c.Fixed()[c.Width()*from:c.Width()*(from+rows)])
	}
}

// CheckText makes sure that every TEXT and JSON value is UTF-8; DuckDB would store anything.
func CheckText(t *frame.Table) error {
	for i, def := range t.Definition.GetColumns() {
		if def.GetType() != cdcv1.Type_TYPE_TEXT && def.GetType() != cdcv1.Type_TYPE_JSON {
			continue
		}
		c := &t.Columns[i]
		// Valid values may add up to valid bytes without being valid themselves,
		// but only if one of them begins amid a character.
		whole := utf8.Valid(c.Fixed())
		for row := range t.Rows {
			v := c.Bytes(row)
			if (whole && (len(v) == 0 || utf8.RuneStart(v[0]))) || utf8.Valid(v) {
				continue
			}
			return fmt.Errorf("column %q holds text that is not UTF-8", def.GetName())
		}
	}
	return nil
}
