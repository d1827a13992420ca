package dialect

import "strings"

// rewrite changes the call of the word at token i, with its parenthesis at open. It returns the index after what it wrote, or i.
type rewrite func(w *writer, i, open int) int

// schema holds the macros that have MySQL's meaning of a name that DuckDB has, too.
const schema = "companion.mysql."

var calls map[string]rewrite

func init() { //nolint:gochecknoinits // the table refers to functions that refer to the table
	calls = map[string]rewrite{
		"date_format": formatDate, "time_format": formatDate, "str_to_date": parseDate, "from_unixtime": formatUnixTime,
		"date_add": shift("+"), "adddate": shift("+"), "date_sub": shift("-"), "subdate": shift("-"),
		"datediff":      withArguments(2, 2, (*writer).qualify),
		"timestampdiff": withUnit, "timestampadd": addUnit,
		"field": listFrom(1), "elt": listFrom(1), "least": mysqlOnly(listFrom(0)), "greatest": mysqlOnly(listFrom(0)),
		"concat": mysqlOnly(concat), "group_concat": groupConcat, "count": countTuples,
		"cast": cast, "convert": convert, "timestamp": toTimestamp, "time": toTime,
		"isnull": isNull, "extract": extract, "json_extract": extractPaths,
		"json_arrayagg": rename("json_group_array"), "json_objectagg": rename("json_group_object"), "std": rename("stddev_pop"),
		"stddev": mysqlOnly(rename("stddev_pop")), "variance": mysqlOnly(rename("var_pop")), "char": chars,
		"now": now, "current_timestamp": now, "localtime": now, "localtimestamp": now, "current_time": currentTime,
		"format": formatNumber, "row": valuesRow,
		"week": weeks, "yearweek": weeks,
		"dayofweek": mysqlOnly((*writer).qualify), "weekday": mysqlOnly((*writer).qualify), "length": mysqlOnly((*writer).qualify),
		"microsecond": mysqlOnly((*writer).qualify), "log": mysqlOnly((*writer).qualify), "to_days": mysqlOnly((*writer).qualify),
	}
	for _, name := range strings.Fields("year month day dayofmonth hour minute second quarter dayname monthname dayofyear last_day weekofyear") {
		calls[name] = datePart
	}
}

func mysqlOnly(r rewrite) rewrite {
	return func(w *writer, i, open int) int {
		if !w.mysql {
			return i
		}
		return r(w, i, open)
	}
}

// withArguments applies r to calls with that many arguments.
func withArguments(least, most int, r rewrite) rewrite {
	return func(w *writer, i, open int) int {
		if n := len(w.arguments(open)); n < least || n > most {
			return i
		}
		return r(w, i, open)
	}
}

// qualify puts MySQL's schema before the name; the arguments stay.
func (w *writer) qualify(i, _ int) int {
	w.replace(w.tokens[i], schema+w.word(i))
	return i + 1
}

func rename(name string) rewrite {
	return func(w *writer, i, _ int) int {
		w.replace(w.tokens[i], name)
		return i + 1
	}
}

// maxDepth bounds how deep calls that are changed may be nested; DuckDB's own bound is at 1000 expressions.
const maxDepth = 500

// argument writes what is inside of a call.
func (w *writer) argument(p part) {
	if len(w.frames) > maxDepth {
		w.fail(p.lo, "the statement is nested too deeply")
		return
	}
	w.frames = append(w.frames, frame{})
	depth := len(w.frames)
	w.emit(p)
	w.frames = w.frames[:min(depth, len(w.frames))-1]
}

// list writes arguments with commas between them.
func (w *writer) list(parts []part) {
	for k, p := range parts {
		if k > 0 {
			w.insert(p.lo-1, ",")
		}
		w.argument(p)
	}
}

// closing writes text for the closing parenthesis of a call and returns the index after it.
func (w *writer) closing(open int, text string) int {
	w.replace(w.tokens[w.partner[open]], text)
	return w.partner[open] + 1
}

// literal is the value of a token that is a string, and false for all else.
func (w *writer) literal(i int) (string, bool) {
	text := w.text(i)
	switch k := w.at(i).kind; {
	case k == str && text[0] == '\'' && w.backslash, k == quoted && w.mysql:
		return unescape(text), true
	case k == str && text[0] == '\'':
		return unquote(text, '\''), true
	}
	return "", false
}

// fixed is literal for places where nothing but a string can stand, so that "x" is one.
func (w *writer) fixed(i int) (string, bool) {
	if w.at(i).kind == quoted && !w.mysql {
		return unquote(w.text(i), '"'), true
	}
	return w.literal(i)
}

// listFrom makes a list of the arguments from the n-th on, for a macro takes no arguments without number.
func listFrom(n int) rewrite {
	return func(w *writer, i, open int) int {
		parts := w.arguments(open)
		if len(parts) <= n {
			return i
		}
		w.replace(w.tokens[i], schema+w.word(i)+"(")
		w.list(parts[:n])
		if n > 0 {
			w.insert(parts[n].lo-1, ",")
		}
		w.insert(open, "[")
		w.list(parts[n:])
		return w.closing(open, "])")
	}
}

// concat joins with ||, which gives NULL where one part is.
func concat(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) == 0 {
		return i
	}
	w.joined(i, parts)
	return w.closing(open, "")
}

func (w *writer) joined(i int, parts []part) {
	w.replace(w.tokens[i], "(")
	for k, p := range parts {
		if k > 0 {
			w.insert(p.lo-1, " || ")
		}
		w.insert(w.first(p), "(")
		w.argument(p)
		w.insert(p.hi, ")::VARCHAR")
	}
	w.insert(parts[len(parts)-1].hi, ")")
}

// groupConcat puts the separator where DuckDB wants it.
func groupConcat(w *writer, i, open int) int {
	inner := part{open + 1, w.partner[open]}
	value, order, separator := inner, part{}, -1
	for n := inner.lo; n < inner.hi; n++ {
		switch {
		case w.partner[n] > n:
			n = w.partner[n]
		case w.is(n, "order") && w.is(w.next(n), "by"):
			value.hi = n
			order = part{n, inner.hi}
		case w.is(n, "separator") && w.next(w.next(n)) == w.partner[open]:
			separator = w.next(n)
			if order.lo > 0 {
				order.hi = n
			} else {
				value.hi = n
			}
		}
	}
	text, ok := w.fixed(separator)
	if separator >= 0 && !ok || separator < 0 && !w.mysql {
		return i
	}
	if !ok {
		text = ","
	}
	w.replace(w.tokens[i], "string_agg(")
	if first := w.first(value); w.is(first, "distinct") {
		w.insert(first, "DISTINCT ")
		value.lo = first + 1
	}
	if parts := w.split(value); len(parts) > 1 {
		w.joined(i, parts)
	} else {
		w.argument(value)
	}
	w.insert(open, ", "+quoteText(text))
	if order.lo > 0 {
		w.insert(order.lo, " ")
		w.argument(order)
	}
	return w.closing(open, ")")
}

// countTuples writes COUNT(DISTINCT a, b), which counts the pairs without NULL.
func countTuples(w *writer, i, open int) int {
	parts, distinct := w.arguments(open), w.next(open)
	if !w.is(distinct, "distinct") || len(parts) < 2 || len(parts) > 4 {
		return i
	}
	parts[0].lo = distinct + 1
	w.replace(w.tokens[i], w.text(i)+"(DISTINCT "+schema+"whole(")
	w.list(parts)
	return w.closing(open, "))")
}

func isNull(w *writer, i, open int) int {
	if parts := w.arguments(open); len(parts) != 1 || !w.due(i) {
		return i
	}
	w.replace(w.tokens[i], "((")
	w.argument(part{open + 1, w.partner[open]})
	return w.closing(open, ") IS NULL)")
}

// extractPaths writes JSON_EXTRACT with several paths, which gives an array.
func extractPaths(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) < 3 {
		return i
	}
	w.replace(w.tokens[i], "to_json(json_extract(")
	w.list(parts[:1])
	w.insert(open, ", [")
	w.list(parts[1:])
	return w.closing(open, "]))")
}

// formatNumber is FORMAT(number, digits). With a literal or one argument it is DuckDB's format; else the macro decides by the type.
func formatNumber(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) != 2 {
		return i
	}
	if _, isText := w.literal(w.single(parts[0])); isText || w.at(w.single(parts[1])).kind != number {
		return i
	}
	return w.qualify(i, open)
}

func chars(w *writer, i, open int) int {
	parts := w.arguments(open)
	if !w.due(i) || len(parts) == 0 {
		return i
	}
	w.replace(w.tokens[i], "(")
	for k, p := range parts {
		if k > 0 {
			w.insert(p.lo-1, " || ")
		}
		w.insert(w.first(p), "chr(")
		w.argument(p)
		w.insert(p.hi, ")")
	}
	return w.closing(open, ")")
}

// valuesRow leaves out the ROW of VALUES ROW(1, 2), ROW(3, 4).
func valuesRow(w *writer, i, _ int) int {
	p := w.prev(i)
	if !w.is(p, "values") && !(w.is(p, ",") && w.is(w.prev(p), ")") && w.edits.dropped[w.prev(w.partner[w.prev(p)])]) {
		return i
	}
	w.edits.dropped[i] = true
	return w.drop(i, i)
}
