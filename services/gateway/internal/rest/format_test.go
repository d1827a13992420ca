package rest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/gateway/internal/encode"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		name, accept string
		want         encode.Format
	}{
		{"", "", encode.FormatJSON},
		{"CSV", "application/json", encode.FormatCSV},
		{"", "text/html, */*;q=0.1", encode.FormatJSON},
		{"", "application/json;q=0.2, application/jsonl;q=0.3", encode.FormatNDJSON},
		{"", "TEXT/CSV; charset=utf-8; q=0.5", encode.FormatCSV},
		{"", "application/json;q=x, text/csv;q=0.1", encode.FormatCSV},
	} {
		if got, err := negotiate(c.name, c.accept); err != nil || got != c.want {
			t.Errorf("%q %q: %s, %v", c.name, c.accept, got, err)
		}
	}
	for _, c := range [][2]string{{"xml", ""}, {"", "image/png"}, {"", "application/json;q=0"}} {
		if got, err := negotiate(c[0], c[1]); err == nil {
			t.Errorf("%q: %s", c, got)
		}
	}
}

func TestCoding(t *testing.T) {
	for accept, want := range map[string]string{
		"": "", "identity": "", "br": "", "gzip": "gzip", "gzip, deflate, br, zstd": "zstd", "zstd;q=0, gzip": "gzip", "gzip;q=1, zstd;q=0.5": "gzip", "GZIP;q=0.1": "gzip",
	} {
		if got := coding(accept); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for header, want := range map[string]bool{"": false, `W/"a"`: true, `"a"`: true, `"b", W/"a"`: true, "*": true, `"b"`: false, `W/"aa"`: false} {
		if got := matches(header, `W/"a"`); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestPatientGivesUp(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	slow := 0
	p := &patient{ReadCloser: io.NopCloser(bytes.NewReader(make([]byte, 100))), conn: server, limit: 20 * time.Millisecond, slow: func() { slow++ }}
	piece := make([]byte, 10)
	if _, err := io.ReadFull(p, piece); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Write(piece); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to a client that does not read: %v", err)
	}
	if err := p.Close(); err != nil || slow != 1 {
		t.Fatal(err, slow)
	}
	go func() { _, _ = io.Copy(io.Discard, client) }()
	if _, err := server.Write(piece); err != nil {
		t.Errorf("the limit is left on the connection: %v", err)
	}
}
