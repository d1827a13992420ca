package dialect

import "strings"

// edits are what is put around tokens and what is left out, found by looks ahead and back that writing from left to right cannot do.
type edits struct {
	before, after map[int]string
	dropped       map[int]bool
	instead       map[int]string
}

// plan finds the edits of a statement.
func plan(s *statement) edits {
	e := edits{before: map[int]string{}, after: map[int]string{}, dropped: map[int]bool{}, instead: map[int]string{}}
	products := map[int]int{} // where the product begins whose last operator is the key
	for i, t := range s.tokens {
		switch {
		case t.kind == symbol && strings.Contains("*/%", s.text(i)), t.kind == word && (s.is(i, "div") || s.is(i, "mod")):
			e.product(s, i, products)
		case s.is(i, "!") && s.due(i) && !s.is(i+1, "="):
			e.instead[i] = "(NOT "
			e.after[s.operandEnd(s.next(i))] += ")"
		case s.is(i, "xor") && !s.due(i):
			if first, last, ok := s.condition(i); ok {
				e.call("companion.mysql.logical_xor(", first, i, last)
			}
		case s.is(i, "&") && s.operator(i, "&&") && (s.mysql || s.joinsConditions(i)):
			e.instead[i], e.instead[i+1] = " AND ", ""
		case s.is(i, "group") && s.is(s.next(i), "by"):
			e.rollup(s, s.next(i))
		}
	}
	if s.mysql {
		e.mysqlOnly(s)
	}
	return e
}

// call makes a call of what stands from token first to last around the operator i.
func (e *edits) call(name string, first, i, last int) {
	e.before[first] = name + e.before[first]
	e.instead[i] = ","
	e.after[last] += ")"
}

// maxCalls is how many DIVs are changed: the text before a chain of them is written anew for each.
const maxCalls = 1000

// product notes where the product at operator i begins, and makes a call of DIV, which DuckDB's // is not for decimals.
func (e *edits) product(s *statement, i int, products map[int]int) {
	if s.due(i) || !s.begins(s.next(i)) {
		return
	}
	first := s.operandStart(s.prev(i))
	for p := s.prev(first); s.at(p).kind == symbol && strings.Contains("-+~!", s.text(p)) && s.due(p); p = s.prev(p) {
		first = p
	}
	if start, ok := products[s.prev(first)]; ok {
		first = start
	}
	products[i] = first
	if s.is(i, "div") && len(e.instead) < maxCalls {
		e.call("companion.mysql.div(", first, i, s.operandEnd(s.next(i)))
	}
}

// rollup turns the GROUP BY whose BY is token by into GROUP BY ROLLUP (...) if WITH ROLLUP follows.
func (e *edits) rollup(s *statement, by int) {
	first := s.next(by)
	for n := first; ; n = s.next(n) {
		if s.at(n).kind != end && s.partner[n] > n {
			n = s.partner[n]
			continue
		}
		switch {
		case s.is(n, "with") && s.is(s.next(n), "rollup") && n > first:
			e.before[first] = "ROLLUP (" + e.before[first]
			e.after[s.prev(n)] += ")"
			e.dropped[n], e.dropped[s.next(n)] = true, true
			return
		case s.at(n).kind == end, s.is(n, ")"), s.is(n, ";"), s.is(n, "having"), s.is(n, "order"), s.is(n, "limit"), s.is(n, "union"), !s.spend():
			return
		}
	}
}

// joinsConditions tells whether && at token i stands between conditions, where it can only be MySQL's: DuckDB's joins lists.
func (s *statement) joinsConditions(i int) bool {
	left, right := s.prev(i), s.next(i+1)
	if s.at(left).kind == number || s.at(right).kind == number {
		return true
	}
	compares := func(n int, step func(int) int) bool {
		for ; !s.boundary(n) && !s.is(n, "and") && !(s.is(n, "&") && (s.is(n+1, "&") || s.is(n-1, "&"))) && s.spend(); n = step(n) {
			if comparison[s.word(n)] && !s.is(s.prev(n), ".") || (s.is(n, "=") || s.is(n, "<") || s.is(n, ">")) && !s.is(n-1, "-") && !s.is(n-2, "-") {
				return true
			}
			if p := s.partner[n]; p >= 0 {
				n = p
			}
		}
		return false
	}
	return compares(left, s.prev) && compares(right, s.next)
}

var comparison = set("is", "in", "like", "between", "regexp", "rlike", "not", "exists")

// mysqlOnly adds what only MySQL's dialect means: NULLs come first, and a backslash escapes in LIKE.
func (e *edits) mysqlOnly(s *statement) {
	for i := range s.tokens {
		switch {
		case s.is(i, "order") && s.is(s.next(i), "by"):
			e.nulls(s, s.next(s.next(i)))
		case s.is(i, "like"):
			pattern := s.next(i)
			if k := s.at(pattern).kind; (k == str || k == quoted) && strings.Contains(s.text(pattern), `\`) && !s.is(s.next(pattern), "escape") {
				e.after[pattern] += ` ESCAPE '\'`
			}
		}
	}
}

// nulls says where NULLs go in the ORDER BY whose first item begins at token n.
func (e *edits) nulls(s *statement, n int) {
	given := false
	for ; ; n = s.next(n) {
		if s.at(n).kind != end && s.partner[n] > n {
			n = s.partner[n]
			continue
		}
		last := s.at(n).kind == end || s.is(n, ")") || s.is(n, ";") || endsOrder[s.word(n)] && !s.due(n) && !s.is(s.prev(n), ".")
		if last || s.is(n, ",") {
			if item := s.prev(n); n < len(s.tokens) && !given {
				e.after[item] += nullsOf(s, item)
			} else if item := lastSignificant(s); n >= len(s.tokens) && !given && item >= 0 {
				e.after[item] += nullsOf(s, item)
			}
			given = false
		}
		if last || !s.spend() {
			return
		}
		given = given || s.is(n, "nulls")
	}
}

func nullsOf(s *statement, item int) string {
	if s.is(item, "desc") {
		return " NULLS LAST"
	}
	return " NULLS FIRST"
}

func lastSignificant(s *statement) int {
	for i := len(s.tokens) - 1; i >= 0; i-- {
		if significant(s.tokens[i]) {
			return i
		}
	}
	return -1
}

var endsOrder = set("limit", "offset", "rows", "range", "groups", "separator", "union", "except", "intersect", "for", "lock", "into", "with")
