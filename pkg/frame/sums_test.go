package frame_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// The sums are part of the contract: loader and ingest compare theirs. What they are for golden rows must never change.
func TestSumsStayWhatTheyAre(t *testing.T) {
	def, rows := everyType()
	view, err := frame.View(rows.Message(), def)
	if err != nil {
		t.Fatal(err)
	}
	const keys = "618db85e74b7c01108e543868ec1950e90735fa5e82fa926"
	if got := hex.EncodeToString(view.KeySums().Pack()[:24]); got != keys {
		t.Errorf("sums of keys are %s and were %s", got, keys)
	}
	const all = "9b8cb36feb426657"
	if got := hex.EncodeToString(view.Sums(nil).Pack()[80:]); got != all {
		t.Errorf("the sum of the last row is %s and was %s", got, all)
	}
	packed := view.Sums(nil).Pack()
	if !bytes.Equal(frame.UnpackSums(packed).Pack(), packed) {
		t.Error("sums do not survive their packing")
	}
}

// A change of any one value, to or from null too, changes the row's sum and no other row's.
func TestSumsSeeEveryChange(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable on purpose
	def, rows := everyType()
	m := rows.Message()
	view := func() *frame.Table {
		v, err := frame.View(m, def)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := view().Sums(nil)
	for i, c := range def.GetColumns() {
		for range 20 {
			row := random.IntN(view().Rows)
			v := m.GetColumns()[i]
			values, nulls := bytes.Clone(v.GetValues()), bytes.Clone(v.GetNulls())
			switch w := frame.Width(c); {
			case c.GetNullable() && random.IntN(2) == 0:
				m.Columns[i].Nulls[row/8] ^= 1 << (row % 8)
			case w == frame.Variable:
				row = 10
				m.Columns[i].Values[len(values)-1-random.IntN(30)] ^= 1 << random.IntN(8)
			default:
				if view().Columns[i].Null(row) {
					continue
				}
				m.Columns[i].Values[row*w+random.IntN(w)] ^= 1 << random.IntN(8)
			}
			after := view().Sums(nil)
			for r := range after {
				if (after[r] != before[r]) != (r == row) {
					t.Errorf("column %s: a change of row %d leaves the sum of row %d equal: %v", c.GetName(), row, r, after[r] == before[r])
				}
			}
			m.Columns[i].Values, m.Columns[i].Nulls = values, nulls
		}
	}
}

// DuckDB groups the two zeros as one value, so a row may come back with the other.
func TestSumsTakeZerosForOne(t *testing.T) {
	def := &cdcv1.TableDefinition{Table: "t", Columns: []*cdcv1.Column{{Name: "f", Type: cdcv1.Type_TYPE_FLOAT}, {Name: "d", Type: cdcv1.Type_TYPE_DOUBLE}}}
	def.Fingerprint = frame.Fingerprint(def)
	rows := frame.NewRows(def)
	for _, zero := range []float64{0, math.Copysign(0, -1)} {
		rows.Column(0).Float32(float32(zero))
		rows.Column(1).Float64(zero)
		rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
	}
	view, err := frame.View(rows.Message(), def)
	if err != nil {
		t.Fatal(err)
	}
	if s := view.Sums(nil); s[0] != s[1] {
		t.Errorf("%x and %x", s[0], s[1])
	}
}
