package dialect

import (
	"strconv"
	"strings"
)

// units are the units of time that DuckDB has under the same name.
var units = set("microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")

// wholeDays are the units that make a DATE of a DATE.
var wholeDays = set("day", "week", "month", "quarter", "year", "year_month")

// composites are MySQL's units of several numbers: the units of each, the last one first.
var composites = map[string][]string{
	"second_microsecond": {"microsecond", "second"},
	"minute_microsecond": {"microsecond", "second", "minute"},
	"minute_second":      {"second", "minute"},
	"hour_microsecond":   {"microsecond", "second", "minute", "hour"},
	"hour_second":        {"second", "minute", "hour"},
	"hour_minute":        {"minute", "hour"},
	"day_microsecond":    {"microsecond", "second", "minute", "hour", "day"},
	"day_second":         {"second", "minute", "hour", "day"},
	"day_minute":         {"minute", "hour", "day"},
	"day_hour":           {"hour", "day"},
	"year_month":         {"month", "year"},
}

// intervalUnit finds the unit that ends the INTERVAL at token i.
func (w *writer) intervalUnit(i int) (unit int, ok bool) {
	for n := w.next(i); w.at(n).kind != end && w.spend(); n = w.next(n) {
		lower := w.word(n)
		switch {
		case (units[lower] || composites[lower] != nil) && !w.due(n) && w.prev(n) != i:
			return n, true
		case w.is(n, ",") || w.is(n, ")") || w.is(n, ";") || follows[lower] && lower != "div" && lower != "mod":
			return 0, false
		case w.partner[n] > n:
			n = w.partner[n]
		}
	}
	return 0, false
}

// interval writes INTERVAL expression unit, where DuckDB takes no more than a literal or something in parentheses.
func (w *writer) interval(i int) int {
	unit, ok := w.intervalUnit(i)
	if !ok {
		return i
	}
	value := part{i + 1, unit}
	single := w.single(value)
	if parts := composites[w.word(unit)]; parts != nil {
		text, isText := w.literal(single)
		if k := w.at(single).kind; !isText && k != number {
			w.fail(i, "INTERVAL with "+strings.ToUpper(w.word(unit))+" needs a literal; use one unit for each number")
			return i
		} else if k == number {
			text = w.text(single)
		}
		w.replace(w.tokens[i], composite(text, parts))
		return unit + 1
	}
	if k := w.at(single).kind; k == str || k == number && !strings.ContainsAny(w.text(single), ".eE") || w.is(w.first(value), "(") && w.next(w.partner[w.first(value)]) == unit {
		return i
	}
	if k := w.at(single).kind; k == quoted && w.mysql {
		return i
	}
	w.replace(w.tokens[i], "INTERVAL (")
	w.argument(value)
	w.replace(w.tokens[unit], ") "+w.text(unit))
	return unit + 1
}

// composite is an interval of several units: numbers are taken from the last on, as MySQL does, and a sign is for all.
func composite(text string, parts []string) string {
	text, negative := strings.CutPrefix(strings.TrimSpace(text), "-")
	numbers := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	terms := make([]string, 0, len(parts))
	for k, unit := range parts {
		at := len(numbers) - 1 - k
		if at < 0 {
			break
		}
		number := numbers[at]
		if unit == "microsecond" {
			number = (number + "000000")[:6]
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			continue // more digits than any time has
		}
		if negative {
			n = -n
		}
		terms = append(terms, "INTERVAL ("+strconv.Itoa(n)+") "+unit)
	}
	if len(terms) == 0 {
		return "INTERVAL 0 day"
	}
	return "(" + strings.Join(terms, " + ") + ")"
}
