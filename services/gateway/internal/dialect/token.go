package dialect

import (
	"strings"
	"unicode/utf8"
)

// kind is the class of a token.
type kind uint8

const (
	end        kind = iota // nothing, before the first token and after the last
	space                  // white space
	comment                // -- to the end of the line, /* */
	hash                   // # to the end of the line, MySQL's
	word                   // keyword or bare name
	quoted                 // "name"
	backtick               // `name`
	str                    // 'text', E'text', $$text$$
	number                 // 12, 1.5e3, 0xFF
	param                  // ?, $1, $name
	symbol                 // one byte of anything else
	unreadable             // a string, name or comment that does not end, or a stray backslash
)

// token is a stretch of a statement. Tokens follow each other without gaps.
type token struct {
	kind       kind
	start, end int
}

// tokenize splits sql. With backslash, a backslash in a string takes the next character along, as in MySQL.
// With mysql the text is read by MySQL's rules alone: # always begins a comment, -- only before a space,
// block comments do not nest, and "x" is a string.
func tokenize(sql string, backslash, mysql bool) []token {
	tokens := make([]token, 0, len(sql)/4+4)
	for at := 0; at < len(sql); {
		t := next(sql, at, backslash, mysql)
		tokens = append(tokens, t)
		at = t.end
	}
	return tokens
}

func next(sql string, at int, backslash, mysql bool) token {
	c := sql[at]
	var following byte
	if at+1 < len(sql) {
		following = sql[at+1]
	}
	switch {
	case isSpace(c):
		n := at + 1
		for n < len(sql) && isSpace(sql[n]) {
			n++
		}
		return token{space, at, n}
	case c == '-' && following == '-' && (!mysql || at+2 == len(sql) || isSpace(sql[at+2])):
		return token{comment, at, lineEnd(sql, at)}
	case c == '#' && (mysql || !isDigit(following)):
		return token{hash, at, lineEnd(sql, at)}
	case c == '/' && following == '*':
		return blockComment(sql, at, !mysql)
	case c == '\'':
		return delimited(sql, at, at, '\'', str, backslash)
	case (c == 'e' || c == 'E') && following == '\'':
		return delimited(sql, at, at+1, '\'', str, true)
	case c == '"':
		return delimited(sql, at, at, '"', quoted, backslash && mysql)
	case c == '`':
		return delimited(sql, at, at, '`', backtick, false)
	case c == '$':
		return dollar(sql, at)
	case c == '?':
		return token{param, at, at + 1}
	case isDigit(c) || c == '.' && isDigit(following):
		return token{number, at, numberEnd(sql, at)}
	case isWordStart(c):
		n := at + 1
		for n < len(sql) && isWordPart(sql[n]) {
			n++
		}
		return token{word, at, n}
	case c == '\\':
		return token{unreadable, at, at + 1}
	}
	return token{symbol, at, at + 1}
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isWordStart(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf
}
func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }

func lineEnd(sql string, at int) int {
	if n := strings.IndexByte(sql[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(sql)
}

func blockComment(sql string, at int, nests bool) token {
	depth := 0
	for n := at; n+1 < len(sql); {
		switch {
		case sql[n] == '/' && sql[n+1] == '*' && (nests || depth == 0):
			depth++
			n += 2
		case sql[n] == '*' && sql[n+1] == '/':
			depth--
			n += 2
			if depth == 0 {
				return token{comment, at, n}
			}
		default:
			n++
		}
	}
	return token{unreadable, at, len(sql)}
}

// delimited reads a string or name whose opening quote is at open; a doubled quote stands for itself.
func delimited(sql string, at, open int, quote byte, k kind, backslash bool) token {
	for n := open + 1; n < len(sql); n++ {
		switch {
		case sql[n] == '\\' && backslash:
			n++
		case sql[n] == quote:
			if n+1 < len(sql) && sql[n+1] == quote {
				n++
				continue
			}
			return token{k, at, n + 1}
		}
	}
	return token{unreadable, at, len(sql)}
}

// dollar reads $1, $name, or a $tag$text$tag$ string.
func dollar(sql string, at int) token {
	n := at + 1
	for n < len(sql) && sql[n] != '$' && isWordPart(sql[n]) {
		n++
	}
	if n < len(sql) && sql[n] == '$' && !(n > at+1 && isDigit(sql[at+1])) {
		tag := sql[at : n+1]
		if stop := strings.Index(sql[n+1:], tag); stop >= 0 {
			return token{str, at, n + 1 + stop + len(tag)}
		}
		return token{unreadable, at, len(sql)}
	}
	if n == at+1 {
		return token{symbol, at, n}
	}
	return token{param, at, n}
}

func numberEnd(sql string, at int) int {
	n := at
	if sql[n] == '0' && n+1 < len(sql) && (sql[n+1]|0x20 == 'x' || sql[n+1]|0x20 == 'b') {
		n += 2
		for n < len(sql) && isWordPart(sql[n]) {
			n++
		}
		return n
	}
	for n < len(sql) && (isDigit(sql[n]) || sql[n] == '.' || sql[n] == '_') {
		n++
	}
	if n < len(sql) && sql[n]|0x20 == 'e' {
		exponent := n + 1
		if exponent < len(sql) && (sql[exponent] == '+' || sql[exponent] == '-') {
			exponent++
		}
		if exponent < len(sql) && isDigit(sql[exponent]) {
			for n = exponent; n < len(sql) && isDigit(sql[n]); {
				n++
			}
		}
	}
	return n
}
