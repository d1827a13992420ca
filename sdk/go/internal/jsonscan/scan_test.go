package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

var samples = []string{
	`{"id":"1","success":true,"result":[{"a":1,"b":"x"},{"a":-2.5e+10,"b":null}],"duration":0.4}`,
	`[]`, `{}`, `[{}]`, ` [ 1 , 2 ] `, `"\u00e9\ud83d\ude00 \ud800 \udc00x"`, "\"\xff\"", `"a\\\"b\/\b\f\n\r\t"`,
	`-0`, `0.0`, `1e5`, `1E-5`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `tru`, `nul`, `true`, `false`, `null`, `truex`,
	`{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `[1 2]`, `{"a":1 "b":2}`, `{1:2}`, `"`, `"\`, `"\u12`, `"\u12g4"`,
	"\"a\nb\"", `""`, `"12345678"`, `"1234567\"9"`, ``, ` `, `1 1`, strings.Repeat("[", 50) + strings.Repeat("]", 50),
}

func TestAcceptsWhatEncodingJSONAccepts(t *testing.T) {
	for _, s := range samples {
		agree(t, []byte(s))
	}
}

func TestDepthIsBounded(t *testing.T) {
	for _, depth := range []int{10000, 10001} {
		agree(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		agree(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
}

func FuzzValue(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, b) })
}

// agree checks that the scanner and encoding/json judge b alike and read the same from it.
func agree(t *testing.T, b []byte) {
	t.Helper()
	err := jsonscan.Whole(b)
	if valid := json.Valid(b); (err == nil) != valid {
		t.Fatalf("%.200q: scanner says %v, json.Valid says %v", b, err, valid)
	}
	if err != nil {
		return
	}
	start := jsonscan.Space(b, 0)
	switch b[start] {
	case '"':
		sameText(t, bytes.TrimSpace(b))
	case '[':
		sameElements(t, b)
	case '{':
		sameMembers(t, b)
	}
}

func sameText(t *testing.T, quoted []byte) {
	t.Helper()
	var want string
	if err := json.Unmarshal(quoted, &want); err != nil {
		t.Fatal(err)
	}
	if got := jsonscan.Text(quoted); got != want {
		t.Fatalf("%q is %q, not %q", quoted, want, got)
	}
	again := jsonscan.AppendString(nil, want)
	var back string
	if err := json.Unmarshal(again, &back); err != nil || back != want {
		t.Fatalf("%q written as %s is read as %q (%v)", want, again, back, err)
	}
}

func sameElements(t *testing.T, b []byte) {
	t.Helper()
	var want []json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err := jsonscan.Elements(b, 0, func(start, end int) {
		if !bytes.Equal(b[start:end], want[n]) {
			t.Fatalf("element %d of %q is %q, not %q", n, b, want[n], b[start:end])
		}
		n++
	})
	if err != nil || n != len(want) {
		t.Fatalf("%q has %d elements, not %d (%v)", b, len(want), n, err)
	}
}

func sameMembers(t *testing.T, b []byte) {
	t.Helper()
	var want map[string]json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	got := map[string]json.RawMessage{}
	_, err := jsonscan.Members(b, 0, func(name []byte, start int) (int, error) {
		end, err := jsonscan.Value(b, start)
		got[jsonscan.Text(name)] = b[start:end]
		return end, err
	})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%q has %d members, not %d (%v)", b, len(want), len(got), err)
	}
	for k, v := range want {
		if !bytes.Equal(got[k], v) {
			t.Fatalf("member %q of %q is %q, not %q", k, b, v, got[k])
		}
	}
}

func TestWrongKindsAreRefused(t *testing.T) {
	b := []byte(nil)
	skip := func(_ []byte, start int) (int, error) { return jsonscan.Value(b, start) }
	for _, s := range []string{`1`, `{}`, ``, `[1`, `[1;2]`} {
		if _, err := jsonscan.Elements([]byte(s), 0, func(int, int) {}); err == nil {
			t.Errorf("%q passed as an array", s)
		}
	}
	for _, s := range []string{`1`, `[]`, ``, `{"a":1`, `{"a":1;}`, `{a:1}`} {
		b = []byte(s)
		if _, err := jsonscan.Members(b, 0, skip); err == nil {
			t.Errorf("%q passed as an object", s)
		}
	}
}
