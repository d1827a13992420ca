package ws

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

// request is a frame from a client.
type request struct {
	// ID is given back as it came, a string or a number.
	ID     json.RawMessage `json:"id"`
	Type   string          `json:"type"`
	APIKey string          `json:"apiKey"`
	SQL    string          `json:"sql"`
	Params query.Params    `json:"params"`

	// Meta asks for the generation and its age beside the rows.
	Meta     bool            `json:"meta"`
	Dialect  string          `json:"dialect"`
	Numbers  encode.Numbers  `json:"numbers"`
	Times    encode.Times    `json:"times"`
	JSONMode encode.JSONMode `json:"jsonMode"`
}

var (
	parseErrorID = json.RawMessage(`"parse-error"`)
	welcomeID    = json.RawMessage(`"welcome"`)
)

func (r *request) statement() (query.Statement, encode.Options, error) {
	options := encode.Options{Numbers: r.Numbers, Times: r.Times, JSON: r.JSONMode}
	mode, err := dialect.ParseMode(r.Dialect)
	if err == nil {
		err = options.Validate()
	}
	return query.Statement{SQL: r.SQL, Params: r.Params, Dialect: mode}, options, err
}

// begin appends a reply's start, up to where the result or the error goes.
func begin(dst []byte, id json.RawMessage, success bool) []byte {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	dst = append(dst, `{"id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"success":`...)
	return strconv.AppendBool(dst, success)
}

func appendDuration(dst []byte, took time.Duration) []byte {
	dst = append(dst, `,"duration":`...)
	return strconv.AppendFloat(dst, math.Round(float64(took)/float64(time.Microsecond))/1000, 'f', -1, 64)
}

func appendMeta(dst []byte, m *generation.Manifest, now time.Time) ([]byte, error) {
	meta, err := json.Marshal(query.AsOf(m, now))
	if err != nil {
		return dst, err
	}
	dst = append(dst, `,"meta":`...)
	return append(dst, meta...), nil
}

// appendError writes a failed reply. took is left out when it is negative.
func appendError(dst []byte, id json.RawMessage, err error, took time.Duration) []byte {
	dst = begin(dst, id, false)
	dst = append(dst, `,"error":`...)
	dst = encode.AppendString(dst, []byte(err.Error()))
	var e *query.Error
	if errors.As(err, &e) {
		dst = append(dst, `,"code":"`...)
		dst = append(dst, e.Code...)
		dst = append(dst, '"')
		if e.Line > 0 {
			dst = append(dst, `,"line":`...)
			dst = strconv.AppendInt(dst, int64(e.Line), 10)
			dst = append(dst, `,"column":`...)
			dst = strconv.AppendInt(dst, int64(e.Column), 10)
		}
	}
	if took >= 0 {
		dst = appendDuration(dst, took)
	}
	return append(dst, '}')
}

// rowReply is a successful reply of one row.
func rowReply(id json.RawMessage, row map[string]any) *buffer {
	data, err := json.Marshal([]any{row})
	if err != nil {
		return &buffer{appendError(nil, id, err, -1)}
	}
	reply := append(begin(nil, id, true), `,"result":`...)
	return &buffer{append(append(reply, data...), '}')}
}

// idOf reads the id of a frame whose other parts are wrong.
func idOf(frame []byte) json.RawMessage {
	var r struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(frame, &r) != nil {
		return parseErrorID
	}
	return r.ID
}

func problem(code query.Code, message string) error {
	return &query.Error{Code: code, Message: message}
}
