package mysqltype

import (
	"encoding/binary"
	"fmt"
	"math"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Image reads the rows of one version of a table as the binlog stores them.
// It is not safe for concurrent use.
type Image struct {
	// Columns are those that go into frames, in their order there.
	Columns []Column
	stored  []storedColumn
	key     []int // indexes into stored, in key order
	isKey   []bool
	// Undated counts dates that were carried as null: zero, partial or not existing.
	Undated uint64

	text []byte // of the value under way
}

// storedColumn is one column of a row image.
type storedColumn struct {
	kind   kind
	size   int // bytes of a value, or of the length before it
	sized  bool
	frame  int // index in the frame; -1 for a column that stays out of it
	width  int
	digits int // of the fraction of a second
	whole  uint8
	scale  uint8

	charset *Charset
	labels  []string
	// modern makes of a value of before MySQL 5.6 one as stored since; nil where it is.
	modern func([]byte) []byte
}

// Row is a row image cut into its values; nil is null. The values share the event's memory.
type Row [][]byte

// NewRow returns room for one row of the image.
func (im *Image) NewRow() Row { return make(Row, len(im.stored)) }

// Key are the positions of the key's columns in the frame, in key order.
func (im *Image) Key() []int {
	key := make([]int, len(im.key))
	for i, k := range im.key {
		key[i] = im.stored[k].frame
	}
	return key
}

// Split cuts the row image that data begins with and returns what follows it.
func (im *Image) Split(data []byte, row Row) ([]byte, error) {
	nulls := (len(im.stored) + 7) / 8
	if len(data) < nulls {
		return nil, errShort
	}
	bitmap := data[:nulls]
	data = data[nulls:]
	for i := range im.stored {
		if bitmap[i>>3]>>(i&7)&1 != 0 {
			row[i] = nil
			continue
		}
		c := &im.stored[i]
		n := c.size
		if len(data) < n {
			return nil, errShort
		}
		if !c.sized {
			length := littleEndian(data[:n])
			data = data[n:]
			if uint64(len(data)) < length {
				return nil, errShort
			}
			n = int(length)
		}
		row[i] = data[:n:n]
		data = data[n:]
	}
	return data, nil
}

var errShort = fmt.Errorf("row image ends within a value")

// SameKey reports whether both rows have the same key, byte for byte. It is
// false for a table without a key.
func (im *Image) SameKey(a, b Row) bool {
	for _, k := range im.key {
		if string(a[k]) != string(b[k]) {
			return false
		}
	}
	return len(im.key) > 0
}

// Append adds the row to rows, which follow the image's Columns.
func (im *Image) Append(rows *frame.Rows, row Row, op cdcv1.Operation) error {
	return im.append(rows, row, op, false)
}

// AppendKey adds the row's key; the other columns are null. A table without a key gets the whole row.
func (im *Image) AppendKey(rows *frame.Rows, row Row, op cdcv1.Operation) error {
	return im.append(rows, row, op, len(im.key) > 0)
}

// KeyText is the row's key for people, under the masks; empty for a table without a key, and where it cannot be told.
func (im *Image) KeyText(def *cdcv1.TableDefinition, row Row) string {
	rows := frame.NewRows(def)
	if len(im.key) == 0 || im.AppendKey(rows, row, cdcv1.Operation_OPERATION_INSERT) != nil {
		return ""
	}
	view, err := frame.View(rows.Message(), def)
	if err != nil {
		return ""
	}
	return view.KeyText(0)
}

func (im *Image) append(rows *frame.Rows, row Row, op cdcv1.Operation, keyOnly bool) error {
	for i := range im.stored {
		c := &im.stored[i]
		if c.frame < 0 {
			continue
		}
		b := rows.Column(c.frame)
		if row[i] == nil || keyOnly && !im.isKey[i] {
			b.Null()
			continue
		}
		if err := im.shown(b, c, row[i]); err != nil {
			rows.CancelRow()
			return fmt.Errorf("column %q: %w", im.Columns[c.frame].Name, err)
		}
	}
	rows.EndRow(op)
	return nil
}

// shown appends one stored value as the column shows it.
func (im *Image) shown(b *frame.ColumnBuilder, c *storedColumn, v []byte) error {
	column := &im.Columns[c.frame]
	if column.mask == nil {
		return im.value(b, c, v)
	}
	return column.appendMasked(b, func(plain *frame.ColumnBuilder) error { return im.value(plain, c, v) })
}

// value appends one stored value. Split has made sure that it has the size its type asks for.
func (im *Image) value(b *frame.ColumnBuilder, c *storedColumn, v []byte) error {
	if c.modern != nil {
		v = c.modern(v)
	}
	switch c.kind {
	case kindInt:
		b.Int(signed(littleEndian(v), c.size))
	case kindUint:
		b.Uint(littleEndian(v))
	case kindYear:
		if v[0] == 0 {
			b.Uint(0)
		} else {
			b.Uint(uint64(v[0]) + 1900)
		}
	case kindBit:
		b.Uint(bigEndian(v))
	case kindDecimal:
		appendStoredDecimal(b, v, int(c.whole)+int(c.scale), int(c.scale))
	case kindWideDecimal:
		b.Bytes(storedDecimalText(nil, v, int(c.whole)+int(c.scale), int(c.scale)))
	case kindFloat:
		b.Float32(math.Float32frombits(binary.LittleEndian.Uint32(v)))
	case kindDouble:
		b.Float64(math.Float64frombits(binary.LittleEndian.Uint64(v)))
	case kindDate, kindDatetime, kindTimestamp:
		return im.date(b, c, v)
	case kindTime:
		b.Int(storedTime(v, c.digits))
	case kindText:
		return c.charset.append(b, v)
	case kindBinary:
		padded(b, v, c.width)
	case kindBlob, kindVector:
		b.Bytes(v)
	case kindGeometry:
		return appendGeometry(b, v)
	case kindEnum:
		n := littleEndian(v)
		if n > uint64(len(c.labels)) {
			return fmt.Errorf("ENUM value %d of %d", n, len(c.labels))
		}
		if n == 0 {
			b.String("")
		} else {
			b.String(c.labels[n-1])
		}
	case kindSet:
		return c.set(b, littleEndian(v))
	case kindJSON:
		return appendStoredJSON(b, v)
	case kindUUID:
		b.String(storedUUID(v))
	case kindInet4, kindInet6:
		return appendAddress(b, v, c.width)
	default:
		return fmt.Errorf("no way to read kind %d from the binlog", c.kind)
	}
	return nil
}

func (c *storedColumn) set(b *frame.ColumnBuilder, members uint64) error {
	var text string
	for i, label := range c.labels {
		if members>>i&1 == 0 {
			continue
		}
		if text != "" {
			text += ","
		}
		text += label
	}
	if len(c.labels) < 64 && members>>len(c.labels) != 0 {
		return fmt.Errorf("SET value %#x of %d members", members, len(c.labels))
	}
	b.String(text)
	return nil
}

// padded appends a BINARY(n), whose trailing zero bytes the binlog leaves out.
func padded(b *frame.ColumnBuilder, v []byte, n int) {
	if len(v) >= n {
		b.Bytes(v)
		return
	}
	full := make([]byte, n)
	copy(full, v)
	b.Bytes(full)
}

func appendGeometry(b *frame.ColumnBuilder, v []byte) error {
	if len(v) < 4 {
		return fmt.Errorf("geometry of %d bytes", len(v))
	}
	b.Bytes(v[4:])
	return nil
}

// fraction reads the fraction of a second after a temporal value, in
// microseconds. Two digits take a byte.
func fraction(v []byte, digits int) int64 {
	f := int64(bigEndian(v))
	switch (digits + 1) / 2 {
	case 1:
		return f * 10000
	case 2:
		return f * 100
	default:
		return f
	}
}

// storedTime reads TIME as stored since MySQL 5.6: 24 bits of sign, hour (11), minute (6), second (6), then
// the fraction; a negative time is the complement of the whole.
func storedTime(v []byte, digits int) int64 {
	bytes := len(v)
	packed := int64(bigEndian(v)) - 1<<(8*bytes-1)
	sign := int64(1)
	if packed < 0 {
		packed, sign = -packed, -1
	}
	fractionBits := 8 * (bytes - 3)
	whole := packed >> fractionBits
	micros := (whole>>12&1023*3600 + whole>>6&63*60 + whole&63) * microsPerSecond
	part := packed & (1<<fractionBits - 1)
	switch (digits + 1) / 2 {
	case 1:
		part *= 10000
	case 2:
		part *= 100
	}
	return sign * (micros + part)
}
