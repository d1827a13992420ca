package shop

import (
	"strconv"
	"time"
)

// format is how a row is written: for LOAD DATA, or for the VALUES of an INSERT. Both know
// the same backslash escapes.
type format struct {
	rowStart, rowEnd, separator, quote, null string
}

var (
	loadFormat   = format{rowEnd: "\n", separator: "\t", null: `\N`}
	insertFormat = format{rowStart: "(", rowEnd: "),", separator: ",", quote: "'", null: "NULL"}
)

// rows is the text of rows of one table. Values are added in the order of the table's
// columns; the first is the id, so no row begins with an empty value.
type rows struct {
	format format
	text   []byte
	ends   []int // where each row ends in text
}

func (r *rows) value() {
	if at := len(r.text); at == r.start() {
		r.text = append(r.text, r.format.rowStart...)
	} else {
		r.text = append(r.text, r.format.separator...)
	}
}

func (r *rows) start() int {
	if len(r.ends) == 0 {
		return 0
	}
	return r.ends[len(r.ends)-1]
}

func (r *rows) end() {
	r.text = append(r.text, r.format.rowEnd...)
	r.ends = append(r.ends, len(r.text))
}

func (r *rows) null() {
	r.value()
	r.text = append(r.text, r.format.null...)
}

func (r *rows) integer(v int64) {
	r.value()
	r.text = strconv.AppendInt(r.text, v, 10)
}

func (r *rows) boolean(v bool) {
	if v {
		r.integer(1)
	} else {
		r.integer(0)
	}
}

func (r *rows) double(v float64) {
	r.value()
	r.text = strconv.AppendFloat(r.text, v, 'g', -1, 64)
}

// money writes an amount of cents.
func (r *rows) money(cents int64) {
	r.value()
	r.text = strconv.AppendInt(r.text, cents/100, 10)
	r.text = append(r.text, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

func (r *rows) string(v string) {
	r.value()
	r.text = append(r.text, r.format.quote...)
	for i := range len(v) {
		switch v[i] {
		case '\\', '\'':
			r.text = append(r.text, '\\', v[i])
		case '\t':
			r.text = append(r.text, '\\', 't')
		case '\n':
			r.text = append(r.text, '\\', 'n')
		default:
			r.text = append(r.text, v[i])
		}
	}
	r.text = append(r.text, r.format.quote...)
}

// time writes a moment to the millisecond, in UTC.
func (r *rows) time(t time.Time) {
	r.value()
	r.text = append(r.text, r.format.quote...)
	r.text = t.AppendFormat(r.text, "2006-01-02 15:04:05.000")
	r.text = append(r.text, r.format.quote...)
}

func (r *rows) date(t time.Time) {
	r.value()
	r.text = append(r.text, r.format.quote...)
	r.text = t.AppendFormat(r.text, time.DateOnly)
	r.text = append(r.text, r.format.quote...)
}
