package source

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// chance makes the types and the values of random tables.
type chance struct {
	*rand.Rand
	mariadb bool
}

func (c chance) one(options ...string) string { return options[c.IntN(len(options))] }

func (c chance) once(in int) bool { return c.IntN(in) == 0 }

// randomType is a type as it is declared, and what makes values for it, as SQL.
type randomType struct {
	declared string
	value    func() string
	// keyed: may be part of a key.
	keyed bool
	// initial makes a default for a column that is added; nil where the type takes none.
	initial func() string
	// optional: the type has no value that stands for none.
	optional bool
	// dated: the type has values that are carried as null; keyed columns have others only.
	dated bool
}

// anyType draws a type with its parameters.
func (c chance) anyType() randomType {
	kinds := []func() randomType{c.integer, c.integer, c.decimal, c.decimal, c.float, c.bits, c.date, c.datetime, c.clock,
		c.text, c.text, c.text, c.bytes, c.bytes, c.label, c.json, c.special}
	return kinds[c.IntN(len(kinds))]()
}

// keyType draws a type that tells rows apart.
func (c chance) keyType() randomType {
	for {
		t := c.anyType()
		if !t.keyed {
			continue
		}
		if anyValue := t.value; t.dated {
			t.value = func() string {
				for {
					if v := anyValue(); !slices.ContainsFunc(oddDays, func(day string) bool { return strings.Contains(v, day) }) {
						return v
					}
				}
			}
			t.initial = nil
		}
		return t
	}
}

func (c chance) integer() randomType {
	i := c.IntN(5)
	name, bits := []string{"TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT"}[i], []int{8, 16, 24, 32, 64}[i]
	t := randomType{keyed: true, initial: func() string { return c.one("0", "1", "100", "'7'", "+5", "TRUE", "007") }}
	if c.once(2) {
		t.declared = name + c.one(" UNSIGNED", " UNSIGNED", "(5) ZEROFILL")
		most := uint64(math.MaxUint64) >> (64 - bits)
		t.value = func() string {
			return strconv.FormatUint([]uint64{0, most, most/2 + 1, c.Uint64() & most, c.Uint64N(100)}[c.IntN(5)], 10)
		}
		return t
	}
	t.declared = name + c.one("", "", "(1)")
	most := int64(math.MaxInt64) >> (64 - bits)
	t.value = func() string {
		return strconv.FormatInt([]int64{0, most, -most - 1, c.Int64() >> (64 - bits), int64(c.IntN(100)) - 20}[c.IntN(5)], 10)
	}
	return t
}

func (c chance) decimal() randomType {
	precision := 1 + c.IntN(65)
	scale := c.IntN(min(precision, 30) + 1)
	t := randomType{declared: fmt.Sprintf("DECIMAL(%d,%d)", precision, scale) + c.one("", "", "", " UNSIGNED", " ZEROFILL"), keyed: true}
	t.initial = func() string { return c.one("0", "'0'", "0.5", "'0.25'", t.value()) }
	t.value = func() string {
		digits := []byte(strings.Repeat("0", precision))
		for i := range digits {
			digits[i] = byte('0' + c.IntN(10))
		}
		switch c.IntN(4) {
		case 0:
			digits = []byte(strings.Repeat("9", precision))
		case 1:
			digits = []byte(strings.Repeat("0", precision-1) + "1")
		case 2: // written with fewer digits than the column has
			return c.one("", "-") + strconv.Itoa(c.IntN(10))
		}
		text := c.one("", "-") + "0" + string(digits[:precision-scale])
		if scale > 0 {
			text += "." + string(digits[precision-scale:])
		}
		return text
	}
	return t
}

func (c chance) float() randomType {
	t := randomType{declared: c.one("FLOAT", "DOUBLE", "DOUBLE", "FLOAT(7,3)", "DOUBLE(12,4)")}
	t.initial = func() string { return c.one("0", "-1.5", "'0.1'", "1.234567891", "1e3") }
	t.value = func() string {
		for {
			f := []float64{0, 0.1, 1234.56789, math.Float64frombits(c.Uint64()), float64(math.Float32frombits(c.Uint32())), math.MaxFloat64, 1e-300, 16777217}[c.IntN(8)]
			if !math.IsNaN(f) && !math.IsInf(f, 0) {
				return strconv.FormatFloat(f, []byte("eg")[c.IntN(2)], -1, 64)
			}
		}
	}
	return t
}

func (c chance) bits() randomType {
	n := 1 + c.IntN(64)
	return randomType{declared: fmt.Sprintf("BIT(%d)", n), keyed: true, initial: func() string { return "b'1'" }, value: func() string {
		return fmt.Sprintf("b'%b'", c.Uint64()>>(64-n))
	}}
}

// oddDays do not exist.
var oddDays = []string{"0000-00-00", "2024-00-10", "2024-05-00", "2023-02-30"}

func (c chance) day() string {
	switch c.IntN(12) {
	case 0:
		return c.one(oddDays...)
	case 1:
		return c.one("1000-01-01", "9999-12-31", "1969-12-31", "1970-01-01", "2024-02-29")
	}
	return fmt.Sprintf("%04d-%02d-%02d", 1+c.IntN(9999), 1+c.IntN(12), 1+c.IntN(28))
}

func (c chance) time() string {
	return fmt.Sprintf("%02d:%02d:%02d", c.IntN(24), c.IntN(60), c.IntN(60))
}

// fraction is that of a second, with as many digits as there are in the declaration or fewer.
func (c chance) fraction(digits int) string {
	if digits == 0 || c.once(4) {
		return ""
	}
	return fmt.Sprintf(".%06d", c.IntN(1_000_000))[:1+digits]
}

func (c chance) date() randomType {
	if c.once(4) {
		return randomType{declared: "YEAR", keyed: true, initial: func() string { return c.one("2024", "'1999'", "0000") }, value: func() string {
			return c.one("0", "1901", "2155", strconv.Itoa(1901+c.IntN(255)))
		}}
	}
	value := func() string { return "'" + c.day() + "'" }
	return randomType{declared: "DATE", keyed: true, dated: true, initial: value, value: value}
}

func (c chance) datetime() randomType {
	digits := c.IntN(7)
	if c.once(3) {
		return randomType{declared: fmt.Sprintf("TIMESTAMP(%d) NULL", digits), optional: true, initial: func() string { return c.one(fmt.Sprintf("CURRENT_TIMESTAMP(%d)", digits), "'2024-01-02 03:04:05'") }, value: func() string {
			if c.once(6) {
				return c.one("'0000-00-00 00:00:00'", "'1970-01-02 00:00:01'", "'2038-01-18 03:14:07'")
			}
			return fmt.Sprintf("'%04d-%02d-%02d %s%s'", 1971+c.IntN(66), 1+c.IntN(12), 1+c.IntN(28), c.time(), c.fraction(digits))
		}}
	}
	value := func() string { return "'" + c.day() + " " + c.time() + c.fraction(digits) + "'" }
	return randomType{declared: fmt.Sprintf("DATETIME(%d)", digits), keyed: true, dated: true, initial: value, value: value}
}

func (c chance) clock() randomType {
	digits := c.IntN(7)
	return randomType{declared: fmt.Sprintf("TIME(%d)", digits), keyed: true, initial: func() string { return "'-01:02:03'" }, value: func() string {
		return fmt.Sprintf("'%s%02d:%02d:%02d%s'", c.one("", "-"), []int{0, c.IntN(24), c.IntN(839)}[c.IntN(3)], c.IntN(60), c.IntN(59), c.fraction(digits))
	}}
}

// letters are written in the alphabets of the character sets that are drawn; what one does not have becomes a question mark at the source.
var letters = []rune("aAbzZ09 ?%_'\"\\\n\x00éßüñ€привет日本語ソ表中文功許한국어ﾊ\U0001F986\U00020000")

// characters are as many of them as there may be, or fewer.
func (c chance) characters(most int) string {
	out := make([]rune, c.IntN(min(most, 40)+1))
	plain := c.once(3)
	for i := range out {
		out[i] = letters[c.IntN(len(letters))]
		if plain {
			out[i] = letters[c.IntN(7)]
		}
	}
	text := string(out)
	if c.once(20) {
		text = strings.Repeat(text, most/max(len(out), 1))
	}
	return text
}

// literal is text that no session's settings change.
func literal(text string) string { return "_utf8mb4 x'" + hex.EncodeToString([]byte(text)) + "'" }

func (c chance) charset() string {
	sets := []string{"", "", "", "latin1", "koi8r", "utf16", "ucs2", "utf32", "ascii", "gbk", "gb2312", "big5", "sjis", "cp932", "ujis", "eucjpms", "euckr", "utf8mb3", "cp1251", "utf8mb4 COLLATE utf8mb4_bin"}
	if set := c.one(sets...); set != "" {
		return " CHARACTER SET " + set
	}
	return ""
}

func (c chance) text() randomType {
	most := c.IntN(300) + 1
	t := randomType{declared: fmt.Sprintf("VARCHAR(%d)", most) + c.charset(), keyed: most < 60}
	t.initial = func() string { return c.one("''", "'a'", "'a '", "'\\\\'", "\"'\"", "'é'", "5") }
	switch c.IntN(4) {
	case 0:
		most %= 256
		t.declared = fmt.Sprintf("CHAR(%d)", most) + c.charset()
		t.keyed = most < 60
	case 1:
		t.declared, most = c.one("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT")+c.charset(), 60
		t.keyed, t.initial = false, nil
	}
	t.value = func() string { return literal(c.characters(most)) }
	return t
}

func (c chance) bytes() randomType {
	most := c.one("1", "8", "16", "40", "200")
	t := randomType{declared: c.one("BINARY(", "VARBINARY(") + most + ")", keyed: most != "200", initial: func() string { return c.one("'a'", "x'00'") }}
	n, _ := strconv.Atoi(most)
	if c.once(3) {
		t.declared, t.keyed, t.initial, n = c.one("TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"), false, nil, 200
	}
	t.value = func() string {
		out := make([]byte, c.IntN(n+1))
		for i := range out {
			out[i] = byte(c.Uint32()) * byte(c.IntN(2)) // half of them zero
		}
		return "x'" + hex.EncodeToString(out) + "'"
	}
	return t
}

// label draws an ENUM or a SET. Labels that are not ASCII are left to the test of all types: servers damage them when a table is converted.
func (c chance) label() randomType {
	labels := []string{"a", "b", "c d", "it's", "10", "x-y"}
	suffix := ""
	if c.once(3) {
		labels, suffix = append(labels, "A", "B"), " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	c.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
	labels = labels[:1+c.IntN(len(labels))]
	quoted := slices.Clone(labels)
	for i := range quoted {
		quoted[i] = "'" + strings.ReplaceAll(quoted[i], "'", "''") + "'"
	}
	kind := c.one("ENUM", "SET")
	t := randomType{declared: kind + "(" + strings.Join(quoted, ",") + ")" + suffix, keyed: true, initial: func() string { return quoted[c.IntN(len(quoted))] }}
	t.value = func() string {
		if c.once(8) { // one that is not declared: the empty string at the source
			return c.one("'nothing'", "''", "0")
		}
		if kind == "SET" && c.once(2) {
			return strconv.Itoa(c.IntN(1 << len(labels)))
		}
		return quoted[c.IntN(len(quoted))]
	}
	return t
}

// json has its value as a literal of its own, for documents are compared as the server prints them.
func (c chance) json() randomType {
	return randomType{declared: "JSON", optional: c.mariadb, value: func() string { return literal(c.document(3)) }}
}

func (c chance) document(depth int) string {
	switch n := c.IntN(12); {
	case n == 0:
		return strconv.FormatInt(c.Int64()>>c.IntN(60), 10)
	case n == 1:
		return strconv.FormatUint(c.Uint64(), 10)
	case n == 2:
		return strconv.FormatFloat(c.NormFloat64()*math.Pow10(c.IntN(60)-30), []byte("eg")[c.IntN(2)], -1, 64)
	case n < 5:
		return c.one("true", "false", "null", "-0.0", "1.0", "1e15", "123456789012345680000", "0.1", "[]", "{}", `""`)
	case n < 8 || depth == 0:
		return strconv.QuoteToGraphic(strings.Map(func(r rune) rune {
			if r < ' ' {
				return 'n'
			}
			return r
		}, c.characters(30)))
	case n < 10:
		list := make([]string, c.IntN(5))
		for i := range list {
			list[i] = c.document(depth - 1)
		}
		return "[" + strings.Join(list, ",") + "]"
	default:
		list := make([]string, c.IntN(5))
		for i := range list {
			list[i] = fmt.Sprintf("%q: %s", c.one("k", "key", "é", "a longer name", "Z", "0")+strconv.Itoa(c.IntN(9)), c.document(depth-1))
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
}

func (c chance) special() randomType {
	number := func() string { return strconv.FormatFloat(c.NormFloat64()*100, 'f', c.IntN(5), 64) }
	point := func() string { return number() + " " + number() }
	switch n := c.IntN(3); {
	case n == 0:
		return randomType{declared: c.one("GEOMETRY", "POINT"), optional: true, value: func() string { return "ST_GeomFromText('POINT(" + point() + ")')" }}
	case n == 1:
		return randomType{declared: "GEOMETRY", optional: true, value: func() string {
			return "ST_GeomFromText('LINESTRING(" + point() + "," + point() + "," + point() + ")')"
		}}
	case !c.mariadb:
		return randomType{declared: "VECTOR(3)", optional: true, value: func() string {
			return "TO_VECTOR('[" + number() + "," + number() + "," + number() + "]')"
		}}
	}
	switch c.IntN(3) {
	case 0:
		return randomType{declared: "UUID", keyed: true, optional: true, value: func() string {
			a, b := c.Uint64(), c.Uint64()
			return fmt.Sprintf("'%08x-%04x-%04x-%04x-%012x'", a>>32, a>>16&0xffff, a&0x0fff|uint64(1+c.IntN(7))<<12, b>>48&0x3fff|0x8000, b&0xffffffffffff)
		}}
	case 1:
		return randomType{declared: "INET4", keyed: true, optional: true, value: func() string {
			n := c.Uint32()
			return fmt.Sprintf("'%d.%d.%d.%d'", n>>24, n>>16&255, n>>8&255, n&255*uint32(c.IntN(2)))
		}}
	}
	return randomType{declared: "INET6", keyed: true, optional: true, value: func() string {
		return fmt.Sprintf("'%x:%x::%x'", c.IntN(65536), c.IntN(65536), c.IntN(65536))
	}}
}
