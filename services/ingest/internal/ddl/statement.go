// Package ddl learns from a statement in the binlog what it did to which
// tables. It is no parser of MySQL's grammar: it reads as far as it must to tell whether
// rows copied earlier still stand, and says so when it cannot tell.
package ddl

import "strings"

// Session is what the session of a statement had set, as far as it matters for reading it.
type Session struct {
	// Schema is its database.
	Schema string
	// NoEscapes: a backslash in a string stands for itself (NO_BACKSLASH_ESCAPES).
	NoEscapes bool
	// LowerNames: the server keeps names of databases and tables in lower case, however they are written.
	LowerNames bool
}

// Kind says what a statement does, as far as a copy of the data is concerned.
type Kind uint8

const (
	// Other changes no table's rows or shape.
	Other Kind = iota
	Create
	Drop
	Truncate
	Rename
	Alter
	// DropSchema drops all tables of Schema.
	DropSchema
	// Write changes rows without logging them, in Tables, or in any table where there are none.
	Write
)

// Name is a table's name with its schema, the session's where none was written.
type Name struct{ Schema, Table string }

// Statement is what was learnt.
type Statement struct {
	Kind Kind
	// Tables in the order of the statement.
	Tables []Name
	// To are the new names of Rename, in the order of Tables. The pairs take effect one after the other.
	To []Name
	// Schema of DropSchema.
	Schema string
	// Replaces: a Create that takes the place of a table, if there is one.
	Replaces bool
	// IfNotExists: a Create that may have done nothing.
	IfNotExists bool
	// Added are the columns that an Alter adds.
	Added []Column
	// Dropped names the columns that an Alter drops.
	Dropped []string
	// Rewrites says why an Alter may have changed rows that exist or how they read; empty if it has not.
	Rewrites string
	// RenamedTo is an Alter's new name for its table, if any.
	RenamedTo *Name
}

// Column is one that an Alter adds.
type Column struct {
	Name string
	// Default is what existing rows get; nil if the statement names nothing.
	Default *Literal
	NotNull bool
	// Computed: existing rows may get different values, or one that the statement does not tell.
	Computed bool
}

// Literal is a constant in a statement.
type Literal struct {
	Text   string
	Quoted bool
	Null   bool
}

// Parse reads a statement of the session.
func (s Session) Parse(sql string) Statement {
	p := &parser{tokens: tokenize(sql, !s.NoEscapes), schema: s.Schema, lower: s.LowerNames}
	if p.accept("USE") { // in front of a statement that was kept together with its database
		p.schema = p.stored()
		p.acceptMark(";")
	}
	if p.peek().is("SET") {
		p.settings()
	}
	switch p.next().upper {
	case "CREATE":
		return p.create()
	case "DROP":
		return p.drop()
	case "TRUNCATE":
		p.accept("TABLE")
		return Statement{Kind: Truncate, Tables: []Name{p.name()}}
	case "RENAME":
		return p.rename()
	case "ALTER":
		return p.alter()
	case "DELETE":
		return p.write()
	case "INSERT", "REPLACE", "UPDATE", "LOAD", "WITH": // a common table expression in front of UPDATE or DELETE
		return Statement{Kind: Write}
	}
	return Statement{}
}

type parser struct {
	tokens []token
	schema string
	lower  bool
}

// clause reads some of the tokens by themselves.
func (p *parser) clause(tokens []token) *parser {
	return &parser{tokens: tokens, schema: p.schema, lower: p.lower}
}

// settings skips what MariaDB lets a statement set for itself: SET STATEMENT a = 1, b = (2) FOR.
func (p *parser) settings() {
	if len(p.tokens) < 2 || !p.tokens[1].is("STATEMENT") {
		return
	}
	for len(p.tokens) > 0 {
		switch t := p.next(); {
		case t.mark("("):
			p.skipParentheses()
		case t.is("FOR"):
			return
		}
	}
}

func (p *parser) peek() token {
	if len(p.tokens) == 0 {
		return token{}
	}
	return p.tokens[0]
}

func (p *parser) next() token {
	t := p.peek()
	if len(p.tokens) > 0 {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept takes the next token if it is one of the words.
func (p *parser) accept(words ...string) bool {
	if p.peek().is(words...) {
		p.next()
		return true
	}
	return false
}

func (p *parser) acceptMark(c string) bool {
	if p.peek().mark(c) {
		p.next()
		return true
	}
	return false
}

// ifExists takes IF EXISTS or IF NOT EXISTS.
func (p *parser) ifExists() bool {
	if !p.accept("IF") {
		return false
	}
	p.accept("NOT")
	return p.accept("EXISTS")
}

// stored is the name of a table or a database as the server keeps it.
func (p *parser) stored() string {
	if p.lower {
		return strings.ToLower(p.next().text)
	}
	return p.next().text
}

func (p *parser) name() Name {
	first := p.stored()
	if p.acceptMark(".") {
		return Name{Schema: first, Table: p.stored()}
	}
	return Name{Schema: p.schema, Table: first}
}

func (p *parser) names() (out []Name) {
	for {
		out = append(out, p.name())
		if !p.acceptMark(",") {
			return out
		}
	}
}

func (p *parser) create() Statement {
	replaces := p.accept("OR") && p.accept("REPLACE")
	if replaces && p.accept("DATABASE", "SCHEMA") {
		return Statement{Kind: DropSchema, Schema: p.stored()}
	}
	if p.peek().is("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "INDEX", "ONLINE", "OFFLINE") {
		return p.index()
	}
	if !p.accept("TABLE") {
		return Statement{} // views, triggers, temporary tables, ...
	}
	s := Statement{Kind: Create, Replaces: replaces, IfNotExists: p.ifExists()}
	s.Tables = []Name{p.name()}
	return s
}

func (p *parser) drop() Statement {
	switch {
	case p.accept("DATABASE", "SCHEMA"):
		p.ifExists()
		return Statement{Kind: DropSchema, Schema: p.stored()}
	case p.accept("TABLE", "TABLES"):
		p.ifExists()
		return Statement{Kind: Drop, Tables: p.names()}
	case p.peek().is("INDEX", "ONLINE", "OFFLINE"):
		return p.index()
	}
	return Statement{}
}

// index handles CREATE INDEX and DROP INDEX, which can change what identifies a row.
func (p *parser) index() Statement {
	for len(p.tokens) > 0 {
		if p.next().is("ON") {
			return Statement{Kind: Alter, Tables: []Name{p.name()}}
		}
	}
	return Statement{}
}

func (p *parser) rename() Statement {
	if !p.accept("TABLE", "TABLES") {
		return Statement{} // users
	}
	s := Statement{Kind: Rename}
	p.ifExists()
	for {
		from := p.name()
		if p.accept("WAIT") {
			p.next()
		}
		p.accept("NOWAIT")
		if !p.accept("TO") {
			return s
		}
		s.Tables = append(s.Tables, from)
		s.To = append(s.To, p.name())
		if !p.acceptMark(",") {
			return s
		}
	}
}

// write tells the table of a DELETE of all rows, which servers log for MEMORY tables that they have emptied. Whatever else is logged as
// text may have written to any table: by a trigger, a function, a foreign key.
func (p *parser) write() Statement {
	s := Statement{Kind: Write}
	if p.accept("FROM") {
		if name := p.name(); len(p.tokens) == 0 {
			s.Tables = []Name{name}
		}
	}
	return s
}
