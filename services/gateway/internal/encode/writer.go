package encode

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/chittihq/duckling/pkg/duck"
)

// Format is a form in which a result can be had.
type Format string

// The formats.
const (
	// FormatJSON is an object whose "result" is an array of objects, one for each row.
	FormatJSON Format = "json"
	// FormatCompact is an object whose "columns" has names and types, and whose "rows" is an array of arrays.
	FormatCompact Format = "compact"
	// FormatNDJSON is an object on a line for each row, and {"end":true,"rows":n,...} on the last one.
	FormatNDJSON Format = "ndjson"
	// FormatCSV is RFC 4180 with a header.
	FormatCSV Format = "csv"
	// FormatArrow is an Arrow IPC stream.
	FormatArrow Format = "arrow"
	// FormatParquet is a Parquet file.
	FormatParquet Format = "parquet"
)

// Formats are all formats, in the order in which they are told.
var Formats = []Format{FormatJSON, FormatCompact, FormatNDJSON, FormatCSV, FormatArrow, FormatParquet}

// MediaType is the format's Content-Type.
func (f Format) MediaType() string {
	switch f {
	case FormatJSON:
		return "application/json"
	case FormatCompact:
		return "application/vnd.duckling.compact+json"
	case FormatNDJSON:
		return "application/x-ndjson"
	case FormatCSV:
		return "text/csv; charset=utf-8; header=present"
	case FormatArrow:
		return "application/vnd.apache.arrow.stream"
	case FormatParquet:
		return "application/vnd.apache.parquet"
	}
	return "application/octet-stream"
}

// Summary is what a result says of itself at its end, where the format has a place for it.
type Summary struct {
	Rows int64
	// Fields is the inside of a JSON object, as `"a":1,"b":2`, or empty.
	Fields []byte
}

// Writer writes one result. It is used by one goroutine. A result is whole only after Close.
type Writer interface {
	// Write adds a chunk's rows. It keeps nothing of the chunk.
	Write(chunk *duck.Chunk) error
	// Close writes what marks the end. It does not close what is written to.
	Close(end Summary) error
}

// NewWriter begins a result. It returns an *UnsupportedTypeError for a column that the format cannot hold. options are for
// the formats of text; bom begins CSV with a byte order mark, by which Excel knows UTF-8.
func NewWriter(w io.Writer, format Format, columns []duck.Column, options Options, bom bool) (Writer, error) {
	switch format {
	case FormatJSON, FormatNDJSON:
		return newObjectWriter(w, format, columns, options)
	case FormatCompact:
		return newCompactWriter(w, columns, options)
	case FormatCSV:
		return newCSVWriter(w, columns, options, bom)
	case FormatArrow:
		return newArrowWriter(w, columns)
	case FormatParquet:
		return newParquetWriter(w, columns)
	}
	return nil, fmt.Errorf("there is no format %q", string(format))
}

// objectWriter writes rows as objects, in an array or on lines.
type objectWriter struct {
	out     io.Writer
	encoder *JSON
	lines   bool
	begun   bool
	buf     []byte
}

func newObjectWriter(w io.Writer, format Format, columns []duck.Column, options Options) (Writer, error) {
	encoder, err := NewJSON(columns, options)
	if err != nil {
		return nil, err
	}
	o := &objectWriter{out: w, encoder: encoder, lines: format == FormatNDJSON}
	if !o.lines {
		o.buf = append(o.buf, `{"result":[`...)
	}
	return o, nil
}

func (w *objectWriter) Write(chunk *duck.Chunk) error {
	if w.lines {
		w.buf = w.encoder.AppendLines(w.buf, chunk)
	} else {
		if w.begun {
			w.buf = append(w.buf, ',')
		}
		w.buf = w.encoder.AppendRows(w.buf, chunk)
	}
	w.begun = true
	return w.flush()
}

func (w *objectWriter) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *objectWriter) Close(end Summary) error {
	if w.lines {
		w.buf = append(w.buf, `{"end":true,"rows":`...)
		w.buf = strconv.AppendInt(w.buf, end.Rows, 10)
	} else {
		w.buf = append(w.buf, ']')
	}
	w.buf = closeObject(w.buf, end.Fields)
	if w.lines {
		w.buf = append(w.buf, '\n')
	}
	return w.flush()
}

func closeObject(dst, fields []byte) []byte {
	if len(fields) > 0 {
		dst = append(dst, ',')
		dst = append(dst, fields...)
	}
	return append(dst, '}')
}

// compactWriter writes names once and rows as arrays.
type compactWriter struct {
	out     io.Writer
	columns []*column
	begun   bool
	buf     []byte
}

// NamedType describes a column of a result to clients.
type NamedType struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Describe names the columns as they appear in a result, with their types.
func Describe(columns []duck.Column) []NamedType {
	out := make([]NamedType, len(columns))
	for i, name := range UniqueNames(columns) {
		out[i] = NamedType{Name: name, Type: columns[i].Type.String()}
	}
	return out
}

func newCompactWriter(w io.Writer, columns []duck.Column, options Options) (Writer, error) {
	c := &compactWriter{out: w}
	for i, name := range UniqueNames(columns) {
		column, err := newColumn(columns[i].Type, options)
		if err != nil {
			return nil, &UnsupportedTypeError{Column: name, Type: columns[i].Type.String()}
		}
		c.columns = append(c.columns, column)
	}
	described, err := json.Marshal(Describe(columns))
	if err != nil {
		return nil, fmt.Errorf("describing columns: %w", err)
	}
	c.buf = append(append(append(c.buf, `{"columns":`...), described...), `,"rows":[`...)
	return c, nil
}

func (w *compactWriter) Write(chunk *duck.Chunk) error {
	for i, c := range w.columns {
		c.bind(chunk.Column(i))
	}
	for row := range chunk.Rows() {
		if w.begun {
			w.buf = append(w.buf, ',')
		}
		w.begun = true
		w.buf = append(w.buf, '[')
		for i, c := range w.columns {
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			w.buf = c.append(w.buf, row)
		}
		w.buf = append(w.buf, ']')
	}
	return w.flush()
}

func (w *compactWriter) flush() error {
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *compactWriter) Close(end Summary) error {
	w.buf = append(w.buf, ']')
	w.buf = closeObject(w.buf, end.Fields)
	return w.flush()
}
