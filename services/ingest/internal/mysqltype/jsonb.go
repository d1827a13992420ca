package mysqltype

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/chittihq/duckling/pkg/frame"
)

// MySQL's binary JSON: a type byte, then the value. Objects and arrays hold their count and
// size, then entries that point at keys and values by offset from their own start; the small
// form uses 2-byte numbers, the large one 4. Source: json_binary.h in MySQL.
const (
	jsonSmallObject = 0
	jsonLargeObject = 1
	jsonSmallArray  = 2
	jsonLargeArray  = 3
	jsonLiteral     = 4
	jsonInt16       = 5
	jsonUint16      = 6
	jsonInt32       = 7
	jsonUint32      = 8
	jsonInt64       = 9
	jsonUint64      = 10
	jsonDouble      = 11
	jsonString      = 12
	jsonOpaque      = 15

	maxJSONDepth = 100 // MySQL's own limit
)

// appendStoredJSON appends binary JSON in the text MySQL prints for it, which
// is what a SELECT returns to the copy.
func appendStoredJSON(b *frame.ColumnBuilder, v []byte) error {
	if len(v) == 0 { // INSERT IGNORE of null into NOT NULL
		b.String("null")
		return nil
	}
	text, err := appendJSON(make([]byte, 0, 2*len(v)), v[0], v[1:], 0)
	if err != nil {
		return err
	}
	b.Bytes(text)
	return nil
}

var errJSON = fmt.Errorf("damaged binary JSON")

func appendJSON(dst []byte, typ byte, v []byte, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, errJSON
	}
	need := jsonFixed(typ)
	if len(v) < need {
		return nil, errJSON
	}
	switch typ {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return appendJSONContainer(dst, typ, v, depth)
	case jsonLiteral:
		switch v[0] {
		case 0:
			return append(dst, "null"...), nil
		case 1:
			return append(dst, "true"...), nil
		case 2:
			return append(dst, "false"...), nil
		}
		return nil, errJSON
	case jsonInt16, jsonInt32, jsonInt64:
		return strconv.AppendInt(dst, signed(littleEndian(v[:need]), need), 10), nil
	case jsonUint16, jsonUint32, jsonUint64:
		return strconv.AppendUint(dst, littleEndian(v[:need]), 10), nil
	case jsonDouble:
		return appendJSONDouble(dst, math.Float64frombits(binary.LittleEndian.Uint64(v))), nil
	case jsonString:
		s, err := jsonBytes(v)
		if err != nil {
			return nil, err
		}
		return appendJSONString(dst, s), nil
	case jsonOpaque:
		return appendJSONOpaque(dst, v)
	}
	return nil, errJSON
}

func appendJSONContainer(dst []byte, typ byte, v []byte, depth int) ([]byte, error) {
	number := 2
	if typ == jsonLargeObject || typ == jsonLargeArray {
		number = 4
	}
	if len(v) < 2*number {
		return nil, errJSON
	}
	count, size := int(littleEndian(v[:number])), int(littleEndian(v[number:2*number]))
	if size > len(v) {
		return nil, errJSON
	}
	v = v[:size]
	object := typ == jsonSmallObject || typ == jsonLargeObject
	keys, values := 2*number, 2*number
	if object {
		values += count * (number + 2)
	}
	if values+count*(number+1) > size {
		return nil, errJSON
	}
	open, end := byte('['), byte(']')
	if object {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if object {
			entry := v[keys+i*(number+2):]
			at, length := int(littleEndian(entry[:number])), int(littleEndian(entry[number:number+2]))
			if at+length > size {
				return nil, errJSON
			}
			dst = appendJSONString(dst, v[at:at+length])
			dst = append(dst, ": "...)
		}
		entry := v[values+i*(number+1):][:number+1]
		value := entry[1:]
		if !jsonInline(entry[0], number) {
			at := int(littleEndian(value))
			if at > size {
				return nil, errJSON
			}
			value = v[at:]
		}
		var err error
		if dst, err = appendJSON(dst, entry[0], value, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, end), nil
}

// jsonInline: values that fit into the entry stand there in place of an offset.
func jsonInline(typ byte, number int) bool {
	switch typ {
	case jsonLiteral, jsonInt16, jsonUint16:
		return true
	case jsonInt32, jsonUint32:
		return number == 4
	}
	return false
}

// jsonBytes reads a length, seven bits a byte, least significant first, and that many bytes.
func jsonBytes(v []byte) ([]byte, error) {
	var length uint64
	for i := 0; i < len(v) && i < 5; i++ {
		length |= uint64(v[i]&0x7f) << (7 * i)
		if v[i]&0x80 == 0 {
			v = v[i+1:]
			if length > uint64(len(v)) {
				return nil, errJSON
			}
			return v[:length], nil
		}
	}
	return nil, errJSON
}

func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			if c < 0x20 {
				dst = fmt.Appendf(dst, `\u%04x`, c)
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}

// appendJSONDouble writes the shortest text that reads back as f, in MySQL's
// form: plain from 1e-15 to 1e15, and up to 1e16 where a fraction is left; always with a point or an exponent so that
// it stays a double.
func appendJSONDouble(dst []byte, f float64) []byte {
	format := strconv.AppendFloat(nil, f, 'e', -1, 64)
	exponent := 0
	for i := len(format) - 1; i >= 0; i-- {
		if format[i] == 'e' {
			exponent, _ = strconv.Atoi(string(format[i+1:]))
			break
		}
	}
	if f == 0 || exponent >= -15 && exponent < 15 || exponent == 15 && f != math.Trunc(f) {
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if f == math.Trunc(f) {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	mantissa := format
	for i, c := range format {
		if c == 'e' {
			mantissa = format[:i]
			break
		}
	}
	dst = append(append(dst, mantissa...), 'e')
	return strconv.AppendInt(dst, int64(exponent), 10)
}

// appendJSONOpaque writes a value of an SQL type inside a document: decimals as numbers, dates and times as
// strings, the rest in base64 with the type's number, as MySQL does.
func appendJSONOpaque(dst, v []byte) ([]byte, error) {
	if len(v) < 1 {
		return nil, errJSON
	}
	typ := v[0]
	data, err := jsonBytes(v[1:])
	if err != nil {
		return nil, err
	}
	switch typ {
	case typeNewDecimal:
		if len(data) < 2 || len(data) < 2+decimalSize(int(data[0]), int(data[1])) || data[1] > data[0] {
			return nil, errJSON
		}
		return storedDecimalText(dst, data[2:], int(data[0]), int(data[1])), nil
	case typeDate, typeTimeOld, typeDatetimeOld, typeTimestampOld:
		if len(data) < 8 {
			return nil, errJSON
		}
		return appendJSONTemporal(dst, typ, int64(binary.LittleEndian.Uint64(data))), nil
	}
	dst = append(dst, '"')
	dst = fmt.Appendf(dst, "base64:type%d:", typ)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"'), nil
}

// Types that occur only inside JSON.
const (
	typeTimestampOld = 7
	typeTimeOld      = 11
	typeDatetimeOld  = 12
)

// appendJSONTemporal writes a packed temporal value: 40 bits as in
// storedDatetime or storedTime, then 24 bits of microseconds.
func appendJSONTemporal(dst []byte, typ byte, packed int64) []byte {
	sign := ""
	if packed < 0 {
		sign, packed = "-", -packed
	}
	micros, clock := packed&(1<<24-1), packed>>24
	second, minute := clock&63, clock>>6&63
	dst = append(dst, '"')
	if typ == typeTimeOld {
		dst = fmt.Appendf(dst, "%s%02d:%02d:%02d.%06d", sign, clock>>12&1023, minute, second, micros)
		return append(dst, '"')
	}
	day, yearMonth := clock>>17&31, clock>>22
	dst = fmt.Appendf(dst, "%04d-%02d-%02d", yearMonth/13, yearMonth%13, day)
	if typ != typeDate {
		dst = fmt.Appendf(dst, " %02d:%02d:%02d.%06d", clock>>12&31, minute, second, micros)
	}
	return append(dst, '"')
}

// jsonFixed is how many bytes a value of the type takes, 0 where that varies.
func jsonFixed(typ byte) int {
	switch typ {
	case jsonLiteral:
		return 1
	case jsonInt16, jsonUint16:
		return 2
	case jsonInt32, jsonUint32:
		return 4
	case jsonInt64, jsonUint64, jsonDouble:
		return 8
	}
	return 0
}
