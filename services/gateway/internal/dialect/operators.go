package dialect

// operatorAt changes the operator of symbols at token i and returns the index after it, or i.
func (w *writer) operatorAt(i int) int {
	if text, ok := w.edits.instead[i]; ok {
		w.replace(w.tokens[i], text)
		return i + 1
	}
	switch {
	case w.operator(i, "<=>") && !w.due(i) && !w.is(w.prev(i), "]") && !w.is(w.next(i+2), "["):
		// Beside a list it is DuckDB's distance.
		w.replace(w.tokens[i], " IS NOT DISTINCT FROM ")
		return i + 3
	case w.mysql && w.operator(i, "||"):
		w.replace(w.tokens[i], " OR ")
		return i + 2
	case w.mysql && w.is(i, "-") && w.is(i+1, "-"):
		w.copy(w.tokens[i])
		w.insert(i+1, " ") // two signs, which DuckDB would take for a comment
		return i + 1
	case w.mysql && (w.is(i, "+") || w.is(i, "-")) && w.is(w.next(i), "interval") && !w.due(i):
		if unit, _ := w.intervalUnit(w.next(i)); wholeDays[w.word(unit)] {
			// MySQL's DATE stays a DATE.
			w.replace(w.tokens[i], w.text(i)+"@ ")
			return i + 1
		}
	}
	return i
}

// wordOperator changes an operator that is a word, and returns the index after it, or i.
func (w *writer) wordOperator(i int, lower string) int {
	n := w.next(i)
	switch lower {
	case "div", "xor":
		if text, ok := w.edits.instead[i]; ok {
			w.replace(w.tokens[i], text)
			return i + 1
		}
	case "mod":
		if !w.due(i) && w.begins(n) {
			w.replace(w.tokens[i], " % ")
			return i + 1
		}
	case "regexp", "rlike":
		if !w.due(i) && w.begins(n) {
			w.replace(w.tokens[i], " ~@ ")
			return i + 1
		}
	case "not":
		if (w.is(n, "regexp") || w.is(n, "rlike")) && !w.due(i) && w.begins(w.next(n)) {
			w.replace(w.tokens[i], " !~@ ")
			return n + 1
		}
	}
	return i
}
