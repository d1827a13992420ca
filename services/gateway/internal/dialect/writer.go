package dialect

import "strings"

// writer goes through a statement's tokens and writes them, changed where DuckDB needs it.
type writer struct {
	*statement
	mode      Mode
	backslash bool
	edits     edits

	out     strings.Builder
	spans   []span
	changed bool
	err     error // the first

	frames []frame
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
	w.emit(part{0, len(w.tokens)})
}

// emit writes a part of the statement.
func (w *writer) emit(p part) {
	for i := p.lo; i < p.hi; {
		if before := w.edits.before[i]; before != "" {
			w.insert(i, before)
		}
		i = w.write(i)
		if after := w.edits.after[i-1]; after != "" {
			w.insert(i-1, after)
		}
	}
}

// write writes token i, and more when they are changed together, and returns the index after it.
func (w *writer) write(i int) int {
	t := w.tokens[i]
	switch t.kind {
	case hash:
		if w.mode == DuckDB {
			w.copy(t)
			break
		}
		w.replace(token{hash, t.start, t.start + 1}, "--")
		w.copy(token{comment, t.start + 1, t.end})
	case comment:
		w.comment(i)
	case backtick:
		w.quoted(t, quoteName(unquote(w.text(i), '`')))
	case quoted:
		if w.mysql {
			w.quoted(t, quoteText(unescape(w.text(i))))
			break
		}
		w.apart(i)
		w.copy(t)
	case str:
		if w.backslash && w.text(i)[0] == '\'' && strings.IndexByte(w.text(i), '\\') >= 0 {
			w.quoted(t, quoteText(unescape(w.text(i))))
			break
		}
		w.apart(i)
		w.copy(t)
	case symbol:
		return w.symbolAt(i)
	case word:
		return w.wordAt(i)
	default:
		w.copy(t)
	}
	return i + 1
}

// comment leaves out what DuckDB would read otherwise than MySQL.
func (w *writer) comment(i int) {
	text := w.text(i)
	if !w.mysql || !strings.HasPrefix(text, "/*") {
		w.copy(w.tokens[i])
		return
	}
	if strings.HasPrefix(text, "/*!") || strings.HasPrefix(text, "/*M!") {
		w.fail(i, "a comment that MySQL runs (/*! */) is not supported; write what is in it without the comment")
	}
	if strings.Contains(text[2:], "/*") {
		w.replace(w.tokens[i], " ")
		return
	}
	w.copy(w.tokens[i])
}

func (w *writer) symbolAt(i int) int {
	switch w.sql[w.tokens[i].start] {
	case '(':
		w.frames = append(w.frames, frame{query: w.opensQuery(i)})
	case ')':
		if len(w.frames) > 1 {
			w.frames = w.frames[:len(w.frames)-1]
		}
	default:
		if w.mode == DuckDB {
			break
		}
		if n := w.operatorAt(i); n > i {
			return n
		}
	}
	w.copy(w.tokens[i])
	return i + 1
}

// opensQuery tells whether the parenthesis at hand holds a query or a part of FROM, rather than arguments.
func (w *writer) opensQuery(i int) bool {
	switch w.word(w.next(i)) {
	case "select", "with", "from", "values":
		return true
	}
	p := w.prev(i)
	return w.frame().from && (w.is(p, "from") || w.is(p, "join"))
}

func (w *writer) frame() *frame { return &w.frames[len(w.frames)-1] }

func (w *writer) wordAt(i int) int {
	t, lower, f := w.tokens[i], w.word(i), w.frame()
	if lower == "information_schema" && w.is(w.next(i), ".") {
		w.replace(t, informationSchema)
		return i + 1
	}
	if w.mode == DuckDB {
		w.copy(t)
		return i + 1
	}
	if reserved[lower] && w.namesTable(i, f) || free[lower] && w.namesColumn(i) {
		w.replace(t, quoteName(w.text(i)))
		return i + 1
	}
	if w.is(w.prev(i), ".") {
		w.copy(t)
		return i + 1
	}
	if open, ok := w.call(i); ok {
		if rewrite := calls[lower]; rewrite != nil {
			if n := rewrite(w, i, open); n > i {
				return n
			}
		}
	}
	if n := w.clauseAt(i, lower); n > i {
		return n
	}
	w.copy(t)
	return i + 1
}

// informationSchema is where the companion database has its views of the catalog.
const informationSchema = "companion.information"

// namesTable tells whether the reserved word at hand can only be a table's name.
func (w *writer) namesTable(i int, f *frame) bool {
	n, p := w.next(i), w.prev(i)
	if w.is(n, ".") && n == i+1 && !w.is(p, ".") {
		return true
	}
	if !f.from || startsTable[w.word(i)] {
		return false
	}
	return w.is(p, "from") && !w.is(w.prev(p), "distinct") || w.is(p, "join") || w.is(p, ",")
}

// namesColumn tells whether a word that DuckDB reserves and MySQL does not stands where only a name can.
func (w *writer) namesColumn(i int) bool {
	if !w.due(i) || w.is(w.prev(i), ".") || w.frame().query && w.is(w.prev(i), "from") {
		return false
	}
	switch n := w.next(i); w.at(n).kind {
	case end:
		return true
	case symbol:
		return !w.is(n, "(") && !w.is(n, "[") && !w.is(n, "{")
	case word:
		return follows[w.word(n)]
	}
	return false
}

// insert adds text that stands for nothing in the statement but belongs to token i.
func (w *writer) insert(i int, text string) {
	t := w.at(i)
	w.replace(token{t.kind, t.start, t.start}, text)
}

func (w *writer) copy(t token) {
	if n := len(w.spans); n == 0 || !w.spans[n-1].copied {
		w.spans = append(w.spans, span{out: w.out.Len(), in: t.start, copied: true})
	}
	w.out.WriteString(w.sql[t.start:t.end])
}

func (w *writer) replace(t token, with string) {
	w.changed = true
	w.spans = append(w.spans, span{out: w.out.Len(), in: t.start})
	w.out.WriteString(with)
}

// quoted is replace for what has quotes: beside others of the kind, or after a letter, they would mean something else.
func (w *writer) quoted(t token, with string) {
	if out := w.out.String(); out != "" && (out[len(out)-1] == with[0] || isWordPart(out[len(out)-1])) {
		with = " " + with
	}
	w.replace(t, with)
}

// apart keeps a string or name that is copied from growing together with a changed one before it.
func (w *writer) apart(i int) {
	if out := w.out.String(); out != "" && out[len(out)-1] == w.text(i)[0] {
		w.insert(i, " ")
	}
}

func (w *writer) fail(i int, reason string) {
	if w.err == nil {
		w.err = &UnsupportedError{Reason: reason, Offset: w.at(i).start}
	}
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
