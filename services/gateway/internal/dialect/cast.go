package dialect

// cast changes CAST(x AS type) where MySQL's type is not DuckDB's.
func cast(w *writer, i, open int) int {
	for n := open + 1; n < w.partner[open]; n++ {
		if w.partner[n] > n {
			n = w.partner[n]
		} else if w.is(n, "as") {
			return w.castTo(i, open, part{open + 1, n}, part{n + 1, w.partner[open]}, false)
		}
	}
	return i
}

// convert writes CONVERT(x, type) and CONVERT(x USING character set) as CAST.
func convert(w *writer, i, open int) int {
	for n := open + 1; n < w.partner[open]; n++ {
		if w.partner[n] > n {
			n = w.partner[n]
		} else if w.is(n, "using") {
			w.replace(w.tokens[i], "CAST(")
			w.argument(part{open + 1, n})
			return w.closing(open, " AS VARCHAR)")
		}
	}
	parts := w.arguments(open)
	if len(parts) != 2 {
		return i
	}
	return w.castTo(i, open, parts[0], parts[1], true)
}

// castTo writes a cast of value to the type at as. A cast that DuckDB reads as it is stays, unless it must be written anew.
func (w *writer) castTo(i, open int, value, as part, anew bool) int {
	if w.next(as.lo-1) >= as.hi {
		return i
	}
	first := w.first(as)
	name, length := w.word(first), w.next(first)
	sized := w.is(length, "(") && w.partner[length] > 0
	before, after := "CAST(", ""
	switch {
	case name == "unsigned":
		before, after = schema+"unsigned(", ")"
	case name == "signed":
		after = " AS BIGINT)"
	case (name == "char" || name == "nchar" || name == "character") && (anew || w.mysql && sized || w.charset(as)):
		after = " AS VARCHAR)"
		if w.mysql && sized {
			before = "left(CAST("
			after += ", " + w.text(w.next(length)) + ")"
		}
	case name == "decimal" && !sized && w.mysql:
		after = " AS DECIMAL(10, 0))"
	case !anew:
		return i
	}
	w.replace(w.tokens[i], before)
	w.argument(value)
	if after == "" {
		w.insert(as.lo, " AS ")
		w.argument(as)
		after = ")"
	}
	return w.closing(open, after)
}

// charset tells whether a type ends in CHARACTER SET name or CHARSET name.
func (w *writer) charset(as part) bool {
	for i := w.first(as); i < as.hi; i = w.next(i) {
		if w.is(i, "charset") || w.is(i, "set") {
			return true
		}
	}
	return false
}
