package encode

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/chittihq/duckling/pkg/duck"
)

// part names the values of a vector that are wanted: n of them from the first on, or those that are listed.
type part struct {
	first, n int
	list     []int
}

func (p part) at(i int) int {
	if p.list != nil {
		return p.list[i]
	}
	return p.first + i
}

// errWide says that a batch's text does not fit Arrow's 32-bit offsets.
var errWide = errors.New("more than 2 GiB in one batch")

// RangeError reports a value that a format cannot hold.
type RangeError struct{ Type, Hint string }

func (e *RangeError) Error() string {
	return fmt.Sprintf("a value of type %s does not fit the format: %s", e.Type, e.Hint)
}

func wrap(b []byte) *memory.Buffer { return memory.NewBufferBytes(b) }

// validity is the bitmap of the wanted values, or nil when all are there.
func (a *arena) validity(v *duck.Vector, p part) *memory.Buffer {
	bits := v.Validity()
	if bits == nil {
		return nil
	}
	if p.list == nil && p.first%8 == 0 {
		return wrap(a.hold(bits[p.first/8 : (p.first+p.n+7)/8]))
	}
	out := a.take((p.n + 7) / 8)
	clear(out)
	for i := range p.n {
		if at := p.at(i); bits[at/8]>>(at%8)&1 == 1 {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return wrap(out)
}

// hold makes DuckDB's memory fit to be used as long as the batch is.
func (a *arena) hold(b []byte) []byte {
	if !a.keep {
		return b // the batch is written before DuckDB's chunk goes
	}
	out := a.take(len(b))
	copy(out, b)
	return out
}

// typed returns memory for n values.
func typed[T any](a *arena, n int) (values []T, raw []byte) {
	var zero T
	raw = a.take(n * int(unsafe.Sizeof(zero)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n), raw
}

func (c *arrowColumn) data(p part, children []arrow.ArrayData, buffers ...*memory.Buffer) arrow.ArrayData {
	nulls := 0
	if len(buffers) > 0 && buffers[0] != nil {
		nulls = array.UnknownNullCount
	}
	return array.NewData(c.out, p.n, buffers, children, nulls, 0)
}

func buildNull(c *arrowColumn, _ *arena, _ *duck.Vector, p part) (arrow.ArrayData, error) {
	return array.NewData(c.out, p.n, []*memory.Buffer{nil}, nil, p.n, 0), nil
}

func buildFixed(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	width := c.width
	raw := v.Raw(width)
	if p.list == nil {
		return c.data(p, nil, a.validity(v, p), wrap(a.hold(raw[p.first*width:(p.first+p.n)*width]))), nil
	}
	out := a.take(p.n * width)
	for i, at := range p.list {
		copy(out[i*width:(i+1)*width], raw[at*width:])
	}
	return c.data(p, nil, a.validity(v, p), wrap(out)), nil
}

func buildBoolean(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	values := duck.Slice[bool](v)
	out := a.take((p.n + 7) / 8)
	clear(out)
	for i := range p.n {
		if values[p.at(i)] {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return c.data(p, nil, a.validity(v, p), wrap(out)), nil
}

var decimalBuilders = map[duck.TypeID]func(*arrowColumn, *arena, *duck.Vector, part) (arrow.ArrayData, error){
	duck.SmallInt: buildDecimal[int16],
	duck.Integer:  buildDecimal[int32],
	duck.BigInt:   buildDecimal[int64],
	duck.HugeInt:  buildWideDecimal,
}

func buildDecimal[T int16 | int32 | int64](c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	values := duck.Slice[T](v)
	out, raw := typed[duck.Int128](a, p.n)
	for i := range out {
		value := int64(values[p.at(i)])
		out[i] = duck.Int128{Lower: uint64(value), Upper: value >> 63} //nolint:gosec // two's complement is what is wanted
	}
	return c.data(p, nil, a.validity(v, p), wrap(raw)), nil
}

func buildWideDecimal(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	values := duck.Slice[duck.Int128](v)
	out, raw := typed[duck.Int128](a, p.n)
	for i := range out {
		out[i] = values[p.at(i)]
	}
	return c.data(p, nil, a.validity(v, p), wrap(raw)), nil
}

// buildHuge writes a 128-bit integer as a decimal of 38 digits. One with 39 digits is an error, as a reader could not hold it.
func buildHuge(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	const limitUpper, limitLower = 5421010862427522170, 687399551400673280 // 10^38
	for i := range p.n {
		at := p.at(i)
		if v.Null(at) {
			continue
		}
		value := duck.Slice[duck.Int128](v)[at]
		upper, lower := uint64(value.Upper), value.Lower //nolint:gosec // a UHUGEINT's upper half
		if c.typ.ID == duck.HugeInt {
			_, upper, lower = magnitude(value)
		}
		if upper > limitUpper || upper == limitUpper && lower >= limitLower {
			return nil, &RangeError{Type: c.typ.String(), Hint: "it has more than 38 digits; cast it to VARCHAR"}
		}
	}
	return buildWideDecimal(c, a, v, p)
}

func buildBytes(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	return c.buildStrings(a, v, p, v.Bytes)
}

var enumBuilders = map[duck.TypeID]func(*arrowColumn, *arena, *duck.Vector, part) (arrow.ArrayData, error){
	duck.UTinyInt:  buildEnum[uint8],
	duck.USmallInt: buildEnum[uint16],
	duck.UInteger:  buildEnum[uint32],
}

func buildEnum[T uint8 | uint16 | uint32](c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	values := duck.Slice[T](v)
	return c.buildStrings(a, v, p, func(i int) []byte { return c.labels[values[i]] })
}

func (c *arrowColumn) buildStrings(a *arena, v *duck.Vector, p part, value func(int) []byte) (arrow.ArrayData, error) {
	offsets, raw := typed[int32](a, p.n+1)
	offsets[0] = 0
	total := 0
	for i := range p.n {
		if at := p.at(i); !v.Null(at) {
			total += len(value(at))
		}
		if total > math.MaxInt32 {
			return nil, errWide
		}
		offsets[i+1] = int32(total) //nolint:gosec // checked above
	}
	out := a.take(total)
	for i := range p.n {
		if offsets[i] < offsets[i+1] {
			copy(out[offsets[i]:], value(p.at(i)))
		}
	}
	return c.data(p, nil, a.validity(v, p), wrap(raw), wrap(out)), nil
}

func buildText(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	c.text.bind(v)
	offsets, raw := typed[int32](a, p.n+1)
	offsets[0] = 0
	var out []byte
	for i := range p.n {
		if at := p.at(i); !v.Null(at) {
			start := len(out)
			out = c.text.write(c.text, out, at)
			if c.typ.ID != duck.Union && out[start] == '"' {
				out = append(out[:start], out[start+1:len(out)-1]...)
			}
		}
		if len(out) > math.MaxInt32 {
			return nil, errWide
		}
		offsets[i+1] = int32(len(out)) //nolint:gosec // checked above
	}
	return c.data(p, nil, a.validity(v, p), wrap(raw), wrap(out)), nil
}

func buildInterval(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	values := duck.Slice[duck.IntervalValue](v)
	out, raw := typed[arrow.MonthDayNanoInterval](a, p.n)
	for i := range out {
		out[i] = arrow.MonthDayNanoInterval{}
		at := p.at(i)
		if v.Null(at) {
			continue
		}
		value := values[at]
		if value.Micros > math.MaxInt64/1000 || value.Micros < math.MinInt64/1000 {
			return nil, &RangeError{Type: c.typ.String(), Hint: "it is longer than 292 years in nanoseconds; cast it to VARCHAR"}
		}
		out[i] = arrow.MonthDayNanoInterval{Months: value.Months, Days: value.Days, Nanoseconds: value.Micros * 1000}
	}
	return c.data(p, nil, a.validity(v, p), wrap(raw)), nil
}

// elements are the values in the child of a LIST or MAP that belong to the wanted lists, and where each list begins among them.
func elements(a *arena, v *duck.Vector, p part) (offsets []byte, wanted part, err error) {
	entries := duck.Slice[duck.ListEntry](v)
	out, raw := typed[int32](a, p.n+1)
	out[0] = 0
	total, inOrder := 0, true
	for i := range p.n {
		at := p.at(i)
		if !v.Null(at) && entries[at].Length > 0 {
			e := entries[at]
			if total == 0 {
				wanted.first = int(e.Offset) //nolint:gosec // it counts values in memory
			}
			inOrder = inOrder && int(e.Offset) == wanted.first+total //nolint:gosec // as above
			total += int(e.Length)                                   //nolint:gosec // as above
		}
		if total > math.MaxInt32 {
			return nil, part{}, errWide
		}
		out[i+1] = int32(total) //nolint:gosec // checked above
	}
	wanted.n = total
	if inOrder {
		return raw, wanted, nil
	}
	wanted.list = make([]int, 0, total)
	for i := range p.n {
		at := p.at(i)
		if v.Null(at) {
			continue
		}
		for n := range entries[at].Length {
			wanted.list = append(wanted.list, int(entries[at].Offset+n)) //nolint:gosec // as above
		}
	}
	return raw, wanted, nil
}

func buildList(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	offsets, wanted, err := elements(a, v, p)
	if err != nil {
		return nil, err
	}
	child := v.Child(0)
	values, err := c.children[0].build(c.children[0], a, &child, wanted)
	if err != nil {
		return nil, err
	}
	return c.data(p, []arrow.ArrayData{values}, a.validity(v, p), wrap(offsets)), nil
}

func buildMap(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	offsets, wanted, err := elements(a, v, p)
	if err != nil {
		return nil, err
	}
	entries := v.Child(0)
	pair := make([]arrow.ArrayData, 2)
	for i, child := range c.children {
		member := entries.Child(i)
		if pair[i], err = child.build(child, a, &member, wanted); err != nil {
			return nil, err
		}
	}
	entry := c.out.(*arrow.MapType).Elem() //nolint:forcetypeassert // made so with the column
	values := array.NewData(entry, wanted.n, []*memory.Buffer{nil}, pair, 0, 0)
	return c.data(p, []arrow.ArrayData{values}, a.validity(v, p), wrap(offsets)), nil
}

func buildArray(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	width := c.typ.Width
	wanted := part{first: p.first * width, n: p.n * width}
	if p.list != nil {
		for _, at := range p.list {
			for n := range width {
				wanted.list = append(wanted.list, at*width+n)
			}
		}
	}
	child := v.Child(0)
	values, err := c.children[0].build(c.children[0], a, &child, wanted)
	if err != nil {
		return nil, err
	}
	return c.data(p, []arrow.ArrayData{values}, a.validity(v, p)), nil
}

func buildArrayAsList(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	width := c.typ.Width
	offsets, raw := typed[int32](a, p.n+1)
	offsets[0] = 0
	wanted := part{list: make([]int, 0, p.n*width)}
	for i := range p.n {
		if at := p.at(i); !v.Null(at) {
			for n := range width {
				wanted.list = append(wanted.list, at*width+n)
			}
		}
		wanted.n = len(wanted.list)
		if wanted.n > math.MaxInt32 {
			return nil, errWide
		}
		offsets[i+1] = int32(wanted.n) //nolint:gosec // checked above
	}
	child := v.Child(0)
	values, err := c.children[0].build(c.children[0], a, &child, wanted)
	if err != nil {
		return nil, err
	}
	return c.data(p, []arrow.ArrayData{values}, a.validity(v, p), wrap(raw)), nil
}

func buildStruct(c *arrowColumn, a *arena, v *duck.Vector, p part) (arrow.ArrayData, error) {
	members := make([]arrow.ArrayData, len(c.children))
	for i, child := range c.children {
		member := v.Child(i)
		var err error
		if members[i], err = child.build(child, a, &member, p); err != nil {
			return nil, err
		}
	}
	return c.data(p, members, a.validity(v, p)), nil
}
