package ddl

import "strings"

type tokenKind uint8

const (
	word   tokenKind = iota + 1 // keyword or bare name
	quoted                      // name in backticks
	text                        // string literal, or a name in double quotes under ANSI_QUOTES
	number
	mark // one character of punctuation
)

// token is one word of a statement.
type token struct {
	kind tokenKind
	text string // without quotes and escapes
	// upper is text in upper case for words; empty for the rest, so that a quoted name is never a keyword.
	upper string
	// ansi: text in double quotes, which may be a name.
	ansi bool
}

func (t token) is(words ...string) bool {
	for _, w := range words {
		if t.upper == w {
			return true
		}
	}
	return false
}

func (t token) mark(c string) bool { return t.kind == mark && t.text == c }

// tokenize cuts a statement into tokens. Comments vanish, but what stands in /*! and
// /*M! counts, for the server executes it. It never fails: what is cut short ends with the statement.
func tokenize(sql string, escapes bool) []token {
	var out []token
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			i++
		case c == '#', strings.HasPrefix(sql[i:], "--") && (i+2 == len(sql) || sql[i+2] <= ' '):
			if end := strings.IndexByte(sql[i:], '\n'); end >= 0 {
				i += end
			} else {
				i = len(sql)
			}
		case strings.HasPrefix(sql[i:], "/*!"), strings.HasPrefix(sql[i:], "/*M!"):
			i += strings.IndexByte(sql[i:], '!') + 1
			for i < len(sql) && isDigit(sql[i]) {
				i++
			}
		case strings.HasPrefix(sql[i:], "/*"):
			if end := strings.Index(sql[i+2:], "*/"); end >= 0 {
				i += end + 4
			} else {
				i = len(sql)
			}
		case strings.HasPrefix(sql[i:], "*/"): // the end of /*!
			i += 2
		case c == '`':
			s, n := unquote(sql[i:], false)
			out = append(out, token{kind: quoted, text: s})
			i += n
		case c == '\'' || c == '"':
			s, n := unquote(sql[i:], escapes)
			out = append(out, token{kind: text, text: s, ansi: c == '"'})
			i += n
		case isDigit(c), c == '.' && i+1 < len(sql) && isDigit(sql[i+1]) && !afterName(out):
			n := i + 1
			for n < len(sql) && (isName(sql[n]) || sql[n] == '.' || (sql[n] == '-' || sql[n] == '+') && (sql[n-1]|0x20) == 'e') {
				n++
			}
			out = append(out, token{kind: number, text: sql[i:n], upper: strings.ToUpper(sql[i:n])})
			i = n
		case isName(c):
			n := i + 1
			for n < len(sql) && isName(sql[n]) {
				n++
			}
			out = append(out, token{kind: word, text: sql[i:n], upper: strings.ToUpper(sql[i:n])})
			i = n
		default:
			out = append(out, token{kind: mark, text: sql[i : i+1]})
			i++
		}
	}
	return out
}

// afterName: a point right after a name separates names.
func afterName(out []token) bool {
	return len(out) > 0 && (out[len(out)-1].kind == word || out[len(out)-1].kind == quoted)
}

// unquote reads a quoted run at the start of s and returns its content and how long it is with quotes.
func unquote(s string, escapes bool) (content string, length int) {
	quote := s[0]
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && escapes && i+1 < len(s):
			i++
			if s[i] == '%' || s[i] == '_' { // they keep it, for LIKE
				b.WriteByte('\\')
			}
			b.WriteByte(unescape(s[i]))
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
			b.WriteByte(quote)
		case s[i] == quote:
			return b.String(), i + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), len(s)
}

func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isName: characters of a bare name. Bytes from 0x80 on belong to letters of some character set.
func isName(c byte) bool {
	return c == '_' || c == '$' || c == '@' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
