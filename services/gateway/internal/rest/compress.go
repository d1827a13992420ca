package rest

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compressor is a stream of compressed data. Both kinds are reused.
type compressor interface {
	io.Writer
	// Flush sends what was written so far, so that its reader need not wait for more.
	Flush() error
	// Close ends the stream.
	Close() error
	Reset(w io.Writer)
}

const (
	codingGzip = "gzip"
	codingZstd = "zstd"
)

var compressors = map[string]*sync.Pool{
	codingGzip: {New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		if err != nil {
			return nil // the level is known to the library
		}
		return w
	}},
	codingZstd: {New: func() any {
		// One goroutine and a window of 1 MiB keep what a stream takes small.
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			return nil // the options are known to the library
		}
		return w
	}},
}

// coding chooses how a body is compressed by Accept-Encoding: zstd before gzip, or "" for not at all.
func coding(accept string) string {
	best, chosen := 0.0, ""
	for _, w := range wishes(accept) {
		if _, ok := compressors[w.value]; !ok {
			continue
		}
		if w.weight > best || w.weight == best && w.weight > 0 && w.value == codingZstd {
			best, chosen = w.weight, w.value
		}
	}
	return chosen
}

// compress begins a stream that is written to w. end gives the compressor back.
func compress(coding string, w io.Writer) (c compressor, end func()) {
	pool := compressors[coding]
	c = pool.Get().(compressor) //nolint:forcetypeassert // the pools hold nothing else
	c.Reset(w)
	return c, func() {
		c.Reset(nil)
		pool.Put(c)
	}
}

// squeeze compresses a body as a whole.
func squeeze(coding string, body []byte) ([]byte, error) {
	var out bytes.Buffer
	c, end := compress(coding, &out)
	defer end()
	if _, err := c.Write(body); err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
