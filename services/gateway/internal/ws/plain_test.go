package ws

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// FuzzPlain holds the quick way of reading a frame to encoding/json's: what it takes it reads alike.
func FuzzPlain(f *testing.F) {
	for _, text := range plainFrames {
		f.Add([]byte(text))
	}
	f.Fuzz(agree)
}

// agree reports whether plain took the text.
func agree(t *testing.T, text []byte) {
	var quick, slow frame
	if !quick.plain(text) {
		if !reflect.DeepEqual(quick, frame{}) {
			t.Errorf("%s was not taken and changed the frame to %+v", text, quick)
		}
		return
	}
	if err := json.Unmarshal(text, &slow); err != nil {
		t.Errorf("%s was taken, and is wrong: %v", text, err)
	} else if !reflect.DeepEqual(quick, slow) {
		t.Errorf("%s was read as %+v, is %+v", text, quick, slow)
	}
}

var plainFrames = []string{
	`{"id":"1","type":"query","sql":"SELECT 1 AS a"}`,
	`{"type":"execute","statement":"s1","id":"a b"}`,
	`{"id":"1","type":"cancel","target":"7","type":"ping"}`,
	`{"id":"1","type":"query","sql":"SELECT ?","params":[1]}`,
	`{"id":"1","params":["a b",-7,0,-0,"",999999999999999999,"1"],"type":"query"}`,
	`{}`,
}

func TestPlainFramesAreReadAsEncodingJSONReadsThem(t *testing.T) {
	for _, text := range plainFrames {
		var f frame
		if !f.plain([]byte(text)) {
			t.Errorf("%s was not taken", text)
		}
		agree(t, []byte(text))
	}
	for _, params := range []string{"01", "-01", "00", "-", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "999999999999999999", "1.5", "1e3", "", "1,", ",1", "1 ", `"a`, `"é"`, `"\\n"`, "[1]", "null", "1]", `1],"params":[2`} {
		agree(t, []byte(`{"id":"1","params":[`+params+`],"type":"query","sql":"SELECT ?"}`))
	}
	parts := []string{
		`{`, `}`, `,`, `:`, `"`, `"id"`, `"ID"`, `"type"`, `"sql"`, `"target"`, `"statement"`, `"meta"`, `""`, `"welcome"`, `"x\n"`, `"é"`, `"a"`, ` `, `1`, `null`, `[`,
		`"id":"1",`, `"id":"1"`, `"type":"query"`, `,"sql":"SELECT 1"`, "\"\x01\"", "\"\xff\"", strings.Repeat("x", 129),
		`"params":[`, `]`, `"params":[1,"a"]`, `,"params":[7]`, `-`, `0`, `12`, `1.5`, `1e3`, `9223372036854775808`, `,2`, `,"b"`, `true`, `"params":null`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		text := []byte(`{`)
		for range random.IntN(8) {
			text = append(text, parts[random.IntN(len(parts))]...)
		}
		agree(t, append(text, '}'))
	}
}

func BenchmarkFrame(b *testing.B) {
	text := []byte(plainFrames[0])
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f frame
			f.plain(text)
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var f frame
			if err := json.Unmarshal(text, &f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
