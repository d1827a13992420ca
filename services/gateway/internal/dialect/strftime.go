package dialect

import "strings"

// written are MySQL's formats of dates as DuckDB's strftime has them (MySQL manual, "DATE_FORMAT").
var written = map[byte]string{
	'a': "%a", 'b': "%b", 'c': "%-m", 'd': "%d", 'e': "%-d", 'f': "%f", 'H': "%H", 'h': "%I", 'I': "%I", 'i': "%M", 'j': "%j", 'k': "%-H", 'l': "%-I", 'M': "%B", 'm': "%m",
	'p': "%p", 'r': "%I:%M:%S %p", 'S': "%S", 's': "%S", 'T': "%H:%M:%S", 'U': "%U", 'v': "%V", 'W': "%A", 'w': "%w", 'x': "%G", 'Y': "%Y", 'y': "%y", '%': "%%",
}

// computed are those that it has not, of the variable moment.
var computed = map[byte]string{
	'D': schema + "day_suffix(day(moment))",
	'u': "lpad(" + schema + "week(moment, 1)::VARCHAR, 2, '0')",
	'V': "lpad(" + schema + "week(moment, 2)::VARCHAR, 2, '0')",
	'X': "(" + schema + "yearweek(moment, 2) // 100)::VARCHAR",
}

// read are the formats that STR_TO_DATE has in common with strptime.
var read = map[byte]string{
	'a': "%a", 'b': "%b", 'c': "%m", 'd': "%d", 'e': "%d", 'f': "%f", 'H': "%H", 'h': "%I", 'I': "%I", 'i': "%M", 'j': "%j", 'k': "%H", 'l': "%I", 'M': "%B", 'm': "%m",
	'p': "%p", 'r': "%I:%M:%S %p", 'S': "%S", 's': "%S", 'T': "%H:%M:%S", 'W': "%A", 'Y': "%Y", 'y': "%y", '%': "%%",
}

const (
	dateFormats = "abcdejMmWYy"
	timeFormats = "fHhIiklprSsT"
)

// eachFormat calls fn with each letter after % in format, and with 0 and the text of each other character.
func eachFormat(format string, fn func(letter byte, text string)) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			fn(0, format[i:i+1])
			continue
		}
		i++
		fn(format[i], format[i:i+1])
	}
}

func plainFormat(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// dateFormat turns a format of DATE_FORMAT into an expression of the variable moment, and says whether it is one call of strftime.
func dateFormat(format string) (expression string, simple bool) {
	var parts []string
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			parts = append(parts, "strftime(moment, "+quoteText(text.String())+")")
			text.Reset()
		}
	}
	eachFormat(format, func(letter byte, plain string) {
		if computed[letter] != "" {
			flush()
			parts = append(parts, computed[letter])
		} else if strftime := written[letter]; strftime != "" {
			text.WriteString(strftime)
		} else {
			text.WriteString(plainFormat(plain))
		}
	})
	if len(parts) == 0 {
		return quoteText(text.String()), true
	}
	flush()
	return strings.Join(parts, " || "), false
}

func formatDate(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) != 2 {
		return i
	}
	return w.strftime(i, open, parts, "", "")
}

func formatUnixTime(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) != 2 {
		return i
	}
	return w.strftime(i, open, parts, "from_unixtime(", ")")
}

// strftime writes a date with a format that is a literal: DuckDB must know it before it runs.
func (w *writer) strftime(i, open int, parts []part, before, after string) int {
	format, ok := w.fixed(w.single(parts[1]))
	if !ok {
		w.fail(i, strings.ToUpper(w.word(i))+" needs its format as a string in the SQL; a parameter or a column cannot be one (strftime has the same limit)")
		return i
	}
	expression, simple := dateFormat(format)
	if simple {
		w.replace(w.tokens[i], "strftime("+before+"(")
		w.argument(parts[0])
		return w.closing(open, ")"+after+"::TIMESTAMP, "+expression+")")
	}
	w.replace(w.tokens[i], "list_transform(["+before+"(")
	w.argument(parts[0])
	return w.closing(open, ")"+after+"::TIMESTAMP], lambda moment: "+expression+")[1]")
}

// parseDate writes STR_TO_DATE, which gives a DATE, a TIME or a DATETIME by the format, and NULL for text that does not fit.
func parseDate(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) != 2 {
		return i
	}
	format, ok := w.fixed(w.single(parts[1]))
	if !ok {
		w.fail(i, "STR_TO_DATE needs its format as a string in the SQL; a parameter or a column cannot be one (strptime has the same limit)")
		return i
	}
	var text strings.Builder
	hasDate, hasTime, known := false, false, true
	eachFormat(format, func(letter byte, plain string) {
		switch {
		case letter == 0:
			text.WriteString(plainFormat(plain))
		case read[letter] == "":
			known = false
		default:
			text.WriteString(read[letter])
			hasDate = hasDate || strings.IndexByte(dateFormats, letter) >= 0
			hasTime = hasTime || strings.IndexByte(timeFormats, letter) >= 0
		}
	})
	if !known {
		w.fail(i, "STR_TO_DATE does not read one of the parts in the format "+quoteText(format))
		return i
	}
	w.replace(w.tokens[i], "try_strptime(")
	w.argument(parts[0])
	as := ""
	switch {
	case !hasTime:
		as = "::DATE"
	case !hasDate:
		as = "::TIME"
	}
	return w.closing(open, ", "+quoteText(text.String())+")"+as)
}
