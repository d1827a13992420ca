package dialect

import "strings"

// statement is a text in tokens, with what rewriting needs to know of each.
type statement struct {
	sql    string
	mysql  bool // by MySQL's rules alone
	steps  int
	tokens []token
	// before and after hold, for each token, the index of the nearest significant one on that side; -1 and len(tokens) when there is none.
	before, after []int
	// partner holds, for each parenthesis, bracket, CASE and its END, the index of its counterpart, and -1 for all else.
	partner []int
}

func newStatement(sql string, tokens []token, mysql bool) *statement {
	s := &statement{sql: sql, mysql: mysql, tokens: tokens, before: make([]int, len(tokens)), after: make([]int, len(tokens)), partner: make([]int, len(tokens))}
	last := -1
	var open []int
	for i, t := range tokens {
		s.before[i], s.partner[i] = last, -1
		switch {
		case s.is(i, "(") || s.is(i, "[") || s.is(i, "case") && !s.is(last, "."):
			open = append(open, i)
		case len(open) > 0 && s.is(i, closers[s.word(open[len(open)-1])+s.symbol(open[len(open)-1])]):
			s.partner[i], s.partner[open[len(open)-1]] = open[len(open)-1], i
			open = open[:len(open)-1]
		}
		if significant(t) {
			last = i
		}
	}
	following := len(tokens)
	for i := len(tokens) - 1; i >= 0; i-- {
		s.after[i] = following
		if significant(tokens[i]) {
			following = i
		}
	}
	return s
}

var closers = map[string]string{"(": ")", "[": "]", "case": "end"}

func significant(t token) bool { return t.kind != space && t.kind != comment && t.kind != hash }

// at returns token i, or one of kind end when there is none.
func (s *statement) at(i int) token {
	if i < 0 || i >= len(s.tokens) {
		return token{end, len(s.sql), len(s.sql)}
	}
	return s.tokens[i]
}

// next and prev are the significant neighbours of token i, which may be no token.
func (s *statement) next(i int) int {
	if i < 0 || i >= len(s.tokens) {
		return len(s.tokens)
	}
	return s.after[i]
}

func (s *statement) prev(i int) int {
	if i < 0 || i >= len(s.tokens) {
		return -1
	}
	return s.before[i]
}

func (s *statement) text(i int) string {
	t := s.at(i)
	return s.sql[t.start:t.end]
}

// word is the lower-case text of token i if it is a word, else "".
func (s *statement) word(i int) string {
	if s.at(i).kind != word {
		return ""
	}
	return strings.ToLower(s.text(i))
}

func (s *statement) symbol(i int) string {
	if s.at(i).kind != symbol {
		return ""
	}
	return s.text(i)
}

// is compares token i with a lower-case word or a symbol.
func (s *statement) is(i int, lower string) bool {
	k := s.at(i).kind
	return (k == word || k == symbol) && strings.EqualFold(s.text(i), lower)
}

// operator tells whether symbols that touch spell op from token i on, and nothing longer.
func (s *statement) operator(i int, op string) bool {
	if i > 0 && s.at(i-1).kind == symbol && strings.Contains(operatorBytes, s.text(i-1)) {
		return false
	}
	n := 0
	for ; s.at(i+n).kind == symbol && strings.Contains(operatorBytes, s.text(i+n)); n++ {
		if n >= len(op) || s.text(i+n) != op[n:n+1] {
			return n == len(op) && strings.Contains("+-~!", s.text(i+n)) // the sign of what follows
		}
	}
	return n == len(op)
}

const operatorBytes = "+-*/<>=~!@#%^&|"

// call tells whether token i is a word that is called by its bare name, and returns its opening parenthesis.
func (s *statement) call(i int) (open int, ok bool) {
	open = s.next(i)
	return open, s.is(open, "(") && s.partner[open] >= 0 && !s.is(s.prev(i), ".") && s.at(i).kind == word
}

// part is the tokens from lo up to hi, without hi.
type part struct{ lo, hi int }

// arguments splits what a parenthesis holds at its commas. It has none when it holds nothing significant.
func (s *statement) arguments(open int) []part {
	if s.next(open) == s.partner[open] {
		return nil
	}
	return s.split(part{open + 1, s.partner[open]})
}

func (s *statement) split(whole part) []part {
	parts := []part{{lo: whole.lo}}
	for i := whole.lo; i < whole.hi; i++ {
		if s.partner[i] > i {
			i = s.partner[i]
		} else if s.is(i, ",") {
			parts[len(parts)-1].hi = i
			parts = append(parts, part{lo: i + 1})
		}
	}
	parts[len(parts)-1].hi = whole.hi
	return parts
}

// single returns the only significant token of p, or -1.
func (s *statement) single(p part) int {
	first := p.lo
	if !significant(s.at(first)) {
		first = s.next(first)
	}
	if first < p.hi && s.next(first) >= p.hi {
		return first
	}
	return -1
}

// first returns the first significant token of p; p is not empty.
func (s *statement) first(p part) int {
	if significant(s.at(p.lo)) {
		return p.lo
	}
	return s.next(p.lo)
}
