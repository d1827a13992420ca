package source

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/seed"
)

// randomLoad makes random tables at the source, and changes their rows and their definitions.
type randomLoad struct {
	chance
	r      *rig
	conn   *sql.Conn
	tables []*randomTable
	names  int
	// done and refused count statements by what they were to do.
	done, refused map[string]int
}

func newRandomLoad(t *testing.T, r *rig) *randomLoad {
	t.Helper()
	w := &randomLoad{
		chance: chance{Rand: rand.New(rand.NewPCG(seed.For(t), 0)), mariadb: r.mysql.Flavor == mysqltest.MariaDB},
		r:      r, done: map[string]int{}, refused: map[string]int{},
	}
	w.connect()
	t.Cleanup(func() { w.conn.Close() })
	return w
}

func (w *randomLoad) connect() {
	w.r.t.Helper()
	var err error
	if w.conn, err = w.r.db.Conn(w.r.t.Context()); err != nil {
		w.r.t.Fatal(err)
	}
	w.settings()
}

// reconnect ends whatever the session was in the middle of.
func (w *randomLoad) reconnect() {
	w.r.t.Helper()
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.connect()
}

// settings are those of a session which write rows differently: what does not fit is cut, dates need not exist.
func (w *randomLoad) settings() {
	w.must("SET SESSION sql_mode = 'ALLOW_INVALID_DATES', lock_wait_timeout = 60, time_zone = '" + w.one("+00:00", "+05:00", "-11:30") + "'")
	if !w.mariadb {
		w.must("SET SESSION binlog_transaction_compression = " + w.one("0", "0", "1"))
	}
}

func (w *randomLoad) must(statement string) {
	w.r.t.Helper()
	if _, err := w.conn.ExecContext(w.r.t.Context(), statement); err != nil {
		w.r.t.Fatalf("%s: %v", statement, err)
	}
}

// lockWait is the server's error for a statement that waited too long for another session.
const lockWait = 1205

// run runs statements until the server refuses one, as it may: values occur twice or cannot be converted, rows become too long,
// columns are needed by others. What it then has is what counts.
func (w *randomLoad) run(what string, statements ...string) bool {
	w.r.t.Helper()
	for _, statement := range statements {
		_, err := w.conn.ExecContext(w.r.t.Context(), statement)
		var refused *mysql.MySQLError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &refused):
			w.r.t.Fatalf("%.2000s: %v", statement, err)
		case refused.Number == lockWait: // nothing else writes, and ingest's locks last moments
			w.r.t.Fatalf("%.2000s: %v; the server is at work on %q", statement, err,
				w.r.column("SELECT CONCAT_WS(' ', ID, COMMAND, TIME, STATE, INFO) FROM information_schema.PROCESSLIST"))
		case what == "xa": // a branch that has begun knows no ROLLBACK
			w.reconnect()
		default:
			w.must("ROLLBACK")
		}
		w.refused[what]++
		return false
	}
	w.done[what]++
	return true
}

func (w *randomLoad) any() *randomTable { return w.tables[w.IntN(len(w.tables))] }

// step runs one random transaction or statement.
func (w *randomLoad) step() {
	switch n := w.IntN(20); {
	case n < 9:
		statements := []string{"BEGIN"}
		for range 1 + w.IntN(5) {
			statements = append(statements, w.write(w.any()))
		}
		switch w.IntN(6) {
		case 0:
			statements = append(statements, "ROLLBACK")
		case 1:
			statements = append(statements, "SAVEPOINT s", w.write(w.any()), "ROLLBACK TO s", w.write(w.any()), "COMMIT")
		default:
			statements = append(statements, "COMMIT")
		}
		w.run("transaction", statements...)
	case n < 12:
		w.run("statement", w.write(w.any()))
	case n == 12:
		w.run("xa", "XA START 'x'", w.write(w.any()), w.write(w.any()), "XA END 'x'", "XA PREPARE 'x'", "XA "+w.one("COMMIT", "ROLLBACK")+" 'x'")
	case n == 13:
		w.settings()
	case n == 14: // all rows of a table, which may span frames
		t := w.any()
		for _, c := range t.columns {
			if c.computed == "" && !slices.Contains(t.key, c.name) {
				w.run("all rows", "UPDATE "+quote(t.name)+" SET "+quote(c.name)+" = "+w.value(t, c))
				break
			}
		}
	default:
		w.define(w.any())
	}
}

// define changes a table's definition, or which tables there are.
func (w *randomLoad) define(t *randomTable) {
	alter := "ALTER TABLE " + quote(t.name) + " "
	i := w.IntN(len(t.columns))
	c := t.columns[i]
	switch w.IntN(16) {
	case 0, 1, 2, 3:
		w.addColumns(t, alter)
	case 4:
		if len(t.columns) > 1 && w.run("drop column", alter+"DROP COLUMN "+quote(c.name)) {
			t.columns = slices.Delete(t.columns, i, i+1)
			t.key = slices.DeleteFunc(t.key, func(k string) bool { return k == c.name })
		}
	case 5, 6:
		changed := w.newColumn(slices.Contains(t.key, c.name))
		if changed.dated && changed.notNull { // what cannot be converted becomes one that does not exist
			break
		}
		changed.name = c.name
		if c.computed == "" && w.run("modify column", alter+"MODIFY "+w.declare(changed, false)) {
			t.columns[i] = changed
		}
	case 7:
		w.names++
		name := fmt.Sprintf("renamed%d", w.names)
		if w.run("rename column", alter+"RENAME COLUMN "+quote(c.name)+" TO "+quote(name)) {
			if k := slices.Index(t.key, c.name); k >= 0 {
				t.key[k] = name
			}
			c.name = name
		}
	case 8:
		name := w.tableName()
		if w.run("rename table", w.one("RENAME TABLE "+quote(t.name)+" TO "+quote(name), alter+"RENAME TO "+quote(name))) {
			t.name = name
		}
	case 9:
		other := w.any()
		if a, b := quote(t.name), quote(other.name); other != t && w.run("swap tables", "RENAME TABLE "+a+" TO swap, "+b+" TO "+a+", swap TO "+b) {
			t.name, other.name = other.name, t.name
		}
	case 10:
		w.run("truncate", "TRUNCATE "+quote(t.name))
	case 11:
		if len(w.tables) > 3 || w.once(2) {
			w.run("drop", "DROP TABLE "+quote(t.name))
			w.tables = slices.DeleteFunc(w.tables, func(x *randomTable) bool { return x == t })
		}
		name := t.name
		if len(w.tables) < 6 {
			if slices.Contains(w.tables, t) {
				name = w.tableName()
			}
			w.create(name, shapes[w.IntN(len(shapes))])
		}
	case 12:
		if len(w.tables) < 6 {
			w.createFrom(t)
		}
	case 13:
		if c.dated { // one that does not exist may be among its values
			break
		}
		w.run("index", w.one(alter+"DROP PRIMARY KEY", alter+"ADD PRIMARY KEY ("+quote(c.name)+")", alter+"ADD UNIQUE KEY aaa ("+quote(c.name)+")",
			"CREATE UNIQUE INDEX aab ON "+quote(t.name)+" ("+quote(c.name)+")", "DROP INDEX zz ON "+quote(t.name)))
	case 14:
		w.run("option", alter+w.one("COMMENT = 'another'", "ENGINE = InnoDB", "ROW_FORMAT = DYNAMIC", "AUTO_INCREMENT = 5, COMMENT ''", "ORDER BY "+quote(c.name), "DEFAULT CHARACTER SET latin1"))
	case 15:
		w.run("convert", alter+"CONVERT TO CHARACTER SET "+w.one("utf8mb4", "latin1", "cp1251"))
	}
}

func (w *randomLoad) tableName() string {
	w.names++
	return fmt.Sprintf(w.one("t%d", "T%d", "Stück %d"), w.names)
}

func (w *randomLoad) addColumns(t *randomTable, alter string) {
	added := []*randomColumn{w.newColumn(false)}
	if w.once(3) {
		added = append(added, w.newColumn(false))
	}
	if c := w.computedColumn(t); c != nil && w.once(6) {
		added = append(added, c)
	}
	var clauses []string
	for _, c := range added {
		clause := w.one("ADD ", "ADD COLUMN ") + w.declare(c, w.once(2))
		clauses = append(clauses, clause+w.one("", "", " FIRST", " AFTER "+quote(t.columns[w.IntN(len(t.columns))].name)))
	}
	var dropped string
	if w.once(6) && len(t.columns) > 1 {
		dropped = t.columns[w.IntN(len(t.columns))].name
		clauses = append(clauses, "DROP COLUMN "+quote(dropped))
	}
	if !w.run("add column", alter+strings.Join(clauses, ", ")) {
		return
	}
	t.columns = slices.DeleteFunc(append(t.columns, added...), func(c *randomColumn) bool { return c.name == dropped })
	t.key = slices.DeleteFunc(t.key, func(k string) bool { return k == dropped })
}

// createFrom makes a table like another one, or of its rows.
func (w *randomLoad) createFrom(t *randomTable) {
	n := &randomTable{name: w.tableName()}
	var names []string
	for _, c := range t.columns {
		c := *c
		names = append(names, quote(c.name))
		n.columns = append(n.columns, &c)
	}
	if w.once(2) {
		n.key = slices.Clone(t.key)
		if w.run("create like", "CREATE TABLE "+quote(n.name)+" LIKE "+quote(t.name)) {
			w.tables = append(w.tables, n)
			w.fill(n, w.IntN(60))
		}
		return
	}
	for _, c := range n.columns {
		c.computed = ""
		if c.value == nil {
			c.value = func() string { return "7" }
		}
	}
	if w.run("create as", "CREATE TABLE "+quote(n.name)+" AS SELECT "+strings.Join(names, ", ")+" FROM "+quote(t.name)+" LIMIT 20") {
		w.tables = append(w.tables, n)
	}
}

// Killed at any moment and started again, ingest makes of random transactions on random tables, whose definitions change
// between them, what the source has.
func TestRandomSchemasKilled(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		w := newRandomLoad(t, r)
		for i, shape := range shapes {
			if i < 2 || w.once(2) {
				w.create(w.tableName(), shape)
			}
		}
		for len(w.tables) < 3 {
			w.create(w.tableName(), shapes[w.IntN(len(shapes))])
		}
		w.fill(w.any(), 1500)
		frames := func() (n int) {
			r.eventually("anything", func(m *model) bool { n = m.frames; return true })
			return n
		}
		for range 6 {
			kill := r.startProcess()
			target := frames() + 1 + w.IntN(60)
			for frames() < target {
				w.step()
			}
			kill()
			for range w.IntN(4) {
				w.step()
			}
		}
		r.startProcess()
		for range 10 {
			w.step()
		}
		r.converge()
		t.Logf("statements done %v, refused %v", w.done, w.refused)
		if w.done["transaction"] < 10 || w.refused["transaction"] > w.done["transaction"]/2 {
			t.Error("the server refused most of what was tried")
		}
	})
}
