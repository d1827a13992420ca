package frame_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

func drawDefinition(t *rapid.T) *cdcv1.TableDefinition {
	def := &cdcv1.TableDefinition{Table: rapid.StringN(1, 10, 40).Draw(t, "table")}
	for i := range rapid.IntRange(1, 6).Draw(t, "columns") {
		c := &cdcv1.Column{Name: string(rune('a' + i)), Type: cdcv1.Type(rapid.IntRange(1, 17).Draw(t, "type")), Nullable: true}
		if c.GetType() == cdcv1.Type_TYPE_DECIMAL {
			c.Precision = rapid.Uint32Range(1, 38).Draw(t, "precision")
		}
		def.Columns = append(def.Columns, c)
	}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

// drawValue appends a value and returns what a view must give back.
func drawValue(t *rapid.T, c *cdcv1.Column, out *frame.ColumnBuilder) any {
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		out.Null()
		return nil
	}
	width := frame.Width(c)
	switch {
	case width == frame.Variable:
		s := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "bytes")
		out.Bytes(s)
		return string(s)
	case width == 16:
		v := [2]int64{rapid.Int64().Draw(t, "lower"), rapid.Int64().Draw(t, "upper")}
		out.Wide(uint64(v[0]), v[1])
		return v
	case c.GetType() == cdcv1.Type_TYPE_FLOAT:
		v := rapid.Float32().Draw(t, "float")
		out.Float32(v)
		return float64(v)
	case c.GetType() == cdcv1.Type_TYPE_DOUBLE:
		v := rapid.Float64().Draw(t, "double")
		out.Float64(v)
		return v
	case strings.HasPrefix(c.GetType().String(), "TYPE_UINT"):
		v := rapid.Uint64Range(0, math.MaxUint64>>(64-8*width)).Draw(t, "uint")
		out.Uint(v)
		return v
	default:
		v := rapid.Int64Range(math.MinInt64>>(64-8*width), math.MaxInt64>>(64-8*width)).Draw(t, "int")
		out.Int(v)
		return v
	}
}

func get(c *cdcv1.Column, v *frame.ColumnView, i int) any {
	switch {
	case v.Null(i):
		return nil
	case v.Width() == frame.Variable:
		return string(v.Bytes(i))
	case v.Width() == 16:
		lower, upper := v.Wide(i)
		return [2]int64{int64(lower), upper}
	case c.GetType() == cdcv1.Type_TYPE_FLOAT, c.GetType() == cdcv1.Type_TYPE_DOUBLE:
		return v.Float64(i)
	case strings.HasPrefix(c.GetType().String(), "TYPE_UINT"):
		return v.Uint(i)
	default:
		return v.Int(i)
	}
}

// What is appended by row comes back by row, whatever was cancelled in between and whatever the memory held before.
func TestRowsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		def := drawDefinition(t)
		rows := frame.NewRows(def)
		for range rapid.IntRange(1, 2).Draw(t, "uses") {
			rows.Reset()
			var want [][]any
			var ops []cdcv1.Operation
			for range rapid.IntRange(0, 20).Draw(t, "rows") {
				row := make([]any, len(def.GetColumns()))
				for j, c := range def.GetColumns() {
					row[j] = drawValue(t, c, rows.Column(j))
				}
				if rapid.IntRange(0, 4).Draw(t, "cancel") == 0 {
					rows.CancelRow()
					continue
				}
				op := cdcv1.Operation(rapid.IntRange(1, 3).Draw(t, "op"))
				rows.EndRow(op)
				want, ops = append(want, row), append(ops, op)
			}
			check(t, rows, want, ops)
		}
	})
}

func check(t *rapid.T, rows *frame.Rows, want [][]any, ops []cdcv1.Operation) {
	def := rows.Definition()
	data, err := frame.Marshal(&cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{Rows: rows.Message()}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := frame.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	view, err := frame.View(f.GetCopyRows().GetRows(), def)
	if err != nil {
		t.Fatal(err)
	}
	if view.Rows != len(want) {
		t.Fatalf("%d rows came back of %d", view.Rows, len(want))
	}
	for i, row := range want {
		if view.Operation(i) != ops[i] {
			t.Fatalf("row %d is %v and was %v", i, view.Operation(i), ops[i])
		}
		for j, v := range row {
			got := get(def.GetColumns()[j], &view.Columns[j], i)
			if x, ok := v.(float64); ok && math.IsNaN(x) && math.IsNaN(got.(float64)) {
				continue
			}
			if got != v {
				t.Fatalf("row %d column %d is %v and was %v", i, j, got, v)
			}
		}
	}
}

// Every part of a definition that rows depend on changes its fingerprint, and nothing else does.
func TestFingerprint(t *testing.T) {
	base, _ := everyType()
	for name, c := range map[string]struct {
		change  func(*cdcv1.TableDefinition)
		matters bool
	}{
		"table":       {func(d *cdcv1.TableDefinition) { d.Table += "x" }, true},
		"name":        {func(d *cdcv1.TableDefinition) { d.Columns[1].Name += "x" }, true},
		"type":        {func(d *cdcv1.TableDefinition) { d.Columns[1].Type = cdcv1.Type_TYPE_INT64 }, true},
		"precision":   {func(d *cdcv1.TableDefinition) { d.Columns[10].Precision-- }, true},
		"scale":       {func(d *cdcv1.TableDefinition) { d.Columns[10].Scale++ }, true},
		"order":       {func(d *cdcv1.TableDefinition) { d.Columns[0], d.Columns[1] = d.Columns[1], d.Columns[0] }, true},
		"less":        {func(d *cdcv1.TableDefinition) { d.Columns = d.Columns[:5] }, true},
		"key":         {func(d *cdcv1.TableDefinition) { d.Key = nil }, true},
		"boundary":    {func(d *cdcv1.TableDefinition) { d.Columns[0].Name, d.Table = "int", "Every Type8" }, true},
		"comment":     {func(d *cdcv1.TableDefinition) { d.Comment, d.Columns[2].Comment = "", "new" }, false},
		"source type": {func(d *cdcv1.TableDefinition) { d.Columns[2].SourceType = "new" }, false},
		"nullable":    {func(d *cdcv1.TableDefinition) { d.Columns[2].Nullable = false }, false},
		"initial":     {func(d *cdcv1.TableDefinition) { d.Columns[2].Initial = proto.String("1") }, false},
	} {
		d := proto.CloneOf(base)
		c.change(d)
		if changed := frame.Fingerprint(d) != base.GetFingerprint(); changed != c.matters {
			t.Errorf("a change of %s changed the fingerprint: %v", name, changed)
		}
	}
	const was = 0x4d4af0d1dc57143b
	if got := base.GetFingerprint(); got != was {
		t.Errorf("the fingerprint of the same definition was %#x and is %#x", uint64(was), got)
	}
}

func TestCheckDefinition(t *testing.T) {
	base, _ := everyType()
	for want, change := range map[string]func(*cdcv1.TableDefinition){
		"without a name":                func(d *cdcv1.TableDefinition) { d.Table = "" },
		"no columns":                    func(d *cdcv1.TableDefinition) { d.Columns = nil },
		"column without a name":         func(d *cdcv1.TableDefinition) { d.Columns[2].Name = "" },
		"outside what a frame can hold": func(d *cdcv1.TableDefinition) { d.Columns[10].Precision = 39 },
		"unknown to this release":       func(d *cdcv1.TableDefinition) { d.Columns[1].Type = 99 },
		"names column 77":               func(d *cdcv1.TableDefinition) { d.Key = []uint32{77} },
		"says fingerprint":              func(d *cdcv1.TableDefinition) { d.Fingerprint++ },
	} {
		d := proto.CloneOf(base)
		change(d)
		if err := frame.CheckDefinition(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("wanted an error with %q, got %v", want, err)
		}
	}
}

// A frame of another release is told from damage: the one must not be skipped.
func TestUnmarshalTellsFormatsFromDamage(t *testing.T) {
	data, err := proto.Marshal(&cdcv1.Frame{Format: 2, Body: &cdcv1.Frame_State{State: &cdcv1.State{}}})
	if err != nil {
		t.Fatal(err)
	}
	var format *frame.FormatError
	if _, err := frame.Unmarshal(data); !errors.As(err, &format) || format.Got != 2 {
		t.Errorf("another format gave %v", err)
	}
	for _, damaged := range [][]byte{nil, []byte("junk"), {8, 1}} {
		if _, err := frame.Unmarshal(damaged); err == nil || (errors.As(err, &format) && len(damaged) > 2) {
			t.Errorf("%q gave %v", damaged, err)
		}
	}
}

// FuzzView makes sure that no bytes can lead outside a column: whatever passes can be read from end to end.
func FuzzView(f *testing.F) {
	for _, g := range frames() {
		data, err := frame.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	def, _ := everyType()
	f.Fuzz(func(t *testing.T, data []byte) {
		fr, err := frame.Unmarshal(data)
		if err != nil {
			return
		}
		_ = frame.CheckDefinition(fr.GetDefinition())
		for _, m := range append(fr.GetChanges().GetTables(), fr.GetCopyRows().GetRows()) {
			view, err := frame.View(m, def)
			if err != nil {
				continue
			}
			for i := range view.Rows {
				_ = view.Operation(i)
				for j, c := range def.GetColumns() {
					_ = get(c, &view.Columns[j], i)
				}
			}
		}
	})
}
