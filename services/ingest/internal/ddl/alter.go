package ddl

import "strings"

// harmless are clauses of ALTER TABLE that leave rows and columns as they are.
var harmless = map[string]bool{
	"ALTER": true, "ORDER": true, "DISABLE": true, "ENABLE": true, "FORCE": true, "COMMENT": true,
	"AUTO_INCREMENT": true, "ENGINE": true, "TYPE": true, "ROW_FORMAT": true, "CHARACTER": true, "CHARSET": true, "COLLATE": true,
	"DEFAULT": true, "ALGORITHM": true, "LOCK": true, "STATS_PERSISTENT": true, "STATS_AUTO_RECALC": true,
	"STATS_SAMPLE_PAGES": true, "KEY_BLOCK_SIZE": true, "COMPRESSION": true, "ENCRYPTION": true, "ENCRYPTED": true,
	"ENCRYPTION_KEY_ID": true, "CHECKSUM": true, "TABLE_CHECKSUM": true, "DELAY_KEY_WRITE": true, "MAX_ROWS": true, "MIN_ROWS": true,
	"PACK_KEYS": true, "PAGE_CHECKSUM": true, "PAGE_COMPRESSED": true, "PAGE_COMPRESSION_LEVEL": true, "TRANSACTIONAL": true,
	"AVG_ROW_LENGTH": true, "TABLESPACE": true, "AUTOEXTEND_SIZE": true, "ENGINE_ATTRIBUTE": true,
	"SECONDARY_ENGINE_ATTRIBUTE": true, "SECONDARY_ENGINE": true, "SECONDARY_LOAD": true, "SECONDARY_UNLOAD": true,
	"WITH": true, "WITHOUT": true, "INSERT_METHOD": true, "PASSWORD": true,
	// Partitions: rows move between them and stay.
	"PARTITION": true, "REORGANIZE": true, "COALESCE": true, "REBUILD": true, "ANALYZE": true, "CHECK": true,
	"OPTIMIZE": true, "REPAIR": true, "REMOVE": true,
}

func (p *parser) alter() Statement {
	s := Statement{Kind: Alter}
	for p.peek().is("ONLINE", "OFFLINE", "IGNORE") {
		if p.next().is("IGNORE") {
			s.Rewrites = "rows that did not fit were left out"
		}
	}
	if !p.accept("TABLE") {
		return Statement{}
	}
	p.ifExists()
	s.Tables = []Name{p.name()}
	for _, clause := range split(p.tokens) {
		c := p.clause(clause)
		for c.accept("WAIT", "NOWAIT") || c.peek().kind == number {
			if c.peek().kind == number {
				c.next()
			}
		}
		partitions := len(c.tokens) > 1 && c.tokens[1].is("PARTITION")
		c.alterClause(&s)
		if partitions { // one such clause is all there may be; what follows a comma are names of more partitions
			break
		}
	}
	return s
}

// split cuts at commas outside of parentheses.
func split(tokens []token) (out [][]token) {
	depth, start := 0, 0
	for i, t := range tokens {
		switch {
		case t.mark("("):
			depth++
		case t.mark(")"):
			depth--
		case t.mark(",") && depth == 0:
			out = append(out, tokens[start:i])
			start = i + 1
		case t.mark(";"):
			return append(out, tokens[start:i])
		}
	}
	return append(out, tokens[start:])
}

func (p *parser) alterClause(s *Statement) {
	first := p.next()
	rewrites := func(why string) {
		if s.Rewrites == "" {
			s.Rewrites = why
		}
	}
	switch first.upper {
	case "":
		if first.text != "" {
			rewrites("a clause begins with " + first.text)
		}
	case "ADD":
		p.add(s, rewrites)
	case "DROP":
		switch {
		case p.accept("INDEX", "KEY", "PRIMARY", "CONSTRAINT", "FOREIGN", "CHECK"):
		case p.accept("PARTITION"):
			rewrites("a partition was dropped")
		default:
			p.accept("COLUMN")
			p.ifExists()
			s.Dropped = append(s.Dropped, p.next().text)
		}
	case "RENAME":
		switch {
		case p.accept("INDEX", "KEY"):
		case p.accept("COLUMN"):
			rewrites("a column was renamed")
		default:
			p.accept("TO", "AS")
			p.acceptMark("=")
			name := p.name()
			s.RenamedTo = &name
		}
	case "MODIFY", "CHANGE":
		rewrites("a column was changed")
	case "CONVERT":
		if p.peek().is("PARTITION", "TABLE") {
			p.withTable(s)
			rewrites("a partition became a table, or a table a partition")
			return
		}
		rewrites("the character set was converted")
	case "EXCHANGE":
		p.withTable(s)
		rewrites("a partition was exchanged with a table")
	case "DISCARD", "IMPORT", "TRUNCATE":
		rewrites(strings.ToLower(first.text) + " of rows")
	default:
		if !harmless[first.upper] {
			rewrites("clause " + first.text + " is unknown")
		}
	}
}

// withTable adds the table that takes or gives a partition's rows.
func (p *parser) withTable(s *Statement) {
	for len(p.tokens) > 0 {
		if p.next().is("TABLE") {
			s.Tables = append(s.Tables, p.name())
			return
		}
	}
}

func (p *parser) add(s *Statement, rewrites func(string)) {
	if p.peek().is("INDEX", "KEY", "UNIQUE", "PRIMARY", "FULLTEXT", "SPATIAL", "VECTOR", "CONSTRAINT", "FOREIGN", "CHECK", "PARTITION") {
		return
	}
	if p.peek().is("PERIOD", "SYSTEM") {
		rewrites("the table became system-versioned")
		return
	}
	p.accept("COLUMN")
	p.ifExists()
	if !p.acceptMark("(") {
		s.Added = append(s.Added, p.column())
		return
	}
	if n := len(p.tokens); n > 0 {
		p.tokens = p.tokens[:n-1] // the closing parenthesis
	}
	for _, definition := range split(p.tokens) {
		d := p.clause(definition)
		if d.peek().is("INDEX", "KEY", "UNIQUE", "PRIMARY", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN", "CHECK") {
			continue
		}
		s.Added = append(s.Added, d.column())
	}
}

// column reads a column's definition.
func (p *parser) column() Column {
	c := Column{Name: p.next().text}
	if p.peek().is("SERIAL") {
		c.Computed = true
	}
	var previous token
	for len(p.tokens) > 0 {
		t := p.next()
		switch {
		case t.mark("("):
			p.skipParentheses()
		case t.is("AUTO_INCREMENT", "GENERATED", "AS"):
			c.Computed = true
		case t.is("NULL") && previous.is("NOT"):
			c.NotNull = true
		case t.is("DEFAULT") && !previous.is("COLUMN_FORMAT", "STORAGE"):
			c.Default = p.literal()
			c.Computed = c.Computed || c.Default == nil
		}
		previous = t
	}
	return c
}

func (p *parser) skipParentheses() {
	for depth := 1; depth > 0 && len(p.tokens) > 0; {
		switch t := p.next(); {
		case t.mark("("):
			depth++
		case t.mark(")"):
			depth--
		}
	}
}

// literal reads a constant; nil for anything else, of which one may be the beginning: 'a' 'b', 1 + 2.
func (p *parser) literal() *Literal {
	constant := p.constant()
	if next := p.peek(); next.kind == text || next.kind == mark {
		return nil
	}
	return constant
}

func (p *parser) constant() *Literal {
	t := p.next()
	switch {
	case t.is("NULL"):
		return &Literal{Null: true}
	case t.is("TRUE"):
		return &Literal{Text: "1"}
	case t.is("FALSE"):
		return &Literal{Text: "0"}
	case t.kind == text:
		return &Literal{Text: t.text, Quoted: true}
	case t.kind == number:
		return &Literal{Text: t.text}
	case t.mark("-") && p.peek().kind == number:
		return &Literal{Text: "-" + p.next().text}
	case t.mark("+") && p.peek().kind == number:
		return &Literal{Text: p.next().text}
	}
	return nil
}
