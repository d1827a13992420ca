package encode

import (
	"math/big"
	"math/bits"
	"strconv"

	"github.com/chittihq/duckling/pkg/duck"
)

// maxSafe is the largest integer up to which a double holds every integer.
const maxSafe = 1<<53 - 1

func writeSmall[T int8 | int16 | int32 | uint8 | uint16 | uint32](c *column, dst []byte, i int) []byte {
	return strconv.AppendInt(dst, int64(duck.Slice[T](&c.vec)[i]), 10)
}

// quoted tells whether an integer is written as a string.
func (c *column) quoted(safe bool) bool {
	switch c.options.Numbers {
	case NumbersNumber:
		return false
	case NumbersString:
		return true
	default:
		return !safe
	}
}

func writeBigInt(c *column, dst []byte, i int) []byte {
	v := duck.Slice[int64](&c.vec)[i]
	if !c.quoted(-maxSafe <= v && v <= maxSafe) {
		return strconv.AppendInt(dst, v, 10)
	}
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, v, 10)
	return append(dst, '"')
}

func writeUBigInt(c *column, dst []byte, i int) []byte {
	return c.appendUnsigned(dst, false, 0, duck.Slice[uint64](&c.vec)[i])
}

func writeHugeInt(c *column, dst []byte, i int) []byte {
	negative, upper, lower := magnitude(duck.Slice[duck.Int128](&c.vec)[i])
	return c.appendUnsigned(dst, negative, upper, lower)
}

func writeUHugeInt(c *column, dst []byte, i int) []byte {
	v := duck.Slice[duck.Int128](&c.vec)[i]
	return c.appendUnsigned(dst, false, uint64(v.Upper), v.Lower)
}

func (c *column) appendUnsigned(dst []byte, negative bool, upper, lower uint64) []byte {
	quoted := c.quoted(upper == 0 && lower <= maxSafe)
	if quoted {
		dst = append(dst, '"')
	}
	if negative {
		dst = append(dst, '-')
	}
	dst = appendUint128(dst, upper, lower)
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

func magnitude(v duck.Int128) (negative bool, upper, lower uint64) {
	upper, lower = uint64(v.Upper), v.Lower
	if v.Upper >= 0 {
		return false, upper, lower
	}
	lower, borrow := bits.Sub64(0, lower, 0)
	upper, _ = bits.Sub64(0, upper, borrow)
	return true, upper, lower
}

func appendUint128(dst []byte, upper, lower uint64) []byte {
	if upper == 0 {
		return strconv.AppendUint(dst, lower, 10)
	}
	const chunk = 1e19 // the largest power of ten in 64 bits
	var low [3]uint64
	n := 0
	for upper != 0 {
		var rest uint64
		high := upper / chunk
		lower, rest = bits.Div64(upper%chunk, lower, chunk)
		upper = high
		low[n] = rest
		n++
	}
	dst = strconv.AppendUint(dst, lower, 10)
	for n--; n >= 0; n-- {
		dst = append(dst, "0000000000000000000"...)
		for at, v := len(dst)-1, low[n]; v > 0; at, v = at-1, v/10 {
			dst[at] = '0' + byte(v%10)
		}
	}
	return dst
}

// writeBigNum reads DuckDB's form: three bytes of header whose top bit is set
// for numbers that are not negative, then the magnitude, big-endian; all bytes of a negative one are inverted.
func writeBigNum(c *column, dst []byte, i int) []byte {
	b := c.vec.Bytes(i)
	negative := b[0]&0x80 == 0
	digits := make([]byte, len(b)-3)
	for n, v := range b[3:] {
		if negative {
			v = ^v
		}
		digits[n] = v
	}
	v := new(big.Int).SetBytes(digits)
	quoted := c.quoted(v.IsUint64() && v.Uint64() <= maxSafe)
	if negative {
		v.Neg(v)
	}
	if !quoted {
		return v.Append(dst, 10)
	}
	dst = append(dst, '"')
	dst = v.Append(dst, 10)
	return append(dst, '"')
}

var decimalWriters = map[duck.TypeID]func(*column, []byte, int) []byte{
	duck.SmallInt: writeDecimal[int16],
	duck.Integer:  writeDecimal[int32],
	duck.BigInt:   writeDecimal[int64],
	duck.HugeInt:  writeWideDecimal,
}

func writeDecimal[T int16 | int32 | int64](c *column, dst []byte, i int) []byte {
	v := int64(duck.Slice[T](&c.vec)[i])
	if v < 0 {
		return c.appendDecimal(dst, true, 0, uint64(-v))
	}
	return c.appendDecimal(dst, false, 0, uint64(v))
}

func writeWideDecimal(c *column, dst []byte, i int) []byte {
	negative, upper, lower := magnitude(duck.Slice[duck.Int128](&c.vec)[i])
	return c.appendDecimal(dst, negative, upper, lower)
}

// fifteenDigits is the bound below which every decimal survives a double.
const fifteenDigits = 1e15

func (c *column) appendDecimal(dst []byte, negative bool, upper, lower uint64) []byte {
	start := len(dst)
	dst = append(dst, '"')
	if negative {
		dst = append(dst, '-')
	}
	first := len(dst)
	dst = appendUint128(dst, upper, lower)
	if scale := c.typ.Scale; scale > 0 {
		for len(dst)-first <= scale {
			dst = append(dst[:first+1], dst[first:]...)
			dst[first] = '0'
		}
		point := len(dst) - scale
		dst = append(dst, 0)
		copy(dst[point+1:], dst[point:])
		dst[point] = '.'
	}
	if c.quoted(upper == 0 && lower < fifteenDigits || c.options.Numbers != NumbersString && sameAsDouble(dst[start+1:], c.typ.Scale)) {
		return append(dst, '"')
	}
	copy(dst[start:], dst[start+1:])
	return dst[:len(dst)-1]
}

// sameAsDouble tells whether a double prints the digits of text again, but for zeros at the end of a fraction.
// A value without a fraction must be a safe integer, as the integers are.
func sameAsDouble(text []byte, scale int) bool {
	if scale > 0 {
		for text[len(text)-1] == '0' {
			text = text[:len(text)-1]
		}
		if text[len(text)-1] == '.' {
			text = text[:len(text)-1]
			scale = 0
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	if scale == 0 {
		return -maxSafe <= f && f <= maxSafe
	}
	var buf [64]byte
	return string(strconv.AppendFloat(buf[:0], f, 'f', -1, 64)) == string(text)
}
