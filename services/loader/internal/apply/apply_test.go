package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// send puts a frame of the source at a place and applies it.
func (l *loader) send(offset uint64, f *cdcv1.Frame) error {
	l.t.Helper()
	f.Source, f.Epoch = source, 1
	f.Position = &cdcv1.Position{File: "binlog.000001", Offset: offset, Server: "s1"}
	l.put(f)
	return l.add()
}

func (l *loader) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func event(e *cdcv1.TableEvent) *cdcv1.Frame {
	return &cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: e}}
}

func changes(open bool, tables ...*frame.Rows) *cdcv1.Frame {
	c := &cdcv1.Changes{Open: open}
	if !open {
		c.Transactions = 1
	}
	for _, rows := range tables {
		c.Tables = append(c.Tables, rows.Message())
	}
	return &cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: c}}
}

func people(columns ...*cdcv1.Column) *cdcv1.TableDefinition {
	def := &cdcv1.TableDefinition{Table: "People", Key: []uint32{0}, Columns: append([]*cdcv1.Column{{Name: "id", Type: cdcv1.Type_TYPE_INT64}}, columns...)}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// rows returns the table as text, row by row in the order of its first column.
func (l *loader) rows(sql string) string {
	l.t.Helper()
	res, err := l.conn.Query(l.t.Context(), "SELECT coalesce(string_agg(r, '; ' ORDER BY r), '') FROM (SELECT COLUMNS(*)::VARCHAR AS r FROM (SELECT t::VARCHAR FROM ("+sql+") AS t))")
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		l.t.Fatal(err)
	}
	return string(chunk.Column(0).Bytes(0))
}

func TestAlter(t *testing.T) {
	l := newLoader(t)
	name := &cdcv1.Column{Name: "name", Type: cdcv1.Type_TYPE_TEXT}
	age := &cdcv1.Column{Name: "age", Type: cdcv1.Type_TYPE_INT32}
	def := people(name, age)
	l.must(l.send(1, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: def})))
	row := func(def *cdcv1.TableDefinition, values ...any) *frame.Rows {
		r := frame.NewRows(def)
		frametest.Append(r, cdcv1.Operation_OPERATION_INSERT, values)
		return r
	}
	l.must(l.send(2, changes(false, row(def, int64(1), "Ada", int64(36)))))

	// Added in the middle, one with what old rows hold; one dropped; one renamed but for its case.
	wider := people(&cdcv1.Column{Name: "score", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 8, Scale: 2, Initial: proto.String("1.50")},
		&cdcv1.Column{Name: "note", Type: cdcv1.Type_TYPE_TEXT}, &cdcv1.Column{Name: "Name", Type: cdcv1.Type_TYPE_TEXT})
	l.must(l.send(3, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: "People", Definition: wider})))
	l.must(l.send(4, changes(false, row(wider, int64(2), nil, "n", "Bob"))))
	l.commit()
	l.close()
	l.open()
	if got := l.rows(`SELECT id, score, note, "Name" FROM People`); got != "{'id': 1, 'score': 1.50, 'note': NULL, 'Name': Ada}; {'id': 2, 'score': NULL, 'note': n, 'Name': Bob}" {
		t.Fatal(got)
	}
	if got := l.rows("SELECT column_name AS c FROM duckdb_columns() WHERE table_name = 'People'"); got != "{'c': Name}; {'c': id}; {'c': note}; {'c': score}" {
		t.Fatal(got)
	}

	// A change of type cannot be followed: the table stays as it is until it is copied again.
	other := people(&cdcv1.Column{Name: "Name", Type: cdcv1.Type_TYPE_BLOB})
	l.must(l.send(5, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: "People", Definition: other})))
	l.must(l.send(6, changes(false, row(other, int64(3), "x"))))
	l.commit()
	p := l.book.Table("People")
	if !p.Frozen || !strings.Contains(p.Stale, "Name changed from VARCHAR to BLOB") || p.Ask == "" || p.Rows != 2 {
		t.Fatalf("the table is %+v", p)
	}
	l.must(l.send(7, &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: "People", CopyId: 1, Definition: other}}}))
	l.must(l.send(7, &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: 1, Rows: row(other, int64(3), "x").Message()}}}))
	l.must(l.send(8, changes(false, row(other, int64(4), "y"))))
	l.must(l.send(9, &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: "People", CopyId: 1, Rows: 1}}}))
	if got := l.rows("FROM People"); got != "{'id': 3, 'Name': x}; {'id': 4, 'Name': y}" {
		t.Fatal(got)
	}
	if p := l.book.Table("People"); p.Frozen || p.Stale != "" || p.Ask != "" || p.Rows != 2 {
		t.Fatalf("the table is %+v", p)
	}
}

// Tables whose names differ in case, or are reserved, get names of their own and keep them.
func TestNamesThatClash(t *testing.T) {
	l := newLoader(t)
	names := []string{"User", "user", "USER", "__duckling_shadow_1"}
	for i, name := range names {
		def := frametest.Definition(name, 1)
		l.must(l.send(uint64(i), event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: name, Definition: def})))
	}
	for i, name := range names {
		rows := frame.NewRows(l.book.Table(name).Live)
		rows.Column(0).Int(int64(i))
		rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
		l.must(l.send(10, changes(false, rows)))
	}
	l.commit()
	l.close()
	l.open()
	var got []string
	for i, name := range names {
		table := l.book.Table(name)
		got = append(got, table.Name)
		if rows := l.rows(fmt.Sprintf(`SELECT "Id" FROM "%s"`, table.Name)); rows != fmt.Sprintf("{'Id': %d}", i) {
			t.Errorf("table %s holds %s", name, rows)
		}
	}
	if want := "User user__2 USER__3 source__duckling_shadow_1__2"; strings.Join(got, " ") != want {
		t.Errorf("the names are %v", got)
	}
	// When the first one goes, a later rename may take its name.
	l.must(l.send(20, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: "User"})))
	l.must(l.send(21, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_RENAME, Table: "USER", NewName: "User"})))
	if name := l.book.Table("User").Name; name != "User" {
		t.Errorf("the renamed table is called %s", name)
	}
	if rows := l.rows(`SELECT "Id" FROM "User"`); rows != "{'Id': 2}" {
		t.Errorf("the renamed table holds %s", rows)
	}
}

// A transaction far larger than the memory DuckDB may use becomes visible whole.
func TestGiantTransactionSpills(t *testing.T) {
	l := newLoader(t)
	def := frametest.Orders()
	l.must(l.send(1, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: def.GetTable(), Definition: def})))
	if err := l.conn.Exec("SET memory_limit = '64MB'"); err != nil {
		t.Fatal(err)
	}
	const pieces, each = 100, 10_000
	for piece := range pieces {
		rows := frame.NewRows(def)
		for i := range int64(each) {
			frametest.AppendOrder(rows, cdcv1.Operation_OPERATION_INSERT, int64(piece)*each+i)
		}
		l.must(l.send(2, changes(piece < pieces-1, rows)))
		l.stream[len(l.stream)-1] = nil
		if n := l.book.Table(def.GetTable()).Rows; n != 0 {
			t.Fatalf("%d rows are visible amid the transaction", n)
		}
	}
	l.commit()
	if got := l.rows(`SELECT count(*) AS n, count(DISTINCT id) AS d FROM "Order"`); got != "{'n': 1000000, 'd': 1000000}" {
		t.Fatal(got)
	}
}

// Frames that do not continue what was applied are refused by type.
func TestFramesThatDoNotJoin(t *testing.T) {
	def := frametest.Orders()
	rows := func() *frame.Rows {
		r := frame.NewRows(def)
		frametest.AppendOrder(r, cdcv1.Operation_OPERATION_INSERT, 1)
		return r
	}
	for name, bad := range map[string]func(*loader) error{
		"a position that goes back": func(l *loader) error { return l.send(50, changes(false, rows())) },
		"an event amid a transaction": func(l *loader) error {
			l.must(l.send(101, changes(true, rows())))
			return l.send(102, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: "x"}))
		},
		"a state amid a transaction": func(l *loader) error {
			l.must(l.send(101, changes(true, rows())))
			return l.send(102, &cdcv1.Frame{Body: &cdcv1.Frame_State{State: &cdcv1.State{}}})
		},
		"whole transactions and an open one": func(l *loader) error {
			f := changes(true, rows())
			f.GetChanges().Transactions = 1
			return l.send(101, f)
		},
		"another epoch": func(l *loader) error {
			f := changes(false, rows())
			f.Source, f.Epoch = source, 2
			l.put(f)
			return l.add()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoader(t)
			l.must(l.send(100, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: def.GetTable(), Definition: def})))
			var unjoined *apply.JoinError
			if err := bad(l); !errors.As(err, &unjoined) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// A row to be changed that is not there means that DuckDB differs from the
// source: the table is marked and a copy asked for, and the change is made all the same.
func TestMissingRowIsNoticed(t *testing.T) {
	for name, keys := range map[string]int{"with a key": 1, "without a key": 0} {
		t.Run(name, func(t *testing.T) {
			l := newLoader(t)
			s := frametest.New(3, source, l.put)
			s.Add(keys, 0)
			s.CopyBegin("T1", false)
			s.Finish()
			for range 30 {
				s.Transaction(2)
			}
			l.catchUp(s.Rand)
			l.equal(s)
			if err := l.conn.Exec(`DELETE FROM "T1"`); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				s.Transaction(3)
			}
			l.catchUp(s.Rand)
			if p := l.book.Table("T1"); p.Stale == "" || p.Ask == "" || l.Stats().Mismatches == 0 {
				t.Fatalf("the table is %+v", p)
			}
		})
	}
}

// A piece of a copy that was read before the table was emptied and arrives after does not bring its rows back.
func TestTruncateDuringCopy(t *testing.T) {
	l := newLoader(t)
	def := people()
	row := func(id int64) *frame.Rows {
		r := frame.NewRows(def)
		frametest.Append(r, cdcv1.Operation_OPERATION_INSERT, frametest.Row{id})
		return r
	}
	piece := func(id int64) *cdcv1.Frame {
		return &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: 1, Rows: row(id).Message()}}}
	}
	l.must(l.send(1, &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: "People", CopyId: 1, Definition: def}}}))
	l.must(l.send(1, piece(1)))
	l.must(l.send(2, changes(false, row(5))))
	l.must(l.send(3, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_TRUNCATE, Table: "People"})))
	l.must(l.send(3, piece(2)))
	l.must(l.send(4, changes(false, row(6))))
	l.must(l.send(4, piece(6)))
	l.must(l.send(5, &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: "People", CopyId: 1, Rows: 3}}}))
	if got := l.rows("FROM People"); got != "{'id': 6}" || l.book.Table("People").Rows != 1 {
		t.Fatal(got)
	}
}

// A copy of which a piece is missing is not swapped in.
func TestIncompleteCopyIsNotSwappedIn(t *testing.T) {
	l := newLoader(t)
	def := people()
	rows := frame.NewRows(def)
	frametest.Append(rows, cdcv1.Operation_OPERATION_INSERT, frametest.Row{int64(1)})
	l.must(l.send(1, &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: "People", CopyId: 1, Definition: def}}}))
	l.must(l.send(1, &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: 1, Rows: rows.Message()}}}))
	l.must(l.send(5, &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: "People", CopyId: 1, Rows: 2}}}))
	if p := l.book.Table("People"); p.Live != nil || p.Copy != nil || !strings.Contains(p.Ask, "ended after 2 rows of which 1 arrived") {
		t.Fatalf("the table is %+v", p)
	}
}

// A copy that ends as void leaves the table as it was; one that the table cannot do without is asked for again.
func TestVoidCopy(t *testing.T) {
	l := newLoader(t)
	def := people()
	row := func(id int64) *frame.Rows {
		r := frame.NewRows(def)
		frametest.Append(r, cdcv1.Operation_OPERATION_INSERT, frametest.Row{id})
		return r
	}
	begin := func(id uint64, freeze bool) {
		l.must(l.send(2, &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: "People", CopyId: id, Definition: def, Freeze: freeze, Reason: "test"}}}))
		l.must(l.send(2, &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: id, Rows: row(1).Message()}}}))
	}
	void := func(id uint64) {
		l.must(l.send(3, &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: "People", CopyId: id, Rows: 1, Void: "cancelled"}}}))
	}
	begin(1, false)
	void(1)
	if p := l.book.Table("People"); p.Live != nil || p.Copy != nil || p.Ask == "" || !p.Cancelled.IsZero() {
		t.Fatalf("without a first copy the table is %+v", p)
	}
	l.must(l.send(1, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: def})))
	begin(2, false)
	l.must(l.send(3, changes(false, row(7))))
	void(2)
	l.must(l.send(4, changes(false, row(8))))
	l.commit()
	if got, p := l.rows("FROM People"), l.book.Table("People"); got != "{'id': 7}; {'id': 8}" || p.Rows != 2 || p.Copy != nil || p.Ask != "" || p.Cancelled.IsZero() {
		t.Fatalf("rows are %s and the table is %+v", got, p)
	}
	begin(3, true)
	void(3)
	if p := l.book.Table("People"); p.Ask == "" || !p.Frozen || p.Copy != nil {
		t.Fatalf("a stale table is %+v", p)
	}
	if got := l.rows("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE '%shadow%' OR table_name LIKE '%delta%'"); got != "" {
		t.Fatalf("of void copies there are %s", got)
	}
}

// Batches that are committed while a comparison reads its snapshot can be published all the same, and the snapshot stays what it was.
func TestCheckpointBesideASnapshot(t *testing.T) {
	l := newLoader(t)
	def := people(&cdcv1.Column{Name: "n", Type: cdcv1.Type_TYPE_INT64})
	row := func(op cdcv1.Operation, id, n int64) *frame.Rows {
		r := frame.NewRows(def)
		frametest.Append(r, op, frametest.Row{id, n})
		return r
	}
	l.must(l.send(1, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: def})))
	l.must(l.send(2, changes(false, row(cdcv1.Operation_OPERATION_INSERT, 1, 1))))
	l.must(l.send(3, changes(false, row(cdcv1.Operation_OPERATION_INSERT, 2, 2))))
	l.commit()
	snapshot, err := l.file.DB.Connect()
	l.must(err)
	defer snapshot.Close()
	l.must(snapshot.Exec("BEGIN TRANSACTION"))
	l.must(snapshot.Exec("CREATE TEMP TABLE before AS SELECT * FROM People")) // the first touch
	for i, change := range []*frame.Rows{
		row(cdcv1.Operation_OPERATION_UPDATE, 1, 10), row(cdcv1.Operation_OPERATION_DELETE, 2, 0), row(cdcv1.Operation_OPERATION_INSERT, 3, 3),
	} {
		l.must(l.send(uint64(4+i), changes(false, change)))
		l.commit()
		l.must(l.conn.Exec("CHECKPOINT"))
		differs, err := snapshot.ExecCount("CREATE OR REPLACE TEMP TABLE differs AS (FROM People EXCEPT ALL FROM before) UNION ALL (FROM before EXCEPT ALL FROM People)")
		l.must(err)
		if differs != 0 {
			t.Fatalf("after change %d the snapshot differs in %d rows from what it was", i, differs)
		}
	}
	if got := l.rows("FROM People"); got != "{'id': 1, 'n': 10}; {'id': 3, 'n': 3}" {
		t.Fatal(got)
	}
}
