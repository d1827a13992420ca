package dialect

import "strings"

// expects are the words after which an expression begins.
var expects = set("select", "distinct", "all", "where", "and", "or", "not", "on", "by", "having", "when", "then", "else", "case", "between", "like", "ilike",
	"in", "limit", "offset", "div", "mod", "xor", "regexp", "rlike", "qualify", "escape", "separator", "any", "some", "values", "distinctrow", "filter", "exists", "from")

// follows are the words that cannot begin an operand, because a clause or an operator begins with them.
var follows = set("from", "where", "group", "order", "having", "limit", "offset", "window", "qualify", "union", "except", "intersect", "as", "and", "or", "xor", "div", "mod",
	"is", "in", "like", "ilike", "between", "regexp", "rlike", "on", "using", "join", "inner", "left", "right", "full", "cross", "natural", "asc", "desc", "then", "else", "end", "when",
	"straight_join", "separator", "for", "lock", "collate", "escape", "over", "filter", "rows", "range", "groups", "with", "into", "use", "force", "ignore")

// callable are the words among follows that are functions, too.
var callable = set("left", "right", "mod")

// typedLiteral are the words that make a string after them a value of another type.
var typedLiteral = set("date", "time", "timestamp", "interval", "datetime")

// due tells whether an operand, rather than an operator, must stand at token i.
func (s *statement) due(i int) bool {
	p := s.prev(i)
	switch s.at(p).kind {
	case end:
		return true
	case symbol:
		return !s.is(p, ")") && !s.is(p, "]") && !s.is(p, "}")
	case word:
		return expects[s.word(p)] && !s.is(s.prev(p), ".")
	}
	return false
}

// begins tells whether an operand can begin at token i.
func (s *statement) begins(i int) bool {
	switch s.at(i).kind {
	case number, str, param, quoted, backtick:
		return true
	case word:
		if _, called := s.call(i); called && callable[s.word(i)] {
			return true
		}
		return !follows[s.word(i)]
	case symbol:
		return strings.Contains("(-+~![", s.text(i))
	}
	return false
}

// operandStart returns the first token of the operand that ends at token i: a literal, a name, a call, a parenthesis, a CASE,
// with its subscripts and casts.
func (s *statement) operandStart(i int) int {
	for {
		if s.partner[i] >= 0 && s.partner[i] < i {
			bracket := s.is(i, "]")
			i = s.partner[i]
			p := s.prev(i)
			if name := s.word(p); bracket && !s.due(i) || s.is(i, "(") && (s.at(p).kind == quoted || name != "" && (!expects[name] && !follows[name] || callable[name])) {
				i = p
				continue
			}
		}
		switch p := s.prev(i); {
		case s.is(p, ".") && s.prev(p) >= 0:
			i = s.prev(p)
		case s.cast(p-1) && s.prev(p-1) >= 0:
			i = s.prev(p - 1)
		case s.at(i).kind == str && typedLiteral[s.word(p)]:
			return p
		default:
			return i
		}
	}
}

// operandEnd returns the last token of the operand that begins at token i, signs included.
func (s *statement) operandEnd(i int) int {
	for s.at(i).kind == symbol && strings.Contains("-+~!", s.text(i)) && s.at(s.next(i)).kind != end && s.spend() {
		i = s.next(i)
	}
	if typedLiteral[s.word(i)] && s.at(s.next(i)).kind == str {
		i = s.next(i)
	}
	for {
		if s.at(i).kind != end && s.partner[i] > i {
			i = s.partner[i]
		}
		switch n := s.next(i); {
		case s.is(n, ".") && s.at(s.next(n)).kind != end:
			i = s.next(n)
		case s.cast(n) && s.at(s.next(n+1)).kind != end:
			i = s.next(n + 1)
		case (s.is(n, "(") && (s.at(i).kind == word || s.at(i).kind == quoted) || s.is(n, "[")) && s.partner[n] >= 0:
			i = n
		default:
			return i
		}
	}
}

// cast tells whether :: begins at token i.
func (s *statement) cast(i int) bool { return s.is(i, ":") && s.is(i+1, ":") }

// separates are the words that end a condition made of AND.
var separates = set("or", "xor", "select", "from", "where", "on", "having", "when", "then", "else", "case", "end", "by", "group", "order", "limit", "union", "except", "intersect",
	"as", "asc", "desc", "join", "inner", "left", "right", "cross", "natural", "window", "qualify", "using", "offset", "separator", "with", "straight_join", "distinct", "filter", "over")

// boundary tells whether token i ends the operand of XOR beside it.
func (s *statement) boundary(i int) bool {
	if _, called := s.call(i); called && callable[s.word(i)] {
		return false
	}
	switch {
	case s.at(i).kind == end, s.is(i, ","), s.is(i, ";"), s.is(i, "("), s.is(i, ")"), s.is(i, "["), s.is(i, "]"):
		return true
	case s.is(i, "|"):
		return s.mysql && s.operator(i, "||") || s.mysql && s.operator(i-1, "||")
	}
	return separates[s.word(i)] && !s.is(s.prev(i), ".")
}

// condition returns the first and last token of the conditions that AND joins on both sides of token i, and false
// when one side is empty or looking for it would take too long.
func (s *statement) condition(i int) (first, last int, ok bool) {
	for n := s.prev(i); ; n = s.prev(first) {
		if n >= 0 && s.partner[n] >= 0 && s.partner[n] < n {
			n = s.partner[n]
		} else if s.boundary(n) && !s.is(n, "xor") {
			break // an XOR before this one is part of the left side
		}
		if first = n; !s.spend() {
			return 0, 0, false
		}
		ok = true
	}
	if !ok {
		return 0, 0, false
	}
	ok = false
	for n := s.next(i); ; n = s.next(last) {
		if n < len(s.tokens) && s.partner[n] > n {
			n = s.partner[n]
		} else if s.boundary(n) {
			break
		}
		if last = n; !s.spend() {
			return 0, 0, false
		}
		ok = true
	}
	return first, last, ok
}

// spend counts the steps of looks around, which for some statements go with the square of their length.
func (s *statement) spend() bool {
	s.steps++
	return s.steps < 1<<20
}
