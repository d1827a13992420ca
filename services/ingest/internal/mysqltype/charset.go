package mysqltype

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/chittihq/duckling/pkg/frame"
)

// Charset turns stored text into UTF-8. The copy needs none, for there the
// server converts; what the stream brings is in the column's own character set.
// A Charset is not safe for concurrent use.
type Charset struct {
	Name string
	// decode appends src as UTF-8; nil when src is UTF-8.
	decode func(dst, src []byte) []byte
	// strict stands in place of decode where text may hold what cannot be read; it then returns false.
	strict func(dst, src []byte) ([]byte, bool)
	// asciiSame: bytes below 0x80 mean ASCII wherever they stand.
	asciiSame bool
	scratch   []byte
}

// BinaryCharset is the character set of columns that hold no text.
const BinaryCharset = "binary"

// SingleByte returns the character set whose byte b means table[b].
func SingleByte(name string, table [256]string) *Charset {
	same := true
	for b := range 0x80 {
		same = same && table[b] == string(rune(b))
	}
	return &Charset{Name: name, asciiSame: same, decode: func(dst, src []byte) []byte {
		for _, b := range src {
			dst = append(dst, table[b]...)
		}
		return dst
	}}
}

// Algorithmic returns a character set that needs no table: the Unicode
// encodings and ASCII. ok is false for any other name.
func Algorithmic(name string) (c *Charset, ok bool) {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8", BinaryCharset:
		return &Charset{Name: name, asciiSame: true}, true
	case "ascii": // what was made of a BLOB has other bytes too, which the server shows as question marks
		return &Charset{Name: name, asciiSame: true, decode: func(dst, src []byte) []byte {
			for _, b := range src {
				if b >= 0x80 {
					b = '?'
				}
				dst = append(dst, b)
			}
			return dst
		}}, true
	case "ucs2": // of characters with one unit: a surrogate is none, even before another
		return &Charset{Name: name, decode: func(dst, src []byte) []byte {
			for ; len(src) >= 2; src = src[2:] {
				dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint16(src)))
			}
			return dst
		}}, true
	case "utf16":
		return &Charset{Name: name, decode: func(dst, src []byte) []byte {
			return appendUTF16(dst, src, binary.BigEndian)
		}}, true
	case "utf16le":
		return &Charset{Name: name, decode: func(dst, src []byte) []byte {
			return appendUTF16(dst, src, binary.LittleEndian)
		}}, true
	case "utf32":
		return &Charset{Name: name, decode: func(dst, src []byte) []byte {
			for ; len(src) >= 4; src = src[4:] {
				dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint32(src)))
			}
			return dst
		}}, true
	}
	return nil, false
}

func appendUTF16(dst, src []byte, order binary.ByteOrder) []byte {
	for len(src) >= 2 {
		r := rune(order.Uint16(src))
		src = src[2:]
		if utf16.IsSurrogate(r) && len(src) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(src))); pair != utf8.RuneError {
				r, src = pair, src[2:]
			}
		}
		dst = utf8.AppendRune(dst, r) // a lone surrogate becomes U+FFFD
	}
	return dst
}

// append adds text in this character set to a TEXT column.
func (c *Charset) append(b *frame.ColumnBuilder, text []byte) error {
	switch {
	case c.decode == nil && c.strict == nil, c.asciiSame && isASCII(text):
		appendUTF8(b, text)
		return nil
	case c.strict != nil:
		var ok bool
		if c.scratch, ok = c.strict(c.scratch[:0], text); !ok {
			return fmt.Errorf("text holds bytes that are no character of %s", c.Name)
		}
	default:
		c.scratch = c.decode(c.scratch[:0], text)
	}
	appendUTF8(b, c.scratch)
	return nil
}

// text is append for labels, which are converted once.
func (c *Charset) text(s []byte) (string, error) {
	switch {
	case c.strict != nil:
		out, ok := c.strict(nil, s)
		if !ok {
			return "", fmt.Errorf("a label holds bytes that are no character of %s", c.Name)
		}
		return string(out), nil
	case c.decode != nil:
		s = c.decode(nil, s)
	}
	return string(mended(s)), nil
}

// Text is text in this character set as UTF-8, with U+FFFD for what is no character.
func (c *Charset) Text(s string) string {
	if out, err := c.text([]byte(s)); err == nil {
		return out
	}
	return string(mended([]byte(s)))
}

// appendUTF8 adds text to a TEXT column, which must hold valid UTF-8. Servers check most of what they store, but older
// versions and LOAD DATA let damage in, and UCS-2 and UTF-8 columns may hold surrogates.
func appendUTF8(b *frame.ColumnBuilder, text []byte) {
	b.Bytes(mended(text))
}

// mended puts U+FFFD for each byte that belongs to no character, and one for a surrogate: the server sends the
// latter as three bytes, and in UTF-16 and UCS-2 it is one.
func mended(text []byte) []byte {
	if isASCII(text) || utf8.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text)+2*utf8.UTFMax)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if len(text) >= 3 && text[0] == 0xed && text[1]&0xe0 == 0xa0 && text[2]&0xc0 == 0x80 {
			size = 3
		}
		out, text = utf8.AppendRune(out, r), text[size:]
	}
	return out
}

func isASCII(s []byte) bool {
	for len(s) >= 8 {
		if binary.LittleEndian.Uint64(s)&0x8080808080808080 != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range s {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
