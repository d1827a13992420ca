package apply_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// keeping is a table of which the source has dropped the column old, with what readers are to see there.
type keeping struct {
	l    *loader
	r    *rand.Rand
	def  *cdcv1.TableDefinition
	rows map[int64]keptRow
	next int64
	at   uint64
}

type keptRow struct{ v, old string }

// change sends a transaction of a few changes, often of the same keys.
func (k *keeping) change() {
	rows := frame.NewRows(k.def)
	for range 1 + k.r.IntN(6) {
		id := 1 + k.r.Int64N(max(k.next, 1))
		have, exists := k.rows[id]
		op := cdcv1.Operation_OPERATION_INSERT
		switch {
		case !exists:
			have = keptRow{old: "NULL"}
		case k.r.IntN(3) == 0:
			op = cdcv1.Operation_OPERATION_DELETE
		default:
			op = cdcv1.Operation_OPERATION_UPDATE
		}
		if op == cdcv1.Operation_OPERATION_DELETE {
			frametest.Append(rows, op, frametest.Row{id, nil})
			delete(k.rows, id)
			continue
		}
		have.v = fmt.Sprint("v", k.r.IntN(1000))
		k.rows[id] = have
		k.next = max(k.next, id+1)
		frametest.Append(rows, op, frametest.Row{id, have.v})
	}
	k.send(changes(false, rows))
}

func (k *keeping) send(f *cdcv1.Frame) {
	k.at++
	f.Source, f.Epoch, f.Position = source, 1, &cdcv1.Position{File: "binlog.000001", Offset: k.at, Server: "s1"}
	k.l.put(f)
}

// settle applies what was sent, in batches of random size, and now and then from the file as a crash leaves it.
func (k *keeping) settle() {
	if k.r.IntN(3) == 0 {
		for range k.r.IntN(max(len(k.l.stream)-int(k.l.Seq()), 1)) {
			k.l.must(k.l.add())
		}
		k.l.close()
		k.l.open()
	}
	k.l.catchUp(k.r)
}

func (k *keeping) check(when string) {
	k.l.t.Helper()
	k.settle()
	var want []string
	for id, row := range k.rows {
		want = append(want, fmt.Sprintf("{'id': %d, 'v': %s, 'old': %s}", id, row.v, row.old))
	}
	slices.Sort(want)
	got := strings.Split(k.l.rows("SELECT id, v, old FROM People"), "; ")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		k.l.t.Fatalf("%s there are\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// copy copies the table as it is, with changes meanwhile.
func (k *keeping) copy(id uint64, frozen bool) {
	kept := map[int64]string{}
	for id, row := range k.rows {
		kept[id] = row.old
	}
	k.send(&cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: "People", CopyId: id, Definition: k.def, Freeze: frozen}}})
	rows, n := frame.NewRows(k.def), uint64(0)
	for id, row := range k.rows {
		frametest.Append(rows, cdcv1.Operation_OPERATION_INSERT, frametest.Row{id, row.v})
		n++
	}
	k.send(&cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: id, Rows: rows.Message()}}})
	for range k.r.IntN(4) {
		k.change()
		if k.r.IntN(2) == 0 {
			k.settle()
		}
	}
	k.send(&cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: "People", CopyId: id, Rows: n}}})
	if !frozen {
		return
	}
	for id, row := range k.rows { // what readers saw all the while is what is carried
		row.old = "NULL"
		if was, ok := kept[id]; ok {
			row.old = was
		}
		k.rows[id] = row
	}
}

// A dropped column that is kept has, for each row, what it had, through updates, copies and crashes, and null in new rows.
func TestRandomChangesLeaveKeptColumns(t *testing.T) {
	for round := range 6 {
		r := rand.New(rand.NewPCG(uint64(round), 3)) //nolint:gosec // repeatable on purpose
		k := &keeping{l: newLoader(t), r: r, rows: map[int64]keptRow{}, next: 20}
		v, old := &cdcv1.Column{Name: "v", Type: cdcv1.Type_TYPE_TEXT}, &cdcv1.Column{Name: "old", Type: cdcv1.Type_TYPE_TEXT, Default: proto.String("not this")}
		before := people(old, v)
		k.send(event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: before}))
		rows := frame.NewRows(before)
		for id := int64(1); id < k.next; id++ {
			k.rows[id] = keptRow{v: "first", old: fmt.Sprint("o", id)}
			frametest.Append(rows, cdcv1.Operation_OPERATION_INSERT, frametest.Row{id, k.rows[id].old, "first"})
		}
		k.send(changes(false, rows))
		k.def = people(v)
		if round%2 == 0 {
			k.send(event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: "People", Definition: k.def, Kept: []string{"OLD"}}))
		} else { // the statement could not be followed
			k.settle()
			k.send(event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: "People", Reason: "test", Kept: []string{"old"}}))
			k.copy(100, true)
		}
		k.check("after the column was dropped")
		for id := range uint64(6) {
			for range 1 + k.r.IntN(5) {
				k.change()
			}
			k.check("after changes")
			if k.r.IntN(2) == 0 {
				k.copy(200+id, k.r.IntN(2) == 0)
				k.check("after a copy")
			}
		}
		if names := k.l.book.Table("People").KeptNames(); !slices.Equal(names, []string{"old"}) {
			t.Fatalf("kept are %q", names)
		}
		again := people(v, &cdcv1.Column{Name: "Old", Type: cdcv1.Type_TYPE_INT32, Initial: proto.String("7")})
		k.send(event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: "People", Definition: again}))
		k.settle()
		if got := k.l.rows("SELECT DISTINCT Old FROM People"); got != "{'Old': 7}" || len(k.l.book.Table("People").Kept) != 0 {
			t.Fatalf("the new column of the name holds %s", got)
		}
		k.l.close()
	}
}

// A dropped table that is kept stays as it was, whatever else has to be copied again, until another comes in its name.
func TestKeptTable(t *testing.T) {
	l := newLoader(t)
	v := &cdcv1.Column{Name: "v", Type: cdcv1.Type_TYPE_TEXT}
	def := people(v)
	rows := frame.NewRows(def)
	frametest.Append(rows, cdcv1.Operation_OPERATION_INSERT, frametest.Row{int64(1), "a"})
	l.must(l.send(1, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: def})))
	l.must(l.send(2, changes(false, rows)))
	l.must(l.send(3, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: "People", Keep: true})))
	l.must(l.Rejoin(1, l.Seq(), "a test"))
	l.close()
	l.open()
	p := l.book.Table("People")
	if got := l.rows("FROM People"); got != "{'id': 1, 'v': a}" || !p.Gone || p.Ask != "" || p.Stale != "it was dropped at the source" {
		t.Fatalf("there is %s: %+v", got, p)
	}
	l.must(l.send(4, event(&cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "People", Definition: people()})))
	if p := l.book.Table("People"); l.rows("FROM People") != "" || p.Gone || p.Stale != "" {
		t.Fatalf("the new table is %+v", p)
	}
}
