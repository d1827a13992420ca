package replica_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
)

// A file that is mostly free blocks is compacted by the loader itself, which then goes on with the stream.
func TestFileIsCompacted(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := frametest.New(15, database, st.put)
	wide := &frametest.Table{Followed: true, Def: &cdcv1.TableDefinition{Table: "Wide", Key: []uint32{0}, Columns: []*cdcv1.Column{
		{Name: "id", Type: cdcv1.Type_TYPE_INT64}, {Name: "text", Type: cdcv1.Type_TYPE_TEXT},
	}}}
	wide.Def.Fingerprint = frame.Fingerprint(wide.Def)
	s.Tables["Wide"] = wide
	st.put(&cdcv1.Frame{Source: database, Epoch: 1, Body: &cdcv1.Frame_TableEvent{TableEvent: &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: "Wide", Definition: wide.Def}}})
	change := func(op cdcv1.Operation, rows []frametest.Row) {
		out := frame.NewRows(wide.Def)
		for _, row := range rows {
			frametest.Append(out, op, row)
		}
		st.put(&cdcv1.Frame{Source: database, Epoch: 1, Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Transactions: 1, Tables: []*cdcv1.TableRows{out.Message()}}}})
	}
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // repeatable on purpose
	for n := range int64(50) {
		var rows []frametest.Row
		for i := range int64(200) {
			text := make([]byte, 0, 4000)
			for len(text) < 4000 {
				text = fmt.Appendf(text, "%x", r.Uint64())
			}
			rows = append(rows, frametest.Row{200*n + i, string(text)})
		}
		change(cdcv1.Operation_OPERATION_INSERT, rows)
		wide.Rows = append(wide.Rows, rows...)
	}
	s.Add(1, 50)
	s.CopyBegin("T1", false)
	s.Finish()
	stop := run(t, data, st)
	st.awaitApplied()
	stop()
	full := fileSize(t, data)
	if full < 20<<20 {
		t.Fatalf("the file has %d bytes, which shows nothing", full)
	}
	change(cdcv1.Operation_OPERATION_DELETE, wide.Rows[:9900])
	wide.Rows = wide.Rows[9900:]
	steps(s, 5)
	stop = run(t, data, st)
	st.awaitApplied()
	await(t, "the file to become smaller", func() bool { return fileSize(t, data) < full/4 })
	steps(s, 20)
	if status := st.awaitApplied(); status.Mismatches != 0 || status.Condition != "" {
		t.Fatalf("status is %+v", status)
	}
	stop()
	compare(t, data, s)
}

func fileSize(t *testing.T, data string) int64 {
	t.Helper()
	info, err := os.Stat(generation.LivePath(data, database))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A generation that is damaged on disk is replaced although nothing happens at the source.
func TestDamagedGenerationIsReplaced(t *testing.T) {
	data := t.TempDir()
	st := newStream(t)
	s := source(st, 16)
	stop := run(t, data, st)
	st.awaitApplied()
	dir := generation.Dir(data, database)
	var m *generation.Manifest
	await(t, "a generation with all rows", func() bool {
		var err error
		m, err = generation.Read(dir)
		return err == nil && len(m.Tables) == 2 && m.Tables[0].Rows == 200 && m.Tables[1].Rows == 40
	})
	if err := os.Truncate(dir+"/"+m.File, m.Size-1); err != nil {
		t.Fatal(err)
	}
	await(t, "another generation", func() bool {
		next, err := generation.Read(dir)
		return err == nil && next.Generation > m.Generation && next.Check(dir) == nil
	})
	stop()
	compare(t, data, s)
}
