package dialect

import "strings"

// lexedTogether are those that DuckDB's lexer takes for one operator as far as they go, before it looks where to cut it.
const lexedTogether = "~!@#^&|`?+-*/%<>="

// Operators says what the operators of a statement cost DuckDB's lexer. Signs is the longest run of + and -, of which it cuts one after the
// other with work that grows with the cube. Looks is how many bytes it looks at in vain: at each operator and each beginning of a
// comment, all operator bytes that follow without anything between them.
func Operators(sql string) (signs, looks int) {
	run, end := 0, 0
	look := func(at int) {
		for end = max(end, at); end < len(sql) && strings.IndexByte(lexedTogether, sql[end]) >= 0; {
			end++
		}
		looks += end - at
	}
	for at := 0; at < len(sql); {
		t := next(sql, at, false, false)
		at = t.end
		if t.kind == symbol && (sql[t.start] == '+' || sql[t.start] == '-') {
			run++
			signs = max(signs, run)
		} else {
			run = 0
		}
		switch t.kind {
		case symbol:
			look(t.start)
		case comment, hash, unreadable:
			for i := t.start; i < t.end; i++ {
				if i == t.start || strings.HasPrefix(sql[i:], "/*") {
					look(i)
				}
			}
		}
	}
	return signs, looks
}
