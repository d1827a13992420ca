package source

import (
	"fmt"
	"slices"
	"strings"
)

// randomColumn is a column of a random table.
type randomColumn struct {
	randomType
	name      string
	notNull   bool
	computed  string // the expression of a generated column
	invisible bool
	used      []string // values that a key column got before
}

// randomTable is what is known of a table at the source.
type randomTable struct {
	name    string
	columns []*randomColumn
	key     []string
}

func quote(name string) string { return "`" + name + "`" }

// newColumn draws a column. That of a key has a type which allows it.
func (w *randomLoad) newColumn(keyed bool) *randomColumn {
	w.names++
	c := &randomColumn{name: fmt.Sprintf(w.one("c%d", "C%d", "größe%d", "Order By %d", "c.%d"), w.names), notNull: keyed}
	if keyed {
		c.randomType = w.keyType()
		c.optional = false
		return c
	}
	c.randomType = w.anyType()
	c.notNull = w.once(4) && !c.optional
	c.invisible = w.once(8)
	return c
}

// declare is the column's definition. filled asks for a default, which rows that exist then get.
func (w *randomLoad) declare(c *randomColumn, filled bool) string {
	text := quote(c.name) + " " + c.declared
	switch {
	case c.computed != "":
		return text + " GENERATED ALWAYS AS (" + c.computed + ") " + w.one("VIRTUAL", "STORED")
	case c.notNull:
		text += " NOT NULL"
	}
	if filled && c.initial != nil {
		text += " DEFAULT " + c.initial()
	}
	if c.invisible && !(w.mariadb && c.notNull) {
		text += " INVISIBLE"
	}
	return text + w.one("", "", " COMMENT 'it, has (a) \\'DEFAULT 5\\''")
}

// computedColumn draws a generated column of the table; nil where no column lends itself.
func (w *randomLoad) computedColumn(t *randomTable) *randomColumn {
	for _, c := range t.columns {
		if c.computed != "" {
			continue
		}
		n := w.newColumn(false)
		n.notNull, n.invisible = false, false
		n.randomType = randomType{declared: w.one("BIGINT", "INT"), optional: true}
		n.computed = "LENGTH(" + quote(c.name) + ")"
		return n
	}
	return nil
}

// shapes are what may tell a table's rows apart.
var shapes = []string{"none", "single", "composite", "unique", "hidden", "prefix"}

// create makes a table with a key of the shape.
func (w *randomLoad) create(name, shape string) *randomTable {
	t := &randomTable{name: name}
	keys := map[string]int{"single": 1, "composite": 2 + w.IntN(2), "unique": 1 + w.IntN(2)}[shape]
	for range keys {
		c := w.newColumn(true)
		t.columns = append(t.columns, c)
		t.key = append(t.key, c.name)
	}
	if shape == "prefix" {
		c := w.newColumn(true)
		c.randomType = randomType{declared: "VARCHAR(80)", value: func() string { return literal(w.characters(80)) }}
		t.columns, t.key = append(t.columns, c), []string{c.name}
	}
	for range 1 + w.IntN(14) {
		t.columns = append(t.columns, w.newColumn(false))
	}
	if w.once(3) {
		most := 200 + w.IntN(2000)
		t.columns = append(t.columns, &randomColumn{name: "wide", randomType: randomType{declared: "MEDIUMTEXT", value: func() string {
			return fmt.Sprintf("REPEAT('é', %d)", w.IntN(most))
		}}})
	}
	if c := w.computedColumn(t); c != nil && w.once(2) {
		t.columns = append(t.columns, c)
	}
	w.Shuffle(len(t.columns), func(i, j int) { t.columns[i], t.columns[j] = t.columns[j], t.columns[i] })
	w.Shuffle(len(t.key), func(i, j int) { t.key[i], t.key[j] = t.key[j], t.key[i] })
	var parts []string
	for _, c := range t.columns {
		parts = append(parts, w.declare(c, w.once(8)))
	}
	var quoted []string
	for _, k := range t.key {
		quoted = append(quoted, quote(k))
	}
	list := strings.Join(quoted, ", ")
	switch shape {
	case "single", "composite":
		parts = append(parts, "PRIMARY KEY ("+list+")")
	case "unique":
		parts = append(parts, "UNIQUE KEY zz ("+list+")")
		if c := t.columns[w.IntN(len(t.columns))]; c.keyed && !c.notNull {
			parts = append(parts, "UNIQUE KEY aa ("+quote(c.name)+")") // one that allows null, and so identifies nothing
		}
	case "prefix":
		parts = append(parts, "PRIMARY KEY ("+list+"(40))")
	}
	hidden := "SET @nothing = 0"
	if !w.mariadb {
		hidden = fmt.Sprintf("SET SESSION sql_generate_invisible_primary_key = %v", shape == "hidden")
	}
	if !w.run("create", hidden, "CREATE TABLE "+quote(name)+" ("+strings.Join(parts, ", ")+")") {
		return nil
	}
	w.tables = append(w.tables, t)
	w.fill(t, w.IntN(200))
	return t
}

// fill inserts rows.
func (w *randomLoad) fill(t *randomTable, rows int) {
	for ; rows > 0; rows -= 50 {
		w.run("fill", w.insert(t, min(rows, 50)))
	}
}

// row draws values for some of the table's columns.
func (w *randomLoad) value(t *randomTable, c *randomColumn) string {
	if !c.notNull && w.once(8) {
		return "NULL"
	}
	if !slices.Contains(t.key, c.name) {
		return c.value()
	}
	if len(c.used) > 0 && w.once(3) {
		return c.used[w.IntN(len(c.used))]
	}
	v := c.value()
	if len(c.used) < 1000 {
		c.used = append(c.used, v)
	}
	return v
}

// settable are the table's columns that take values, without some of those that need none.
func (w *randomLoad) settable(t *randomTable) (out []*randomColumn) {
	for _, c := range t.columns {
		if c.computed == "" && (slices.Contains(t.key, c.name) || !w.once(10)) {
			out = append(out, c)
		}
	}
	return out
}

// insert writes rows, over those that are there or beside them.
func (w *randomLoad) insert(t *randomTable, n int) string {
	columns := w.settable(t)
	var names, updates, rows []string
	for _, c := range columns {
		names = append(names, quote(c.name))
		if !slices.Contains(t.key, c.name) {
			updates = append(updates, fmt.Sprintf("%[1]s = VALUES(%[1]s)", quote(c.name)))
		}
	}
	for len(rows) < n {
		values := make([]string, len(columns))
		for i, c := range columns {
			values[i] = w.value(t, c)
		}
		row := "(" + strings.Join(values, ", ") + ")"
		rows = append(rows, row)
		if len(t.key) == 0 && w.once(3) {
			rows = append(rows, row)
		}
	}
	list := quote(t.name) + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Join(rows, ", ")
	switch {
	case w.once(4):
		return "REPLACE INTO " + list
	case w.once(4) && len(updates) > 0:
		return "INSERT INTO " + list + " ON DUPLICATE KEY UPDATE " + strings.Join(updates, ", ")
	}
	return "INSERT IGNORE INTO " + list
}

// write changes rows of a table in one statement.
func (w *randomLoad) write(t *randomTable) string {
	some := fmt.Sprintf(" ORDER BY RAND() LIMIT %d", 1+w.IntN(30))
	switch n := w.IntN(10); {
	case n < 4:
		return w.insert(t, 1+w.IntN(20))
	case n < 8:
		columns := w.settable(t)
		if len(columns) == 0 {
			break
		}
		w.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		var set []string
		for _, c := range columns[:1+w.IntN(min(3, len(columns)))] {
			set = append(set, quote(c.name)+" = "+w.value(t, c))
		}
		return "UPDATE IGNORE " + quote(t.name) + " SET " + strings.Join(set, ", ") + some
	}
	return "DELETE FROM " + quote(t.name) + some
}
