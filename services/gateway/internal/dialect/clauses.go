package dialect

import (
	"math"
	"strconv"
	"strings"
)

// clauseAt changes the word at token i, which is not called, and returns the index after what it wrote, or i.
func (w *writer) clauseAt(i int, lower string) int {
	f, t, n := w.frame(), w.tokens[i], w.next(i)
	if w.edits.dropped[i] {
		return w.drop(i, i)
	}
	switch lower {
	case "from":
		f.from = f.query && !w.is(w.prev(i), "distinct")
		if end := w.next(n); w.is(n, "dual") && f.from && !w.is(end, ".") && !w.is(end, ",") && (w.at(end).kind != word || endsFrom[w.word(end)]) {
			return w.drop(i, n)
		}
	case "where", "group", "order", "having", "offset", "window", "qualify", "union", "except", "intersect", "set":
		f.from = false
	case "select":
		f.from = false
		return w.selectOptions(i)
	case "limit":
		f.from = false
		return w.limit(i)
	case "straight_join":
		if f.from && !w.is(w.prev(i), "from") {
			w.replace(t, "JOIN")
			return i + 1
		}
	case "use", "force", "ignore":
		return w.indexHint(i)
	case "lock":
		if w.is(n, "in") && w.is(w.next(n), "share") && w.is(w.next(w.next(n)), "mode") {
			return w.drop(i, w.next(w.next(n)))
		}
	case "like":
		if w.mysql {
			w.replace(t, "ILIKE")
			return i + 1
		}
	case "binary":
		if k := w.at(n).kind; w.due(i) && (k == word && !follows[w.word(n)] || k == backtick) {
			return w.drop(i, i)
		}
	case "_utf8mb4", "_utf8", "_utf8mb3":
		if w.at(n).kind == str {
			return w.drop(i, i)
		}
	case "collate":
		return w.collation(i)
	case "interval":
		return w.interval(i)
	case "current_timestamp", "localtime", "localtimestamp":
		if w.mysql {
			w.replace(t, "companion.mysql.now()")
			return i + 1
		}
	}
	return w.wordOperator(i, lower)
}

// endsFrom are the words after FROM DUAL.
var endsFrom = set("where", "limit", "union", "order", "having", "group", "except", "intersect")

// drop leaves out the tokens from i to last. A space stays, lest what was apart grows together.
func (w *writer) drop(i, last int) int {
	w.replace(w.tokens[i], " ")
	return last + 1
}

// hints are MySQL's words after SELECT that ask for nothing that could change a result.
var hints = set("sql_no_cache", "sql_cache", "sql_calc_found_rows", "sql_small_result", "sql_big_result", "sql_buffer_result", "straight_join")

// selectOptions writes SELECT without the hints after it.
func (w *writer) selectOptions(i int) int {
	w.copy(w.tokens[i])
	last := i
	for n := w.next(i); ; n = w.next(n) {
		following := w.next(n)
		hint := hints[w.word(n)] || w.mysql && w.is(n, "high_priority")
		if !(hint || w.is(n, "distinct") || w.is(n, "distinctrow") || w.is(n, "all")) || hint && (!w.begins(following) || w.operatorByte(following)) && !w.is(following, "*") {
			return last + 1
		}
		switch {
		case hint:
			w.replace(w.tokens[n], " ")
		case w.is(n, "distinctrow"):
			w.replace(w.tokens[n], " DISTINCT")
		default:
			w.emitSpace(last+1, n)
			w.copy(w.tokens[n])
		}
		last = n
	}
}

func (s *statement) operatorByte(i int) bool {
	return s.at(i).kind == symbol && strings.Contains(operatorBytes+"[", s.text(i))
}

func (w *writer) emitSpace(lo, hi int) {
	for i := lo; i < hi; i++ {
		w.write(i)
	}
}

// indexHint leaves out USE INDEX (...) and the like.
func (w *writer) indexHint(i int) int {
	n := w.next(i)
	if !w.frame().from || !w.is(n, "index") && !w.is(n, "key") {
		return i
	}
	n = w.next(n)
	if w.is(n, "for") {
		for n = w.next(n); w.at(n).kind == word; n = w.next(n) {
		}
	}
	if !w.is(n, "(") || w.partner[n] < 0 {
		return i
	}
	return w.drop(i, w.partner[n])
}

// limit writes LIMIT a, b as OFFSET a LIMIT b, which keeps the order of parameters, and MySQL's number for "all" as one that DuckDB takes.
func (w *writer) limit(i int) int {
	offset := w.next(i)
	comma := w.next(offset)
	count := w.next(comma)
	if !w.is(comma, ",") || !w.countable(offset) || !w.countable(count) {
		if w.countable(offset) && w.count(offset) != w.text(offset) {
			w.emitLimit(i, offset, "LIMIT")
			return offset + 1
		}
		return i
	}
	w.emitLimit(i, offset, "OFFSET")
	w.emitSpace(offset+1, comma)
	w.emitLimit(comma, count, " LIMIT ")
	return count + 1
}

func (w *writer) emitLimit(i, number int, keyword string) {
	w.replace(w.tokens[i], keyword)
	w.emitSpace(i+1, number)
	if text := w.count(number); text != w.text(number) {
		w.replace(w.tokens[number], text)
		return
	}
	w.copy(w.tokens[number])
}

func (w *writer) countable(i int) bool { return w.at(i).kind == number || w.at(i).kind == param }

// count is the text of a number of rows, at most the largest that DuckDB counts to.
func (w *writer) count(i int) string {
	if n, err := strconv.ParseUint(w.text(i), 10, 64); err == nil && n > math.MaxInt64 {
		return strconv.FormatInt(math.MaxInt64, 10)
	}
	return w.text(i)
}

// collation writes COLLATE with DuckDB's name for one of MySQL's.
func (w *writer) collation(i int) int {
	n := w.next(i)
	name := w.word(n)
	prefix, _, _ := strings.Cut(name, "_")
	switch {
	case prefix != "utf8mb4" && prefix != "utf8mb3" && prefix != "utf8" && prefix != "latin1":
		return i
	case strings.HasSuffix(name, "_ai_ci"):
		w.replace(w.tokens[i], "COLLATE NOCASE.NOACCENT")
	case strings.HasSuffix(name, "_ci"):
		w.replace(w.tokens[i], "COLLATE NOCASE")
	default:
		return w.drop(i, n)
	}
	return n + 1
}
