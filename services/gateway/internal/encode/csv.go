package encode

import (
	"io"
	"math"

	"github.com/chittihq/duckling/pkg/duck"
)

// csvWriter writes CSV by RFC 4180: a header, CRLF after each line, quotes where a value needs them. A null is
// an empty field, an empty text is "". NaN and the infinities are NaN, Infinity and -Infinity. Nested values are JSON text.
type csvWriter struct {
	out     io.Writer
	columns []*column
	buf     []byte
	scratch []byte
}

const byteOrderMark = "\xef\xbb\xbf"

func newCSVWriter(w io.Writer, columns []duck.Column, options Options, bom bool) (Writer, error) {
	c := &csvWriter{out: w}
	if bom {
		c.buf = append(c.buf, byteOrderMark...)
	}
	options.Numbers = NumbersNumber // a field has no type, so its digits are all that can be lost
	for i, name := range UniqueNames(columns) {
		column, err := newColumn(columns[i].Type, options)
		if err != nil {
			return nil, &UnsupportedTypeError{Column: name, Type: columns[i].Type.String()}
		}
		c.columns = append(c.columns, column)
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = appendField(c.buf, []byte(name))
	}
	c.buf = append(c.buf, '\r', '\n')
	return c, nil
}

func (w *csvWriter) Write(chunk *duck.Chunk) error {
	for i, c := range w.columns {
		c.bind(chunk.Column(i))
	}
	for row := range chunk.Rows() {
		for i, c := range w.columns {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			if !c.vec.Null(row) {
				w.appendValue(c, row)
			}
		}
		w.buf = append(w.buf, '\r', '\n')
	}
	return w.flush()
}

func (w *csvWriter) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *csvWriter) Close(Summary) error {
	if len(w.buf) == 0 {
		return nil
	}
	return w.flush()
}

func (w *csvWriter) appendValue(c *column, row int) {
	switch c.typ.ID {
	case duck.Varchar:
		w.buf = appendField(w.buf, c.vec.Bytes(row))
	case duck.Enum:
		w.buf = appendField(w.buf, []byte(c.typ.Labels[enumIndex(c, row)]))
	case duck.Float:
		w.buf = appendCSVFloat(w.buf, float64(duck.Slice[float32](&c.vec)[row]), 32)
	case duck.Double:
		w.buf = appendCSVFloat(w.buf, duck.Slice[float64](&c.vec)[row], 64)
	case duck.List, duck.Array, duck.Struct, duck.Map, duck.Union:
		w.scratch = c.write(c, w.scratch[:0], row)
		w.buf = appendField(w.buf, w.scratch)
	default:
		// What JSON writes for these has nothing to escape, at most quotes around it.
		start := len(w.buf)
		w.buf = c.write(c, w.buf, row)
		if w.buf[start] == '"' && len(w.buf) > start+2 {
			copy(w.buf[start:], w.buf[start+1:len(w.buf)-1])
			w.buf = w.buf[:len(w.buf)-2]
		}
	}
}

func enumIndex(c *column, row int) int {
	switch c.typ.Storage {
	case duck.UTinyInt:
		return int(duck.Slice[uint8](&c.vec)[row])
	case duck.USmallInt:
		return int(duck.Slice[uint16](&c.vec)[row])
	default:
		return int(duck.Slice[uint32](&c.vec)[row])
	}
}

func appendCSVFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return appendFloat(dst, f, bits)
}

// appendField appends a text, in quotes when it is empty or holds what ends a field.
func appendField(dst, text []byte) []byte {
	quote := len(text) == 0
	for _, b := range text {
		if b == '"' || b == ',' || b == '\n' || b == '\r' {
			quote = true
			break
		}
	}
	if !quote {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	from := 0
	for i, b := range text {
		if b == '"' {
			dst = append(dst, text[from:i+1]...)
			from = i
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
