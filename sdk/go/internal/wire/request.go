// Package wire writes the frames a client sends and reads the frames a gateway answers with.
// Their shapes and meaning are in schemas/ws; the tests validate every frame against them.
package wire

import (
	"strconv"

	"github.com/chittihq/duckling/sdk/go/internal/jsonscan"
)

// MaxFrame is the largest frame the gateway reads. It closes the connection on a larger
// one, which would take every other request in flight with it.
const MaxFrame = 10 << 20

// Body is a request without its id, so that it can be sent again under another one.
type Body []byte

// Frame is the request as it goes over the wire.
func (b Body) Frame(id uint64) []byte {
	frame := make([]byte, 0, len(b)+32)
	frame = append(frame, `{"id":"`...)
	frame = strconv.AppendUint(frame, id, 10)
	frame = append(frame, `",`...)
	return append(frame, b...)
}

// Reading holds what every request that returns rows may say.
// Numbers are always asked for as JSON numbers: Go reads those exactly, whatever their size.
type Reading struct {
	Meta     bool // also send columns, generation and freshness
	NestJSON bool // send JSON columns as nested values, not as text
	Dialect  string
}

func (r Reading) close(b Body) Body {
	if r.Meta {
		b = append(b, `,"meta":true`...)
	}
	b = append(b, `,"numberMode":"number"`...)
	if r.NestJSON {
		b = append(b, `,"jsonMode":"value"`...)
	}
	return append(appendDialect(b, r.Dialect), '}')
}

func appendDialect(b Body, dialect string) Body {
	if dialect == "" {
		return b
	}
	return jsonscan.AppendString(append(b, `,"dialect":`...), dialect)
}

// Statement is one SQL text with its parameters, which Params has encoded.
type Statement struct {
	SQL    string
	Params []byte
}

func (s Statement) append(b Body) Body {
	b = append(b, `"sql":`...)
	b = jsonscan.AppendString(b, s.SQL)
	return appendParams(b, s.Params)
}

func appendParams(b Body, params []byte) Body {
	if len(params) == 0 {
		return b
	}
	b = append(b, `,"params":`...)
	return append(b, params...)
}

func (s Statement) size() int { return len(s.SQL) + len(s.SQL)/8 + len(s.Params) + 96 }

// Auth opens the connection for everything but ping.
func Auth(key string) Body {
	return append(jsonscan.AppendString(Body(`"type":"auth","apiKey":`), key), '}')
}

// Ping asks whether the gateway is there.
func Ping() Body { return Body(`"type":"ping"}`) }

// Query runs one statement.
func Query(s Statement, r Reading) Body {
	b := append(make(Body, 0, s.size()), `"type":"query",`...)
	return r.close(s.append(b))
}

// Batch runs statements on one generation.
func Batch(statements []Statement, r Reading) Body {
	size := 0
	for _, s := range statements {
		size += s.size()
	}
	b := append(make(Body, 0, size), `"type":"batch","queries":[`...)
	for i, s := range statements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(s.append(append(b, '{')), '}')
	}
	return r.close(append(b, ']'))
}

// Prepare keeps a statement on the connection.
func Prepare(sql, dialect string) Body {
	b := jsonscan.AppendString(Body(`"type":"prepare","sql":`), sql)
	return append(appendDialect(b, dialect), '}')
}

// Execute runs a prepared statement. r has no dialect: prepare was told.
func Execute(handle string, params []byte, r Reading) Body {
	b := jsonscan.AppendString(Body(`"type":"execute","statement":`), handle)
	return r.close(appendParams(b, params))
}

// Deallocate forgets a prepared statement.
func Deallocate(handle string) Body {
	return append(jsonscan.AppendString(Body(`"type":"deallocate","statement":`), handle), '}')
}

// Cancel stops the request with the id target.
func Cancel(target uint64) Body { return onTarget("cancel", target) }

// Unsubscribe ends the subscription with the id target.
func Unsubscribe(target uint64) Body { return onTarget("unsubscribe", target) }

func onTarget(kind string, target uint64) Body {
	b := append(Body(`"type":"`), kind...)
	b = append(b, `","target":"`...)
	return append(strconv.AppendUint(b, target, 10), `"}`...)
}

// Stream runs one statement and has its rows sent in chunks, of which the gateway may send
// credit at once.
func Stream(s Statement, r Reading, credit int) Body {
	b := append(make(Body, 0, s.size()), `"type":"stream",`...)
	b = append(s.append(b), `,"credit":`...)
	return r.close(strconv.AppendInt(b, int64(credit), 10))
}

// Credit lets the gateway send n more chunks. It goes under the stream's own id.
func Credit(n int) Body {
	return append(strconv.AppendInt(Body(`"type":"credit","credit":`), int64(n), 10), '}')
}

// Subscribe runs a statement now and again whenever its result may have changed.
func Subscribe(s Statement, r Reading, diff bool, minIntervalMs int64) Body {
	b := append(make(Body, 0, s.size()), `"type":"subscribe",`...)
	b = s.append(b)
	if diff {
		b = append(b, `,"diff":true`...)
	}
	if minIntervalMs > 0 {
		b = append(b, `,"minIntervalMs":`...)
		b = strconv.AppendInt(b, minIntervalMs, 10)
	}
	return r.close(b)
}
