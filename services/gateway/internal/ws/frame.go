package ws

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// frame is a message from a client, of any type; schemas/ws describes them.
type frame struct {
	ID   requestID `json:"id"`
	Type string    `json:"type"`

	APIKey string `json:"apiKey"`

	SQL     string       `json:"sql"`
	Params  query.Params `json:"params"`
	Queries []item       `json:"queries"`
	// Meta asks for the columns and the generation beside the rows.
	Meta       bool            `json:"meta"`
	Dialect    string          `json:"dialect"`
	NumberMode encode.Numbers  `json:"numberMode"`
	DateMode   encode.Times    `json:"dateMode"`
	JSONMode   encode.JSONMode `json:"jsonMode"`

	// TraceParent is the W3C header of that name, for clients that trace.
	TraceParent string `json:"traceparent"`

	Statement string `json:"statement"`
	Target    string `json:"target"`

	Credit        *int  `json:"credit"`
	ChunkRows     *int  `json:"chunkRows"`
	Diff          bool  `json:"diff"`
	MinIntervalMs int64 `json:"minIntervalMs"`
}

// item is one query of a batch.
type item struct {
	SQL    string       `json:"sql"`
	Params query.Params `json:"params"`
}

// read takes what a client sent. A frame without an id leaves ID empty.
func (f *frame) read(text []byte) error {
	if f.plain(text) {
		return nil
	}
	return json.Unmarshal(text, f)
}

// statements is how many the frame asks to have run or prepared.
func (f *frame) statements() int {
	switch f.Type {
	case "batch":
		return len(f.Queries)
	case "query", "prepare", "execute", "stream", "subscribe":
		return 1
	}
	return 0
}

// requestID is the id that a client chose, and the same as JSON.
type requestID struct {
	text string
	json []byte
}

var (
	errID        = errors.New("an id is a string of 1 to 128 characters")
	parseErrorID = requestID{json: []byte(`"parse-error"`)}
	welcomeID    = requestID{json: []byte(`"welcome"`)}
)

// UnmarshalJSON implements json.Unmarshaler.
func (id *requestID) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '"' {
		return errID
	}
	if inside, _, ok := plainString(data); ok {
		id.text = string(inside)
	} else if err := json.Unmarshal(data, &id.text); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(id.text); n == 0 || n > 128 || id.text == "welcome" || id.text == "parse-error" {
		return errID
	}
	id.json = append([]byte(nil), data...)
	return nil
}

// idOf reads the id of a frame whose other parts are wrong.
func idOf(text []byte) requestID {
	var f struct {
		ID requestID `json:"id"`
	}
	if json.Unmarshal(text, &f) != nil || f.ID.json == nil {
		return parseErrorID
	}
	return f.ID
}

// options reads how the client wants its values.
func (f *frame) options() (dialect.Mode, encode.Options, error) {
	options := encode.Options{Numbers: f.NumberMode, Times: f.DateMode, JSON: f.JSONMode}
	if options.Numbers == "" {
		options.Numbers = encode.NumbersAuto
	}
	if options.Times == "" {
		options.Times = encode.TimesSQL
	}
	if options.JSON == "" {
		options.JSON = encode.JSONText
	}
	mode, err := dialect.ParseMode(f.Dialect)
	if err == nil {
		err = options.Validate()
	}
	if err != nil {
		return "", options, problem(query.CodeInvalidRequest, err.Error())
	}
	return mode, options, nil
}

// begin appends a reply's start, up to where the result or the error goes.
func begin(dst []byte, id requestID, success bool) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, id.json...)
	dst = append(dst, `,"success":`...)
	return strconv.AppendBool(dst, success)
}

func appendDuration(dst []byte, took time.Duration) []byte {
	dst = append(dst, `,"duration":`...)
	return strconv.AppendFloat(dst, math.Round(float64(took)/float64(time.Microsecond))/1000, 'f', -1, 64)
}

// appendMeta writes what a result is and how fresh.
func appendMeta(dst []byte, columns []duck.Column, m *generation.Manifest, now time.Time) []byte {
	f := query.AsOf(m, now)
	dst = append(dst, `,"meta":{"columns":`...)
	dst = appendColumns(dst, columns)
	dst = append(dst, `,"generation":`...)
	dst = strconv.AppendUint(dst, f.Generation, 10)
	dst = append(dst, `,"asOf":`...)
	if f.AsOf == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, '"')
		dst = f.AsOf.AppendFormat(dst, "2006-01-02T15:04:05.999999Z")
		dst = append(dst, '"')
	}
	dst = append(dst, `,"lagMs":`...)
	dst = strconv.AppendInt(dst, f.LagMs, 10)
	dst = append(dst, `,"position":{`...)
	comma := ""
	if f.Position.GTIDSet != "" {
		dst = append(dst, `"gtidSet":`...)
		dst = encode.AppendString(dst, []byte(f.Position.GTIDSet))
		comma = ","
	}
	if f.Position.File != "" {
		dst = append(dst, comma...)
		dst = append(dst, `"file":`...)
		dst = encode.AppendString(dst, []byte(f.Position.File))
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendUint(dst, f.Position.Offset, 10)
	}
	return append(dst, "}}"...)
}

func appendColumns(dst []byte, columns []duck.Column) []byte {
	dst = append(dst, '[')
	for i, name := range encode.UniqueNames(columns) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = encode.AppendString(dst, []byte(name))
		dst = append(dst, `,"type":`...)
		dst = encode.AppendString(dst, []byte(columns[i].Type.String()))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendFailure writes the fields of a failure after its "success":false. took is left out when it is negative.
func appendFailure(dst []byte, err error, took time.Duration) []byte {
	e := query.Explain(err)
	dst = append(dst, `,"error":`...)
	dst = encode.AppendString(dst, []byte(e.Message))
	dst = append(dst, `,"code":"`...)
	dst = append(dst, e.Code...)
	dst = append(dst, `","retryable":`...)
	dst = strconv.AppendBool(dst, e.Code.Retryable())
	if e.RetryAfter > 0 {
		dst = append(dst, `,"retryAfterMs":`...)
		dst = strconv.AppendInt(dst, e.RetryAfter.Milliseconds(), 10)
	}
	if e.Line > 0 {
		dst = append(dst, `,"position":`...)
		dst = strconv.AppendInt(dst, int64(e.Position), 10)
	}
	if took >= 0 {
		dst = appendDuration(dst, took)
	}
	return append(dst, '}')
}

// failure is the reply to a request that failed.
func failure(id requestID, err error, took time.Duration) *buffer {
	b := newBuffer()
	b.bytes = appendFailure(begin(b.bytes, id, false), err, took)
	return b
}

// rowReply is a successful reply of one fixed object.
func rowReply(id requestID, object string) *buffer {
	b := newBuffer()
	b.bytes = begin(b.bytes, id, true)
	b.bytes = append(b.bytes, `,"result":[`...)
	b.bytes = append(b.bytes, object...)
	b.bytes = append(b.bytes, "]}"...)
	return b
}

func problem(code query.Code, message string) error {
	return &query.Error{Code: code, Message: message}
}
