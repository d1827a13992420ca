package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/query"
)

const (
	// wholeBytes is up to which size a result is sent with its length and with the status of its outcome; a longer one is streamed.
	wholeBytes = 64 << 10
	// pieceBytes is about how much of a stream is made at a time.
	pieceBytes = 256 << 10
	// trailerRows is the trailer of a stream that is whole: how many rows it has.
	trailerRows = "X-Duckling-Rows"
)

// stream is a result that is made while it is sent. It is read by the server, which flushes what it reads: so no more of a result than
// a piece is ever in memory, and a client that reads slowly slows its query down.
type stream struct {
	rows     *query.Rows
	format   encode.Format
	writer   encode.Writer
	zip      compressor // nil when the body is not compressed
	unzip    func()     // gives zip back
	manifest *generation.Manifest
	count    int64
	pending  bytes.Buffer
	ended    bool
	err      error

	// The rest is set when the result is streamed.
	conn    net.Conn
	header  *fasthttp.ResponseHeader
	limit   time.Duration // for the client to take a piece
	until   time.Time     // when the piece that was made last is to have been taken
	slow    func()        // is told that it was not
	release func()
}

// newStream begins a result. An error is of type *query.Error and leaves rows to the caller.
func newStream(rows *query.Rows, format encode.Format, coding string, options encode.Options, bom bool, m *generation.Manifest) (*stream, error) {
	s := &stream{rows: rows, format: format, manifest: m}
	var out io.Writer = &s.pending
	if coding != "" {
		s.zip, s.unzip = compress(coding, out)
		out = s.zip
	}
	var err error
	if s.writer, err = encode.NewWriter(out, format, rows.Columns(), options, bom); err != nil {
		s.endZip()
		return nil, explain(err)
	}
	return s, nil
}

// explain turns an error of an encoder into one for clients.
func explain(err error) error {
	var beyond *encode.RangeError
	if errors.As(err, &beyond) {
		return &query.Error{Code: query.CodeInvalid, Message: beyond.Error()}
	}
	return query.Explain(err)
}

// fill makes at least n bytes, or what there is to the end.
func (s *stream) fill(n int) {
	for s.pending.Len() < n && !s.ended && s.err == nil {
		s.step()
	}
}

func (s *stream) step() {
	chunk, err := s.rows.Next()
	switch {
	case err != nil:
		s.err = err
	case chunk == nil:
		s.finish()
	default:
		s.count += int64(chunk.Rows())
		if err := s.writer.Write(chunk); err != nil {
			s.err = explain(err)
		}
	}
}

func (s *stream) finish() {
	freshness, err := json.Marshal(query.AsOf(s.manifest, time.Now()))
	if err == nil {
		err = s.writer.Close(encode.Summary{Rows: s.count, Fields: freshness[1 : len(freshness)-1]})
	}
	if err == nil && s.zip != nil {
		err = s.zip.Close()
	}
	if err != nil {
		s.err = explain(err)
		return
	}
	s.ended = true
}

// Read implements io.Reader for the server. After a failure it returns an error, upon which the server closes the connection without the
// end of the body: so every client notices that the result is not whole.
func (s *stream) Read(p []byte) (int, error) {
	if s.pending.Len() == 0 {
		s.refill()
	}
	if s.pending.Len() > 0 {
		return s.pending.Read(p)
	}
	if s.err != nil {
		return 0, s.err
	}
	s.header.Set(trailerRows, strconv.FormatInt(s.count, 10))
	return 0, io.EOF
}

func (s *stream) refill() {
	if s.ended || s.err != nil {
		return
	}
	if s.err = s.rows.Resume(); s.err == nil {
		s.fill(pieceBytes)
		s.rows.Pause()
	}
	if s.err != nil {
		s.confess()
	}
	// Should this fail, so will the write.
	s.until = time.Now().Add(s.limit)
	_ = s.conn.SetWriteDeadline(s.until)
}

// confess tells what went wrong where the format has a place for it.
func (s *stream) confess() {
	if s.format != encode.FormatNDJSON {
		return
	}
	line, err := json.Marshal(describe(query.Explain(s.err)))
	if err != nil {
		return // the missing end says enough
	}
	line = append(line, '\n')
	if s.zip == nil {
		s.pending.Write(line)
		return
	}
	// A failure here leaves the line away; the missing end says enough.
	if _, err := s.zip.Write(line); err == nil {
		_ = s.zip.Flush()
	}
}

// Close implements io.Closer for the server, which calls it however the sending ended.
func (s *stream) Close() error {
	s.rows.Close()
	s.endZip()
	if s.conn != nil {
		if time.Now().After(s.until) && !s.until.IsZero() {
			s.slow()
		}
		_ = s.conn.SetWriteDeadline(time.Time{}) // the connection may have gone
	}
	if s.release != nil {
		s.release()
	}
	return nil
}

func (s *stream) endZip() {
	if s.unzip != nil {
		s.unzip()
		s.unzip = nil
	}
}
