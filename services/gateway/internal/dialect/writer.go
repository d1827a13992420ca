package dialect

import "strings"

// writer goes through a statement's tokens once and writes them, changed where DuckDB needs it.
type writer struct {
	sql       string
	mode      Mode
	backslash bool
	tokens    []token
	at        int // the token being written

	out     strings.Builder
	spans   []span
	changed bool

	frames   []frame
	previous token // the last token that is neither space nor comment
}

// frame is what is known about one level of parentheses.
type frame struct {
	// query is true when it holds a SELECT and not a function's arguments.
	query bool
	// from is true from FROM up to the clause after it.
	from bool
}

func (w *writer) run() {
	w.frames = []frame{{query: true}}
	if w.show() {
		return
	}
	for ; w.at < len(w.tokens); w.at++ {
		t := w.tokens[w.at]
		w.write(t)
		if significant(t) {
			w.previous = t
		}
	}
}

func significant(t token) bool { return t.kind != space && t.kind != comment && t.kind != hash }

func (w *writer) write(t token) {
	switch t.kind {
	case hash:
		if w.mode == DuckDB {
			w.copy(t)
			return
		}
		w.replace(token{hash, t.start, t.start + 1}, "--")
		w.copy(token{comment, t.start + 1, t.end})
	case backtick:
		w.replace(t, quoteName(unquote(w.text(t), '`')))
	case quoted:
		if w.mode == MySQL {
			w.replace(t, quoteText(unescape(w.text(t))))
			return
		}
		w.copy(t)
	case str:
		if w.backslash && w.text(t)[0] == '\'' && strings.IndexByte(w.text(t), '\\') >= 0 {
			w.replace(t, quoteText(unescape(w.text(t))))
			return
		}
		w.copy(t)
	case symbol:
		w.symbol(t)
	case word:
		w.word(t)
	default:
		w.copy(t)
	}
}

func (w *writer) symbol(t token) {
	switch w.sql[t.start] {
	case '(':
		w.frames = append(w.frames, frame{query: w.opensQuery()})
	case ')':
		if len(w.frames) > 1 {
			w.frames = w.frames[:len(w.frames)-1]
		}
	}
	w.copy(t)
}

// opensQuery tells whether the parenthesis at hand holds a query or a part of FROM, rather than arguments.
func (w *writer) opensQuery() bool {
	switch strings.ToLower(w.text(w.peek(1))) {
	case "select", "with", "from", "values":
		return true
	}
	f := w.frames[len(w.frames)-1]
	return f.from && w.previous.kind == word && (w.is(w.previous, "from") || w.is(w.previous, "join"))
}

func (w *writer) word(t token) {
	lower := strings.ToLower(w.text(t))
	f := &w.frames[len(w.frames)-1]
	if reserved[lower] && w.mode != DuckDB && w.namesTable(t, f) {
		w.replace(t, quoteName(w.text(t)))
		return
	}
	switch lower {
	case "from":
		f.from = f.query && !w.is(w.previous, "distinct")
	case "where", "group", "order", "having", "limit", "offset", "window", "qualify", "union", "except", "intersect", "select", "set":
		f.from = false
		if lower == "limit" && w.mode != DuckDB && w.limit(t) {
			return
		}
	case "information_schema":
		if w.is(w.peek(1), ".") {
			w.replace(t, informationSchema)
			return
		}
	}
	w.copy(t)
}

// informationSchema is where the companion database has its views of the catalog.
const informationSchema = "companion.information"

// namesTable tells whether the reserved word at hand can only be a table's name.
func (w *writer) namesTable(t token, f *frame) bool {
	following := w.peek(1)
	if w.is(following, ".") && following.start == t.end {
		return true
	}
	if !f.from || startsTable[strings.ToLower(w.text(t))] {
		return false
	}
	return w.is(w.previous, "from") || w.is(w.previous, "join") || w.is(w.previous, ",")
}

// limit writes LIMIT a, b as OFFSET a LIMIT b, which keeps the order of parameters.
func (w *writer) limit(t token) bool {
	offset, comma, count := w.peek(1), w.peek(2), w.peek(3)
	if !w.is(comma, ",") || !countable(offset) || !countable(count) {
		return false
	}
	w.replace(t, "OFFSET")
	for w.at++; w.tokens[w.at] != comma; w.at++ {
		w.write(w.tokens[w.at])
	}
	w.replace(comma, " LIMIT ")
	w.previous = comma
	return true
}

func countable(t token) bool { return t.kind == number || t.kind == param }

func (w *writer) text(t token) string { return w.sql[t.start:t.end] }

// is compares a token with a lower-case word or a symbol.
func (w *writer) is(t token, lower string) bool {
	return (t.kind == word || t.kind == symbol) && strings.EqualFold(w.text(t), lower)
}

// peek returns the n-th significant token after the one being written, or one of kind end.
func (w *writer) peek(n int) token {
	for i := w.at + 1; i < len(w.tokens); i++ {
		if significant(w.tokens[i]) {
			if n--; n == 0 {
				return w.tokens[i]
			}
		}
	}
	return token{end, len(w.sql), len(w.sql)}
}

func (w *writer) copy(t token) {
	if n := len(w.spans); n == 0 || !w.spans[n-1].copied {
		w.spans = append(w.spans, span{out: w.out.Len(), in: t.start, copied: true})
	}
	w.out.WriteString(w.text(t))
}

func (w *writer) replace(t token, with string) {
	w.changed = true
	w.spans = append(w.spans, span{out: w.out.Len(), in: t.start})
	w.out.WriteString(with)
}

// unquote returns what a quoted name or string without backslashes stands for.
func unquote(text string, quote byte) string {
	q := string(quote)
	return strings.ReplaceAll(text[1:len(text)-1], q+q, q)
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// unescape returns what a MySQL string with its quotes stands for (MySQL manual, "String Literals").
func unescape(text string) string {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text)-1; i++ {
		c := text[i]
		switch {
		case c == quote:
			i++
			b.WriteByte(c)
		case c == '\\':
			i++
			switch text[i] {
			case '0':
				b.WriteByte(0)
			case 'b':
				b.WriteByte('\b')
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case 'Z':
				b.WriteByte(26)
			case '%', '_':
				b.WriteByte('\\')
				b.WriteByte(text[i])
			default:
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
