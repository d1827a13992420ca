// Package jsonscan walks JSON text in place: it finds where values begin and end
// without building anything. It accepts exactly what encoding/json accepts (a fuzz
// test holds the two together) and is several times faster on a large result,
// because a row is only decoded when it is scanned.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// maxDepth is the nesting encoding/json allows; beyond it hostile input could exhaust the stack.
const maxDepth = 10000

// ErrTruncated reports text that ends inside a value.
var ErrTruncated = errors.New("JSON ends inside a value")

// Space returns the index of the first byte at or after i that is not JSON white space.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// Value checks the value that begins at i (white space before it is allowed)
// and returns the index just past it.
func Value(b []byte, i int) (int, error) { return value(b, i, 0) }

// Whole checks that b holds one value and nothing else.
func Whole(b []byte) error {
	end, err := Value(b, 0)
	if err != nil {
		return err
	}
	if end = Space(b, end); end != len(b) {
		return unexpected(b, end, "after the value")
	}
	return nil
}

func value(b []byte, i, depth int) (int, error) {
	if i = Space(b, i); i >= len(b) {
		return i, ErrTruncated
	}
	switch c := b[i]; {
	case c == '"':
		return str(b, i)
	case c == '-' || isDigit(c):
		return number(b, i)
	case c == '{':
		return container(b, i, depth+1, '}')
	case c == '[':
		return container(b, i, depth+1, ']')
	case c == 't':
		return literal(b, i, "true")
	case c == 'f':
		return literal(b, i, "false")
	case c == 'n':
		return literal(b, i, "null")
	}
	return i, unexpected(b, i, "where a value begins")
}

// container walks an object (last is '}') or an array (last is ']') that opens at i.
func container(b []byte, i, depth int, last byte) (int, error) {
	if depth > maxDepth {
		return i, errors.New("JSON is nested deeper than 10000 levels")
	}
	if i = Space(b, i+1); i < len(b) && b[i] == last {
		return i + 1, nil
	}
	var err error
	for {
		if last == '}' {
			if _, i, err = Key(b, i); err != nil {
				return i, err
			}
		}
		if i, err = value(b, i, depth); err != nil {
			return i, err
		}
		if i = Space(b, i); i >= len(b) {
			return i, ErrTruncated
		}
		switch b[i] {
		case ',':
			i++
		case last:
			return i + 1, nil
		default:
			return i, unexpected(b, i, "after an element")
		}
	}
}

// Key reads `"name" :` at i and returns the name with its quotes, still escaped,
// and the index where the member's value begins.
func Key(b []byte, i int) (name []byte, next int, err error) {
	if i = Space(b, i); i >= len(b) {
		return nil, i, ErrTruncated
	}
	if b[i] != '"' {
		return nil, i, unexpected(b, i, "where a member's name begins")
	}
	end, err := str(b, i)
	if err != nil {
		return nil, end, err
	}
	name = b[i:end]
	if end = Space(b, end); end >= len(b) {
		return nil, end, ErrTruncated
	}
	if b[end] != ':' {
		return nil, end, unexpected(b, end, "after a member's name")
	}
	return name, Space(b, end+1), nil
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks (in the high bit of each byte) the first quote, backslash or control
// character among eight bytes. Marks above the first one may be false, which is
// harmless: only the lowest is used.
func special(x uint64) uint64 {
	quote, slash := x^(lows*'"'), x^(lows*'\\')
	return ((quote - lows) &^ quote & highs) | ((slash - lows) &^ slash & highs) | ((x - lows*0x20) &^ x & highs)
}

// str walks the string that opens at i.
func str(b []byte, i int) (int, error) {
	i++
	for {
		for i+8 <= len(b) {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			return i, ErrTruncated
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			end, err := escape(b, i)
			if err != nil {
				return end, err
			}
			i = end
		case c < 0x20:
			return i, unexpected(b, i, "inside a string")
		default:
			i++
		}
	}
}

// escape checks the escape sequence that begins with the backslash at i.
func escape(b []byte, i int) (int, error) {
	if i+1 >= len(b) {
		return i, ErrTruncated
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2, nil
	case 'u':
		if i+6 > len(b) {
			return i, ErrTruncated
		}
		if _, ok := hex4(b[i+2 : i+6]); !ok {
			return i, unexpected(b, i+2, `in a \u escape`)
		}
		return i + 6, nil
	}
	return i, unexpected(b, i+1, "after a backslash")
}

func number(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b):
		return i, ErrTruncated
	case b[i] == '0':
		i++
	case isDigit(b[i]):
		i = digits(b, i)
	default:
		return i, unexpected(b, i, "in a number")
	}
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return i, unexpected(b, end, "in a number's fraction")
		}
		i = end
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return i, unexpected(b, end, "in a number's exponent")
		}
		i = end
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func literal(b []byte, i int, want string) (int, error) {
	if len(b)-i < len(want) {
		return i, ErrTruncated
	}
	if string(b[i:i+len(want)]) != want {
		return i, unexpected(b, i, "where a value begins")
	}
	return i + len(want), nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func unexpected(b []byte, i int, where string) error {
	if i >= len(b) {
		return ErrTruncated
	}
	return fmt.Errorf("unexpected %q at byte %d of the JSON, %s", b[i], i, where)
}
