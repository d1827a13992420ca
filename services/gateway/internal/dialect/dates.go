package dialect

import "strings"

// shift writes DATE_ADD and the like with an operator. In MySQL's dialect a DATE stays a DATE.
func shift(sign string) rewrite {
	return func(w *writer, i, open int) int {
		parts := w.arguments(open)
		if len(parts) != 2 {
			return i
		}
		second := w.first(parts[1])
		if !w.is(second, "interval") {
			if w.word(i) == "adddate" || w.word(i) == "subdate" {
				return addDays(w, i, open, parts, sign)
			}
			return i
		}
		text, isText := w.literal(w.single(parts[0]))
		if w.word(i) == "date_add" && !w.mysql && !isText {
			return i
		}
		operator, as := " "+sign+" ", "::TIMESTAMP"
		if unit, ok := w.intervalUnit(second); ok && w.mysql && wholeDays[w.word(unit)] {
			operator = " " + sign + "@ "
			if len(text) <= len("2025-01-31") {
				as = "::DATE"
			}
		}
		w.replace(w.tokens[i], "((")
		w.argument(parts[0])
		w.insert(parts[0].hi, ")")
		if isText {
			w.insert(parts[0].hi, as)
		}
		w.insert(parts[0].hi, operator)
		w.argument(parts[1])
		return w.closing(open, ")")
	}
}

func addDays(w *writer, i, open int, parts []part, sign string) int {
	w.replace(w.tokens[i], schema+"add_days(")
	w.argument(parts[0])
	w.insert(open, ", "+sign+"(")
	w.argument(parts[1])
	return w.closing(open, "))")
}

// unit is a unit of time as the first argument of a call, "" when it is none.
func (w *writer) unit(parts []part) string {
	if len(parts) != 3 {
		return ""
	}
	name := strings.TrimPrefix(w.word(w.single(parts[0])), "sql_tsi_")
	if !units[name] {
		return ""
	}
	return name
}

// withUnit makes a string of the unit in TIMESTAMPDIFF.
func withUnit(w *writer, i, open int) int {
	parts := w.arguments(open)
	unit := w.unit(parts)
	if unit == "" {
		return i
	}
	w.replace(w.tokens[i], "timestampdiff("+quoteText(unit)+",")
	w.list(parts[1:])
	return w.closing(open, ")")
}

func addUnit(w *writer, i, open int) int {
	parts := w.arguments(open)
	unit := w.unit(parts)
	if unit == "" {
		return i
	}
	name := "timestampadd"
	if w.mysql && wholeDays[unit] {
		name = "timestampadd_days"
	}
	w.replace(w.tokens[i], schema+name+"(INTERVAL (")
	w.argument(parts[1])
	w.insert(parts[1].hi, ") "+unit+",")
	w.argument(parts[2])
	return w.closing(open, ")")
}

// now writes the time of day functions, whose number of digits DuckDB does not take.
func now(w *writer, i, open int) int {
	parts := w.arguments(open)
	name := w.word(i)
	switch {
	case len(parts) > 1 || len(parts) == 1 && w.at(w.single(parts[0])).kind != number:
		return i
	case w.mysql:
		w.replace(w.tokens[i], schema+"now")
		return i + 1
	case name == "now" && len(parts) == 0:
		return i
	case name == "now":
		name = "now()"
	case name == "localtime":
		name = "localtimestamp"
	}
	w.replace(w.tokens[i], name)
	return w.partner[open] + 1
}

func currentTime(w *writer, i, open int) int {
	if len(w.arguments(open)) > 1 {
		return i
	}
	w.replace(w.tokens[i], "curtime()")
	return w.partner[open] + 1
}

// weeks are MySQL's with a mode, which DuckDB has not, and without one in MySQL's dialect.
func weeks(w *writer, i, open int) int {
	if n := len(w.arguments(open)); n != 2 && !(n == 1 && w.mysql) {
		return i
	}
	return w.qualify(i, open)
}

// datePart gives a literal the type that DuckDB does not guess.
func datePart(w *writer, i, open int) int {
	parts := w.arguments(open)
	if len(parts) != 1 {
		return i
	}
	text, ok := w.literal(w.single(parts[0]))
	if !ok || w.at(w.single(parts[0])).kind == quoted && !w.mysql {
		return i
	}
	as := ")::TIMESTAMP"
	if !strings.Contains(text, "-") {
		as = ")::TIME"
	}
	w.replace(w.tokens[i], w.text(i)+"((")
	w.argument(parts[0])
	return w.closing(open, as+")")
}

// extract writes EXTRACT with the units that DuckDB has not, or means otherwise.
func extract(w *writer, i, open int) int {
	unit := w.next(open)
	from := w.next(unit)
	name := w.word(unit)
	if !w.is(from, "from") || composites[name] == nil && !(w.mysql && (name == "week" || name == "microsecond")) || strings.HasSuffix(name, "_microsecond") {
		return i
	}
	w.replace(w.tokens[i], schema+"extract_"+name+"(")
	w.argument(part{from + 1, w.partner[open]})
	return w.closing(open, ")")
}

func toTimestamp(w *writer, i, open int) int {
	parts := w.arguments(open)
	switch {
	case !w.due(i) || len(parts) == 0 || len(parts) > 2 || w.at(w.single(parts[0])).kind == number:
		return i
	case len(parts) == 2:
		return w.qualify(i, open)
	}
	w.replace(w.tokens[i], "CAST(")
	w.argument(parts[0])
	return w.closing(open, " AS TIMESTAMP)")
}

func toTime(w *writer, i, open int) int {
	if parts := w.arguments(open); !w.due(i) || len(parts) != 1 || w.at(w.single(parts[0])).kind == number {
		return i
	}
	return w.qualify(i, open)
}
