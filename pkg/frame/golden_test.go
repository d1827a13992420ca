package frame_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Golden frames are what releases have written to streams. They are never
// changed or deleted, only added: -add writes those that are missing.
var add = flag.Bool("add", false, "write golden frames that do not exist yet")

const golden = "../../schemas/testdata"

// everyType is a definition with a column of each type, and rows at the edges of each.
func everyType() (*cdcv1.TableDefinition, *frame.Rows) {
	def := &cdcv1.TableDefinition{Table: "Every Type", Comment: "all of them", Key: []uint32{3}}
	for t := cdcv1.Type_TYPE_INT8; t <= cdcv1.Type_TYPE_TIME; t++ {
		c := &cdcv1.Column{Name: strings.ToLower(t.String()[5:]), Type: t, SourceType: "test", Nullable: t != cdcv1.Type_TYPE_INT64}
		if t == cdcv1.Type_TYPE_DECIMAL {
			for _, precision := range []uint32{4, 9, 18} {
				def.Columns = append(def.Columns, &cdcv1.Column{Name: fmt.Sprint("decimal", precision), Type: t, Precision: precision, Scale: 2, Nullable: true})
			}
			c.Precision, c.Scale, c.Comment = 38, 10, "wide"
			c.Initial = proto.String("1.5")
		}
		def.Columns = append(def.Columns, c)
	}
	def.Fingerprint = frame.Fingerprint(def)
	rows := frame.NewRows(def)
	for i := range 11 {
		for j, c := range def.GetColumns() {
			out := rows.Column(j)
			switch {
			case c.GetNullable() && i%3 == 2:
				out.Null()
			case frame.Width(c) == frame.Variable:
				out.String(strings.Repeat("ä{}", i))
			case frame.Width(c) == 16:
				out.Wide(uint64(i), int64(-i))
			case c.GetType() == cdcv1.Type_TYPE_FLOAT:
				out.Float32(float32(i) / 3)
			case c.GetType() == cdcv1.Type_TYPE_DOUBLE:
				out.Float64(-float64(i) / 3)
			case strings.HasPrefix(c.GetType().String(), "TYPE_UINT"):
				out.Uint(^uint64(0) - uint64(i))
			default:
				out.Int(int64(-1) << (8*frame.Width(c) - 1) >> i)
			}
		}
		rows.EndRow(cdcv1.Operation(1 + i%3))
	}
	return def, rows
}

func frames() map[string]*cdcv1.Frame {
	def, rows := everyType()
	copied := frame.NewRows(def)
	copied.Column(3).Int(7)
	copied.EndRow(cdcv1.Operation_OPERATION_INSERT)
	position := &cdcv1.Position{GtidSet: "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77", File: "binlog.000042", Offset: 1234, CommitTimeUs: 1_700_000_000_123_456, Server: "3e11fa47"}
	out := map[string]*cdcv1.Frame{
		"changes": {Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{
			Tables: []*cdcv1.TableRows{rows.Message()}, Transactions: 3, FirstCommitTimeUs: 1_700_000_000_000_001,
		}}},
		"changes-open": {Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Tables: []*cdcv1.TableRows{copied.Message()}, Open: true}}},
		"definition":   {Body: &cdcv1.Frame_Definition{Definition: def}},
		"copy-begin":   {Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: def.GetTable(), CopyId: 9, Definition: def, Freeze: true, Reason: "why"}}},
		"copy-rows": {Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{
			CopyId: 9, Rows: copied.Message(), RowsSent: 1, RowsEstimated: 5, Resume: []byte{1, 2},
		}}},
		"copy-cut": {Body: &cdcv1.Frame_CopyCut{CopyCut: &cdcv1.CopyCut{Table: def.GetTable(), CopyId: 9}}},
		"copy-end": {Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: def.GetTable(), CopyId: 9, Rows: 1}}},
		"state": {Body: &cdcv1.Frame_State{State: &cdcv1.State{
			Restart: true, NextCopyId: 10, SourceTimeUs: 1_700_000_001_000_000,
			Tables: []*cdcv1.TableState{{
				Table: def.GetTable(), Phase: cdcv1.TableState_PHASE_COPYING, Definition: def.GetFingerprint(), CopyId: 9, Resume: []byte{3}, RowsSent: 1, Reason: "r",
			}},
		}}},
	}
	view, err := frame.View(copied.Message(), def)
	if err != nil {
		panic(err)
	}
	out["check-begin"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckBegin{CheckBegin: &cdcv1.CheckBegin{Table: def.GetTable(), CheckId: 11, Definition: def.GetFingerprint()}}}
	out["check-rows"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckRows{CheckRows: &cdcv1.CheckRows{
		CheckId: 11, Chunk: 2, Keys: view.KeySums().Pack(), Values: view.Sums(nil).Pack(), Mark: []byte{4}, LastKey: "7", RowsSent: 1, RowsEstimated: 5,
	}}}
	out["check-reload"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckRows{CheckRows: &cdcv1.CheckRows{CheckId: 11, Chunk: 2, Rows: copied.Message(), RowsSent: 1, RowsEstimated: 1}}}
	out["check-end"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckEnd{CheckEnd: &cdcv1.CheckEnd{Table: def.GetTable(), CheckId: 11, Rows: 1, Reload: true, Void: "why"}}}
	defaults := proto.CloneOf(def)
	defaults.Columns[0].Default = proto.String("-5")
	out["definition-defaults"] = &cdcv1.Frame{Body: &cdcv1.Frame_Definition{Definition: defaults}}
	out["event-alter-kept"] = &cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: &cdcv1.TableEvent{
		Kind: cdcv1.TableEvent_KIND_ALTER, Table: def.GetTable(), Definition: def, Kept: []string{"old", "older"},
	}}}
	out["event-drop-keep"] = &cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: &cdcv1.TableEvent{
		Kind: cdcv1.TableEvent_KIND_DROP, Table: def.GetTable(), Keep: true,
	}}}
	out["state-dates"] = &cdcv1.Frame{Body: &cdcv1.Frame_State{State: &cdcv1.State{NextCopyId: 3, ZeroDates: cdcv1.ZeroDates_ZERO_DATES_REFUSE}}}
	out["check-begin-part"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckBegin{CheckBegin: &cdcv1.CheckBegin{Table: def.GetTable(), CheckId: 11, Definition: def.GetFingerprint(), After: []byte(`["5"]`)}}}
	out["check-end-part"] = &cdcv1.Frame{Body: &cdcv1.Frame_CheckEnd{CheckEnd: &cdcv1.CheckEnd{Table: def.GetTable(), CheckId: 11, Rows: 1, Mark: []byte(`["7"]`), Bound: []string{"7"}}}}
	for kind, name := range cdcv1.TableEvent_Kind_name {
		if kind == 0 {
			continue
		}
		e := &cdcv1.TableEvent{Kind: cdcv1.TableEvent_Kind(kind), Table: def.GetTable(), Statement: "DDL", Reason: "why", NewName: "other", Definition: def}
		out["event-"+strings.ToLower(name[5:])] = &cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: e}}
	}
	for _, f := range out {
		f.Source, f.Epoch, f.Position = "shop", 5, position
	}
	return out
}

// Every golden frame decodes to what is written beside it, its rows pass View,
// and frames made today are written as they were.
func TestGoldenFrames(t *testing.T) {
	for name, f := range frames() {
		data, err := frame.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(golden, "v1-"+name)
		if _, err := os.Stat(path + ".hex"); os.IsNotExist(err) && *add {
			text, err := protojson.MarshalOptions{Multiline: true}.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".json", append(text, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+".hex", []byte(hex.Dump(data)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want := readHex(t, path+".hex"); !bytes.Equal(data, want) {
			t.Errorf("%s is written as %d bytes and was as %d, or they differ", name, len(data), len(want))
		}
	}
	files, err := filepath.Glob(filepath.Join(golden, "v1-*.hex"))
	if err != nil || len(files) < 14 {
		t.Fatalf("there are %d golden frames: %v", len(files), err)
	}
	for _, path := range files {
		f, err := frame.Unmarshal(readHex(t, path))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		text, err := os.ReadFile(strings.TrimSuffix(path, ".hex") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		want := new(cdcv1.Frame)
		if err := protojson.Unmarshal(text, want); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(f, want) {
			t.Errorf("%s does not decode to what is beside it", path)
		}
		checkBody(t, path, f)
	}
}

// checkBody passes definitions and rows through the checks that a loader makes.
func checkBody(t *testing.T, path string, f *cdcv1.Frame) {
	t.Helper()
	def, _ := everyType()
	for _, d := range []*cdcv1.TableDefinition{f.GetDefinition(), f.GetCopyBegin().GetDefinition(), f.GetTableEvent().GetDefinition()} {
		if d == nil {
			continue
		}
		if err := frame.CheckDefinition(d); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, m := range append(f.GetChanges().GetTables(), f.GetCopyRows().GetRows(), f.GetCheckRows().GetRows()) {
		if m == nil {
			continue
		}
		if _, err := frame.View(m, def); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func readHex(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -add for a new frame)", err)
	}
	var out []byte
	for line := range strings.Lines(string(text)) {
		body, _, _ := strings.Cut(line, "|")
		for i, field := range strings.Fields(body) {
			if i == 0 {
				continue
			}
			b, err := hex.DecodeString(field)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b...)
		}
	}
	return out
}
