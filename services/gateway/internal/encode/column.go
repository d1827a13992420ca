package encode

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"

	"github.com/chittihq/duckling/pkg/duck"
)

// column writes the values of one vector; the parts of a nested type are columns too.
type column struct {
	typ      *duck.Type
	options  Options
	write    func(c *column, dst []byte, i int) []byte
	vec      duck.Vector
	children []*column
	// literals are an ENUM's labels or a STRUCT's keys, as they are written.
	literals []string
}

var errUnsupported = errors.New("no form in JSON")

func newColumn(t *duck.Type, options Options) (*column, error) {
	c := &column{typ: t, options: options, write: writers[t.ID]}
	switch t.ID {
	case duck.Varchar:
		if t.JSON && options.JSON == JSONValue {
			c.write = writeRaw
		}
	case duck.Decimal:
		c.write = decimalWriters[t.Storage]
	case duck.Enum:
		c.write = enumWriters[t.Storage]
		for _, label := range t.Labels {
			c.literals = append(c.literals, string(AppendString(nil, []byte(label))))
		}
	case duck.Struct:
		for _, f := range t.Fields {
			c.literals = append(c.literals, string(AppendString(nil, []byte(f.Name)))+":")
		}
	case duck.Union:
		c.children = append(c.children, &column{typ: &duck.Type{ID: duck.UTinyInt}, write: writers[duck.UTinyInt]})
	}
	if c.write == nil {
		return nil, errUnsupported
	}
	for _, f := range t.Fields {
		child, err := newColumn(f.Type, options)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, child)
	}
	return c, nil
}

// bind points the column at a chunk's vector.
func (c *column) bind(v *duck.Vector) {
	c.vec = *v
	if c.typ.ID == duck.Map {
		entries := v.Child(0)
		for i, child := range c.children {
			part := entries.Child(i)
			child.bind(&part)
		}
		return
	}
	for i, child := range c.children {
		part := v.Child(i)
		child.bind(&part)
	}
}

func (c *column) append(dst []byte, i int) []byte {
	if c.vec.Null(i) {
		return append(dst, "null"...)
	}
	return c.write(c, dst, i)
}

var writers map[duck.TypeID]func(*column, []byte, int) []byte

func init() { //nolint:gochecknoinits // the table and the nested writers refer to each other
	writers = map[duck.TypeID]func(*column, []byte, int) []byte{
		duck.SQLNull:  func(_ *column, dst []byte, _ int) []byte { return append(dst, "null"...) },
		duck.Boolean:  func(c *column, dst []byte, i int) []byte { return strconv.AppendBool(dst, duck.Slice[bool](&c.vec)[i]) },
		duck.TinyInt:  writeSmall[int8],
		duck.SmallInt: writeSmall[int16], duck.Integer: writeSmall[int32],
		duck.UTinyInt: writeSmall[uint8], duck.USmallInt: writeSmall[uint16], duck.UInteger: writeSmall[uint32],
		duck.BigInt: writeBigInt, duck.UBigInt: writeUBigInt, duck.HugeInt: writeHugeInt, duck.UHugeInt: writeUHugeInt, duck.BigNum: writeBigNum,
		duck.Float: func(c *column, dst []byte, i int) []byte {
			return appendFloat(dst, float64(duck.Slice[float32](&c.vec)[i]), 32)
		},
		duck.Double:  func(c *column, dst []byte, i int) []byte { return appendFloat(dst, duck.Slice[float64](&c.vec)[i], 64) },
		duck.Varchar: func(c *column, dst []byte, i int) []byte { return AppendString(dst, c.vec.Bytes(i)) },
		duck.Blob:    writeBase64, duck.Geometry: writeBase64,
		duck.Bit: writeBit, duck.UUID: writeUUID,
		duck.Date: writeDate, duck.Time: writeTime, duck.TimeNS: writeTimeNS, duck.TimeTZ: writeTimeTZ, duck.Interval: writeInterval,
		duck.Timestamp: writeTimestamp, duck.TimestampTZ: writeTimestamp, duck.TimestampS: writeTimestamp,
		duck.TimestampMS: writeTimestamp, duck.TimestampNS: writeTimestamp,
		duck.List: writeList, duck.Array: writeArray, duck.Struct: writeStruct, duck.Map: writeMap, duck.Union: writeUnion,
	}
}

func writeRaw(c *column, dst []byte, i int) []byte { return append(dst, c.vec.Bytes(i)...) }

func writeBase64(c *column, dst []byte, i int) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, c.vec.Bytes(i))
	return append(dst, '"')
}

// writeBit reads DuckDB's form: the number of padding bits, then the bits from the highest on.
func writeBit(c *column, dst []byte, i int) []byte {
	b := c.vec.Bytes(i)
	dst = append(dst, '"')
	for n := int(b[0]); n < (len(b)-1)*8; n++ {
		dst = append(dst, '0'+b[1+n/8]>>(7-n%8)&1)
	}
	return append(dst, '"')
}

func writeUUID(c *column, dst []byte, i int) []byte {
	const hex = "0123456789abcdef"
	v := duck.Slice[duck.Int128](&c.vec)[i]
	upper := uint64(v.Upper) ^ 1<<63
	dst = append(dst, '"')
	for n := range 32 {
		if n == 8 || n == 12 || n == 16 || n == 20 {
			dst = append(dst, '-')
		}
		word := upper
		if n >= 16 {
			word = v.Lower
		}
		dst = append(dst, hex[word>>(60-n%16*4)&15])
	}
	return append(dst, '"')
}

var enumWriters = map[duck.TypeID]func(*column, []byte, int) []byte{
	duck.UTinyInt:  writeEnum[uint8],
	duck.USmallInt: writeEnum[uint16],
	duck.UInteger:  writeEnum[uint32],
}

func writeEnum[T uint8 | uint16 | uint32](c *column, dst []byte, i int) []byte {
	return append(dst, c.literals[duck.Slice[T](&c.vec)[i]]...)
}

func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}
