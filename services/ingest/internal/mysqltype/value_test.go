package mysqltype

import (
	"encoding/binary"
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
)

// Every day from year 1 on, against the standard library.
func TestEpochDay(t *testing.T) {
	for d := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 10000; d = d.AddDate(0, 0, 1) {
		days, ok := epochDay(d.Year(), int(d.Month()), d.Day())
		if want := d.Unix() / 86400; !ok || days != want {
			t.Fatalf("%v is day %d (%v), want %d", d, days, ok, want)
		}
	}
	for _, d := range [][3]int{{2023, 2, 29}, {1900, 2, 29}, {2024, 0, 1}, {2024, 13, 1}, {2024, 1, 0}, {2024, 4, 31}, {0, 0, 0}} {
		if _, ok := epochDay(d[0], d[1], d[2]); ok {
			t.Errorf("%v is a day", d)
		}
	}
}

// storeTime writes TIME(6) as MySQL does: my_time_packed_to_binary in its my_time.cc, put another way.
func storeTime(micros int64) []byte {
	sign := int64(1)
	if micros < 0 {
		sign, micros = -1, -micros
	}
	seconds := micros / 1_000_000
	packed := sign * ((seconds/3600<<12|seconds/60%60<<6|seconds%60)<<24 | micros%1_000_000)
	var out [8]byte
	binary.BigEndian.PutUint64(out[:], uint64(packed+1<<47))
	return out[2:]
}

func TestStoredTime(t *testing.T) {
	const longest = (838*3600 + 59*60 + 59) * 1_000_000
	for _, micros := range []int64{0, 1, -1, 999_999, -999_999, 1_000_000, -1_000_000, -1_000_001, 59_999_999, longest, -longest, 3_600_000_000, -3_599_000_001} {
		if got := storedTime(storeTime(micros), 6); got != micros {
			t.Errorf("time of %d microseconds reads as %d", micros, got)
		}
	}
}

func TestMultibyte(t *testing.T) {
	gb, ok := NewMultibyte("gb18030")
	if !ok {
		t.Fatal("gb18030 is unknown")
	}
	asked := 0
	gb.Codes(func(code []byte) bool {
		asked++
		switch {
		case len(code) == 1 && code[0] < 0x80:
			gb.Set(code, string(rune(code[0])))
		case string(code) == "\xd6\xd0":
			gb.Set(code, "中")
		case string(code) == "\x81\x30\x81\x30":
			gb.Set(code, "\u0080")
		case string(code) == "\xa1\xa1":
			gb.Set(code, "??") // the server made two of it
		}
		return true
	})
	if asked < 39420+126*190 {
		t.Errorf("the server was asked %d times", asked)
	}
	for text, want := range map[string]string{
		"a\xd6\xd0b": "a中b", "\x81\x30\x81\x30": "\u0080", "\x90\x30\x81\x30": "\U00010000", "\xe3\x32\x9a\x35": "\U0010FFFF",
		"\xa1\xa1": "", "\xd6": "", "\x81\x30\x81": "", "\xe3\x32\x9a\x36": "", "\xff": "", "\x90\x30\x20\x30": "",
	} {
		got, ok := gb.decode(nil, []byte(text))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%x reads as %q (%v), want %q", text, got, ok, want)
		}
	}
	if _, ok := NewMultibyte("latin1"); ok {
		t.Error("latin1 is one of them")
	}
}

func TestMask(t *testing.T) {
	show := func(c Column, v any) (string, bool) {
		t.Helper()
		def := &cdcv1.TableDefinition{Columns: []*cdcv1.Column{c.Frame()}}
		def.Fingerprint = frame.Fingerprint(def)
		rows := frame.NewRows(def)
		if _, err := c.AppendValue(rows.Column(0), v); err != nil {
			t.Fatal(err)
		}
		rows.EndRow(cdcv1.Operation_OPERATION_INSERT)
		view, err := frame.View(rows.Message(), def)
		if err != nil {
			t.Fatal(err)
		}
		return string(view.Columns[0].Bytes(0)), view.Columns[0].Null(0)
	}
	text, number := Column{Name: "c", kind: kindText, SourceType: "text"}, Column{Name: "c", kind: kindInt, width: 8, SourceType: "bigint"}
	hash := &Mask{Action: MaskHash, Salt: "key"}
	for _, c := range []*Column{&text, &number} {
		if err := c.SetMask(hash); err != nil {
			t.Fatal(err)
		}
	}
	// The well-known example of HMAC-SHA256.
	const fox, foxed = "The quick brown fox jumps over the lazy dog", "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
	if got, _ := show(text, []byte(fox)); got != foxed {
		t.Errorf("the hash is %s, want %s", got, foxed)
	}
	asText, _ := show(text, []byte("-42"))
	if got, _ := show(number, int64(-42)); got != asText {
		t.Errorf("a number's hash is %s, its text's %s", got, asText)
	}
	if _, null := show(text, nil); !null {
		t.Error("null got a hash")
	}
	float := Column{Name: "c", kind: kindDouble, SourceType: "double"}
	if float.SetMask(hash) == nil {
		t.Error("a double can be hashed")
	}
	if CheckKey([]Column{text}, []string{"c"}) != nil || CheckKey([]Column{text}, []string{"dropped"}) == nil {
		t.Error("a hashed key is refused, or a dropped one taken")
	}
	if err := text.SetMask(&Mask{Action: MaskRedact}); err != nil {
		t.Fatal(err)
	}
	if _, null := show(text, []byte("x")); !null || CheckKey([]Column{text}, []string{"c"}) == nil {
		t.Error("a redacted value shows, or may be a key")
	}
}

// What rows from before a column was added hold is said as later rows have it, or not at all.
func TestInitial(t *testing.T) {
	wide := Column{kind: kindWideDecimal, precision: 65, scale: 4, SourceType: "decimal(65,4)"}
	exact := Column{kind: kindEnum, SourceType: "enum('a','B','b','A')"}
	for _, test := range []struct {
		column  Column
		literal string
		want    string // empty: not said
	}{
		{wide, "0", "0.0000"}, {wide, "-007.5", "-7.5000"}, {wide, "-0", "0.0000"}, {wide, "1.23456", ""},
		{Column{kind: kindFloat, SourceType: "float"}, "1.5", "1.5"}, {Column{kind: kindFloat, SourceType: "float(7,3)"}, "1.23456", ""},
		{exact, "A", "A"}, {exact, "b", "b"}, {Column{kind: kindEnum, SourceType: "enum('a')"}, "A", "a"},
	} {
		if ok := test.column.SetInitial(test.literal, true); ok != (test.want != "") || ok && *test.column.Initial != test.want {
			t.Errorf("%s with default %s: %v, %v", test.column.SourceType, test.literal, ok, test.column.Initial)
		}
	}
}

// Numbers as the server prints them: measured on MySQL 9.7, which writes a fraction out below 1e16.
func TestJSONDoubles(t *testing.T) {
	for f, want := range map[float64]string{
		-1806525027056404.8: "-1806525027056404.8", 1e15: "1e15", 123456789012345.5: "123456789012345.5", 1234567890123456: "1.234567890123456e15",
		999999999999999: "999999999999999.0", 1e-15: "0.000000000000001", 1e-16: "1e-16", 9007199254740993: "9.007199254740992e15",
	} {
		if got := string(appendJSONDouble(nil, f)); got != want {
			t.Errorf("%v is %s, want %s", f, got, want)
		}
	}
}

// ZEROFILL is how a number is shown, and -0 is what MariaDB stores and does not show.
func TestDecimalsAsText(t *testing.T) {
	for text, want := range map[string]string{"0001.50": "1.50", "0000": "0", "00.5": "0.5", "-12.3": "-12.3"} {
		if got := string(unfilled([]byte(text))); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	zero := make([]byte, decimalSize(40, 2))
	for i := range zero {
		zero[i] = 0xff // the complement of nothing
	}
	zero[0] = 0x7f
	if got := string(storedDecimalText(nil, zero, 40, 2)); got != "0.00" {
		t.Errorf("minus nothing is %s", got)
	}
}

// What the driver returns for a column that was altered after it was described is an error, and no malformed frame.
func TestValueOfAnotherType(t *testing.T) {
	for _, test := range []struct {
		kind  kind
		value any
	}{{kindText, int64(1)}, {kindJSON, 1.5}, {kindDouble, float32(1)}, {kindFloat, 1.5}, {kindInt, 1.5}, {kindDate, int64(1)}, {kindDouble, int64(1)}, {kindInt, []byte("x")}} {
		c := Column{Name: "c", kind: test.kind, width: 4}
		def := &cdcv1.TableDefinition{Columns: []*cdcv1.Column{c.Frame()}}
		if _, err := c.AppendValue(frame.NewRows(def).Column(0), test.value); err == nil {
			t.Errorf("a %T was taken as %v", test.value, c.frameType())
		}
	}
}
