package mysqltype

import (
	"bytes"
	"testing"
	"unicode/utf8"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// FuzzImage reads damaged rows of every type: an error is right, a panic or a frame that cannot be read is not.
func FuzzImage(f *testing.F) {
	for _, typ := range []byte{
		typeTiny, typeShort, typeLong, typeFloat, typeDouble, typeLongLong, typeInt24, typeDate, typeYear, typeVarchar, typeBit,
		typeTimestamp2, typeDatetime2, typeTime2, typeVector, typeJSON, typeNewDecimal, typeEnum, typeSet, typeBlob, typeVarString, typeGeometry,
	} {
		f.Add(typ, uint16(2), false, []byte("\x00\x02abcdefgh"))
		f.Add(typ, uint16(0x0a02), true, []byte("\x00\x05\x00\x80\x00\x00\x01\x02\x03\x04"))
	}
	f.Add(byte(typeString), uint16(typeEnum)<<8|1, false, []byte{0, 1, 0, 3})
	f.Add(byte(typeString), uint16(typeSet)<<8|1, false, []byte{0, 3})
	f.Add(byte(typeJSON), uint16(4), false, []byte("\x00\x0d\x00\x00\x00\x00\x01\x00\x0c\x00\x0b\x00\x01\x00\x05\x01\x00a"))
	f.Fuzz(func(t *testing.T, typ byte, meta uint16, unsigned bool, data []byte) {
		utf8mb4, _ := Algorithmic("utf8mb4")
		rules := Rules{Dates: cdcv1.ZeroDates(meta % 4)}
		image, err := NewImage("t", []MapColumn{{
			Name: "v", Type: typ, Meta: meta, Unsigned: unsigned, Nullable: true, Collation: 255, Labels: [][]byte{[]byte("a"), []byte("b")},
		}}, nil, nil, func(uint64) (*Charset, error) { return utf8mb4, nil }, rules)
		if err != nil {
			return
		}
		def := &cdcv1.TableDefinition{Table: "t", Columns: []*cdcv1.Column{image.Columns[0].Frame()}}
		def.Fingerprint = frame.Fingerprint(def)
		if frame.CheckDefinition(def) != nil {
			return
		}
		rows, row := frame.NewRows(def), image.NewRow()
		for len(data) > 0 {
			rest, err := image.Split(data, row)
			if err != nil {
				break
			}
			if image.Append(rows, row, cdcv1.Operation_OPERATION_INSERT) != nil {
				break
			}
			data = rest
		}
		view, err := frame.View(rows.Message(), def)
		if err != nil {
			t.Fatalf("type %d, meta %d: the frame cannot be read: %v", typ, meta, err)
		}
		for i := range view.Rows {
			column := &view.Columns[0]
			if !column.Null(i) && def.GetColumns()[0].GetType() == cdcv1.Type_TYPE_TEXT && !utf8.Valid(column.Bytes(i)) {
				t.Fatalf("type %d, meta %d: text is not UTF-8", typ, meta)
			}
		}
	})
}

// FuzzDecimalText: what the copy reads as text reads the same as itself, and nonsense is refused.
func FuzzDecimalText(f *testing.F) {
	for _, s := range []string{"0.00", "-1.50", "12345678901234567890.12", "x", "", "-", "1.2.3", "999999999999999999999999999999999999.99"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Column{Name: "d", kind: kindDecimal, precision: 38, scale: 2}
		def := &cdcv1.TableDefinition{Columns: []*cdcv1.Column{c.Frame()}}
		def.Fingerprint = frame.Fingerprint(def)
		rows := frame.NewRows(def)
		if _, err := c.AppendValue(rows.Column(0), bytes.Clone(text)); err != nil {
			return
		}
		rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
		if _, err := frame.View(rows.Message(), def); err != nil {
			t.Fatalf("%q: the frame cannot be read: %v", text, err)
		}
	})
}
