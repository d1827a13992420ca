package mysqltype

import "unicode/utf8"

// Multibyte is a character set whose characters take up to four bytes, with the meaning that one server gives to
// each. Servers differ from each other and from public tables in a few characters of most of them, so the table is
// filled with the server's own answers. What the server was not asked about, or would not convert, cannot be read.
type Multibyte struct {
	name   string
	single [256]string
	leads  func(b byte) bool
	// chars by code: the bytes of the character, first byte highest.
	two  [1 << 16]rune
	more map[uint32]rune
}

// NewMultibyte returns a character set of that name with an empty table; ok is false for one this release does not know.
func NewMultibyte(name string) (m *Multibyte, ok bool) {
	within := func(from, to byte) func(byte) bool { return func(b byte) bool { return b >= from && b <= to } }
	leads := map[string]func(byte) bool{
		"big5": within(0xa1, 0xf9), "gb2312": within(0xa1, 0xf7), "gbk": within(0x81, 0xfe), "gb18030": within(0x81, 0xfe),
		"euckr":   within(0x81, 0xfe),
		"sjis":    func(b byte) bool { return b >= 0x81 && b <= 0x9f || b >= 0xe0 && b <= 0xfc },
		"cp932":   func(b byte) bool { return b >= 0x81 && b <= 0x9f || b >= 0xe0 && b <= 0xfc },
		"ujis":    func(b byte) bool { return b >= 0xa1 && b <= 0xfe || b == 0x8e || b == 0x8f },
		"eucjpms": func(b byte) bool { return b >= 0xa1 && b <= 0xfe || b == 0x8e || b == 0x8f },
	}[name]
	return &Multibyte{name: name, leads: leads, more: map[uint32]rune{}}, leads != nil
}

// Codes calls ask with every run of bytes that may be a character, as long as it returns true. Those that the server finds
// to be one are to be given to Set.
func (m *Multibyte) Codes(ask func(code []byte) bool) {
	for b := range 256 {
		if m.leads(byte(b)) {
			continue
		}
		if !ask([]byte{byte(b)}) {
			return
		}
	}
	for lead := range 256 {
		if !m.leads(byte(lead)) {
			continue
		}
		for trail := 0x40; trail <= 0xfe; trail++ {
			if !ask([]byte{byte(lead), byte(trail)}) {
				return
			}
		}
	}
	switch m.name {
	case "ujis", "eucjpms":
		for b := 0xa1; b <= 0xfe; b++ {
			for c := 0xa1; c <= 0xfe; c++ {
				if !ask([]byte{0x8f, byte(b), byte(c)}) {
					return
				}
			}
		}
	case "gb18030":
		for i := range gb18030Basic {
			if !ask([]byte{byte(0x81 + i/12600), byte(0x30 + i/1260%10), byte(0x81 + i/10%126), byte(0x30 + i%10)}) {
				return
			}
		}
	}
}

// Four-byte characters of GB18030 in order: first those of Unicode's basic plane, which follow a table, and from
// gb18030Upper on those from U+10000. Source: GB 18030-2005.
const (
	gb18030Basic = 39420
	gb18030Upper = 189000
)

// Set notes what a code means.
func (m *Multibyte) Set(code []byte, text string) {
	r, size := utf8.DecodeRuneInString(text)
	if len(code) == 1 {
		m.single[code[0]] = text
		return
	}
	if size != len(text) { // not one character
		return
	}
	if len(code) == 2 {
		m.two[int(code[0])<<8|int(code[1])] = r
		return
	}
	m.more[codeOf(code)] = r
}

func codeOf(code []byte) (n uint32) {
	for _, b := range code {
		n = n<<8 | uint32(b)
	}
	return n
}

// Charset returns the character set, whose table must be complete.
func (m *Multibyte) Charset() *Charset {
	same := true
	for b := range 0x80 {
		same = same && m.single[b] == string(rune(b))
	}
	return &Charset{Name: m.name, asciiSame: same, strict: m.decode}
}

// decode appends src as UTF-8; ok is false when it holds what is no character.
func (m *Multibyte) decode(dst, src []byte) (out []byte, ok bool) {
	for len(src) > 0 {
		if !m.leads(src[0]) {
			text := m.single[src[0]]
			if text == "" {
				return dst, false
			}
			dst, src = append(dst, text...), src[1:]
			continue
		}
		n := 2
		switch {
		case len(src) > 1 && m.name == "gb18030" && src[1] >= 0x30 && src[1] <= 0x39:
			n = 4
		case src[0] == 0x8f && (m.name == "ujis" || m.name == "eucjpms"):
			n = 3
		}
		if len(src) < n {
			return dst, false
		}
		r := m.char(src[:n])
		if r == 0 {
			return dst, false
		}
		dst, src = utf8.AppendRune(dst, r), src[n:]
	}
	return dst, true
}

func (m *Multibyte) char(code []byte) rune {
	if len(code) == 2 {
		return m.two[int(code[0])<<8|int(code[1])]
	}
	if len(code) == 4 && code[0] >= 0x90 && code[2] >= 0x81 && code[2] <= 0xfe && code[3] >= 0x30 && code[3] <= 0x39 {
		i := ((int(code[0])-0x81)*10+int(code[1])-0x30)*1260 + (int(code[2])-0x81)*10 + int(code[3]) - 0x30
		if r := rune(0x10000 + i - gb18030Upper); r >= 0x10000 && r <= utf8.MaxRune {
			return r
		}
		return 0
	}
	return m.more[codeOf(code)]
}
