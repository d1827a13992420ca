package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/chittihq/duckling/sdk/go/internal/wire"
)

var frames = []string{
	`{"id":"welcome","success":true,"result":[{"message":"m","architecture":"generations","version":"1"}]}`,
	`{"id":"2","success":true,"result":[{"name":"Ada"},{"name":null}],"duration":0.8,"meta":{"columns":[],"generation":42,"asOf":null,"lagMs":310}}`,
	`{"id":"4","success":true,"results":[{"success":true,"result":[{"n":3}],"duration":0.5},{"success":false,"error":"e","code":"NOT_FOUND","retryable":false,"position":14}],"duration":1.1}`,
	`{"id":"9","success":true,"type":"chunk","seq":3,"result":[{"id":1},{"id":2}]}`,
	`{"id":"9","success":true,"type":"end","chunks":1,"rows":2,"duration":3.4}`,
	`{"id":"10","success":true,"type":"update","seq":1,"added":[{"n":4}],"removed":[],"duration":0.9}`,
	`{"id":"2","success":false,"error":"queue full","code":"QUEUE_FULL","retryable":true,"retryAfterMs":250}`,
	`{"success":true,"type":"other","id":"\u0031","result":null,"future":{"id":"x","result":[[]]}}`,
	` { "id" : "7" , "success" : true , "result" : [ { } , {"a" : [ {} ] } ] } `,
}

// reply is the same frame as encoding/json knows it.
type reply struct {
	ID       string            `json:"id"`
	Success  bool              `json:"success"`
	Type     string            `json:"type,omitempty"`
	Result   []json.RawMessage `json:"result,omitempty"`
	Added    []json.RawMessage `json:"added,omitempty"`
	Removed  []json.RawMessage `json:"removed,omitempty"`
	Results  []reply           `json:"results,omitempty"`
	Meta     json.RawMessage   `json:"meta,omitempty"`
	Duration float64           `json:"duration"`
	Seq      int               `json:"seq"`
	Chunks   int               `json:"chunks"`
	Rows     int               `json:"rows"`
	Error    string            `json:"error,omitempty"`
	Code     string            `json:"code,omitempty"`
	Position *int              `json:"position,omitempty"`
}

func TestParseReadsWhatEncodingJSONReads(t *testing.T) {
	for _, frame := range frames {
		var want reply
		if err := json.Unmarshal([]byte(frame), &want); err != nil {
			t.Fatal(err)
		}
		same(t, []byte(frame), want)
	}
}

// Any reply, however it is laid out, is read as encoding/json wrote it.
func TestParseAnyReply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyReply(1).Draw(t, "reply")
		frame, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var wide bytes.Buffer
			if err := json.Indent(&wide, frame, " ", "\t"); err != nil {
				t.Fatal(err)
			}
			frame = wide.Bytes()
		}
		if err := json.Unmarshal(frame, &want); err != nil { // raw rows take the layout of the frame
			t.Fatal(err)
		}
		same(t, frame, want)
	})
}

func anyReply(depth int) *rapid.Generator[reply] {
	rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) json.RawMessage {
		row, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Float64Range(-1e9, 1e9))).Draw(t, "row"))
		if err != nil {
			t.Fatal(err)
		}
		return row
	}), 0, 200)
	return rapid.Custom(func(t *rapid.T) reply {
		r := reply{
			ID:      rapid.String().Draw(t, "id"),
			Success: rapid.Bool().Draw(t, "success"),
			Type:    rapid.SampledFrom([]string{"", "start", "chunk", "end", "update"}).Draw(t, "type"),
			Result:  rows.Draw(t, "result"), Added: rows.Draw(t, "added"), Removed: rows.Draw(t, "removed"),
			Meta:     json.RawMessage(`{"generation":1}`),
			Duration: rapid.Float64Range(0, 1e6).Draw(t, "duration"),
			Seq:      rapid.Int().Draw(t, "seq"), Chunks: rapid.Int().Draw(t, "chunks"), Rows: rapid.Int().Draw(t, "rows"),
			Error: rapid.String().Draw(t, "error"), Code: rapid.String().Draw(t, "code"),
			Position: rapid.Ptr(rapid.IntRange(0, 1000), true).Draw(t, "position"),
		}
		if depth > 0 {
			r.Results = rapid.SliceOfN(anyReply(depth-1), 0, 3).Draw(t, "results")
		}
		return r
	})
}

// FuzzParse feeds frames that no server should send. They must not be taken for good ones.
func FuzzParse(f *testing.F) {
	for _, frame := range frames {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := wire.Parse(frame)
		if err == nil && !json.Valid(frame) {
			t.Fatalf("%q is not JSON but was read as %+v", frame, r)
		}
		if _, err := wire.ID(frame); err != nil && json.Valid(frame) && bytes.HasPrefix(bytes.TrimSpace(frame), []byte("{")) {
			t.Fatalf("%q: no id can be read: %v", frame, err)
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func same(t fataler, frame []byte, want reply) {
	t.Helper()
	got, err := wire.Parse(frame)
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	if id, err := wire.ID(frame); err != nil || id != want.ID {
		t.Fatalf("%s has id %q, not %q (%v)", frame, want.ID, id, err)
	}
	sameReply(t, got, want)
}

func sameReply(t fataler, got wire.Reply, want reply) {
	t.Helper()
	if got.Success != want.Success || got.Duration != want.Duration || got.Seq != want.Seq || got.Chunks != want.Chunks || got.Rows != want.Rows ||
		(got.Type != want.Type && want.Type != "other") || string(got.Meta) != string(want.Meta) {
		t.Fatalf("%+v is not %+v", got, want)
	}
	sameRows(t, got.Result, want.Result)
	sameRows(t, got.Added, want.Added)
	sameRows(t, got.Removed, want.Removed)
	if f := got.Failure; !got.Success && (f.Error != want.Error || f.Code != want.Code || (f.Position == nil) != (want.Position == nil)) {
		t.Fatalf("%+v is not %+v", f, want)
	}
	if len(got.Results) != len(want.Results) {
		t.Fatalf("%d results, not %d", len(got.Results), len(want.Results))
	}
	for i := range want.Results {
		sameReply(t, got.Results[i], want.Results[i])
	}
}

func sameRows(t fataler, got wire.Rows, want []json.RawMessage) {
	t.Helper()
	if len(got.Start) != len(want) {
		t.Fatalf("%d rows, not %d", len(got.Start), len(want))
	}
	for i, w := range want {
		if row := got.Row(i); len(row) < len(w) || string(row[:len(w)]) != string(w) {
			t.Fatalf("row %d is %.100q, not %q", i, row, w)
		}
	}
}

func TestRowsByThemselves(t *testing.T) {
	r, err := wire.ParseRows([]byte(" [{\"a\":1} , {\"a\":2}] "))
	if err != nil || len(r.Result.Start) != 2 || string(r.Result.Text) != `[{"a":1} , {"a":2}]` {
		t.Fatalf("%+v (%v)", r, err)
	}
	for _, bad := range []string{``, `{}`, `[{}] x`, `[{}`, `[{},]`} {
		if _, err := wire.ParseRows([]byte(bad)); err == nil {
			t.Errorf("%q passed for rows", bad)
		}
	}
}
