package mysqltype

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/chittihq/duckling/pkg/frame"
)

// MySQL stores a decimal as groups of nine digits, four big-endian bytes each;
// the digits left over at the far ends of both parts take as many bytes as they
// need. The first bit is the sign (1 for positive), and a negative number has all
// bits inverted. Source: decimal2bin in MySQL's strings/decimal.cc.
var leftoverBytes = [10]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

func decimalSize(precision, scale int) int {
	whole := precision - scale
	return whole/9*4 + leftoverBytes[whole%9] + scale/9*4 + leftoverBytes[scale%9]
}

// decimalGroups calls each with every group of a stored decimal, most significant first: its
// value and how many digits it stands for. It returns whether the number is negative.
func decimalGroups(data []byte, precision, scale int, each func(value uint32, digits int)) (negative bool) {
	negative = data[0]&0x80 == 0
	var mask byte
	if negative {
		mask = 0xff
	}
	first := true
	take := func(digits int) {
		if digits == 0 {
			return
		}
		var v uint32
		for _, b := range data[:leftoverBytes[digits]] {
			b ^= mask
			if first {
				b ^= 0x80 // the sign bit, not a digit
				first = false
			}
			v = v<<8 | uint32(b)
		}
		data = data[leftoverBytes[digits]:]
		each(v, digits)
	}
	whole := precision - scale
	take(whole % 9)
	for range whole / 9 {
		take(9)
	}
	for range scale / 9 {
		take(9)
	}
	take(scale % 9)
	return negative
}

var pow10 = [10]uint64{1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000}

// appendStoredDecimal appends a decimal of the binlog to a DECIMAL column.
func appendStoredDecimal(b *frame.ColumnBuilder, data []byte, precision, scale int) {
	var n wide
	negative := decimalGroups(data, precision, scale, func(v uint32, digits int) {
		n.push(uint64(v), pow10[digits])
	})
	n.append(b, precision, negative)
}

// storedDecimalText writes a decimal of the binlog as MySQL prints it.
func storedDecimalText(dst, data []byte, precision, scale int) []byte {
	digits := make([]byte, 0, precision)
	negative := decimalGroups(data, precision, scale, func(v uint32, n int) {
		var buf [9]byte
		for i := n - 1; i >= 0; i-- {
			buf[i] = byte('0' + v%10)
			v /= 10
		}
		digits = append(digits, buf[:n]...)
	})
	negative = negative && len(bytes.Trim(digits, "0")) > 0 // MariaDB stores -0 and prints 0
	whole := digits[:precision-scale]
	for len(whole) > 0 && whole[0] == '0' {
		whole = whole[1:]
	}
	if negative {
		dst = append(dst, '-')
	}
	if len(whole) == 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, whole...)
	if scale > 0 {
		dst = append(dst, '.')
		dst = append(dst, digits[precision-scale:]...)
	}
	return dst
}

// appendDecimalText appends a decimal in text, as the driver returns it, to a DECIMAL column.
func appendDecimalText(b *frame.ColumnBuilder, s []byte, precision, scale int) error {
	text := s
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	var n wide
	point, count := -1, 0
	for i, c := range text {
		switch {
		case c == '.' && point < 0:
			point = i
		case c >= '0' && c <= '9':
			n.push(uint64(c-'0'), 10)
			count++
		default:
			return fmt.Errorf("%q is no decimal", s)
		}
	}
	fraction := 0
	if point >= 0 {
		fraction = len(text) - point - 1
	}
	if count == 0 || fraction > scale {
		return fmt.Errorf("%q is no decimal with scale %d", s, scale)
	}
	for range scale - fraction {
		n.push(0, 10)
	}
	n.append(b, precision, negative)
	return nil
}

// wide is an unsigned number of up to 38 digits.
type wide struct{ hi, lo uint64 }

// push makes n into n*base + v.
func (n *wide) push(v, base uint64) {
	hi, lo := bits.Mul64(n.lo, base)
	lo, carry := bits.Add64(lo, v, 0)
	n.lo, n.hi = lo, n.hi*base+hi+carry
}

func (n *wide) append(b *frame.ColumnBuilder, precision int, negative bool) {
	if negative {
		var borrow uint64
		n.lo, borrow = bits.Sub64(0, n.lo, 0)
		n.hi, _ = bits.Sub64(0, n.hi, borrow)
	}
	if precision <= 18 {
		b.Int(int64(n.lo))
		return
	}
	b.Wide(n.lo, int64(n.hi))
}

func bigEndian(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func littleEndian(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// signed extends the sign of a little-endian number of width bytes.
func signed(v uint64, width int) int64 {
	shift := 64 - 8*width
	return int64(v<<shift) >> shift
}

func parseUint(v []byte) (uint64, error) {
	return strconv.ParseUint(string(v), 10, 64)
}
