package e2e

import (
	"bytes"
	"context"
	"encoding/hex"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/testkit/stack"
)

// mustHide looks for the secret, as it is and in hexadecimal digits; what is not masked proves that the search finds what there is.
func mustHide(t *testing.T, place string, text []byte) {
	t.Helper()
	if !bytes.Contains(text, []byte(openly)) {
		t.Errorf("%s do not show what is not masked", place)
	}
	upper := bytes.ToUpper(text)
	for _, form := range [][]byte{[]byte(secret), bytes.ToUpper([]byte(hex.EncodeToString([]byte(secret))))} {
		if at := bytes.Index(upper, form); at >= 0 {
			t.Errorf("%s show what is masked: %q", place, text[max(0, at-40):min(len(text), at+40)])
		}
	}
}

// files is all that a folder holds.
func files(t *testing.T, folder string) (all []byte) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(all, data...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// stream is the text of all that was published for a database.
func stream(ctx context.Context, t *testing.T, s *stack.Stack, database string) (all []byte) {
	t.Helper()
	b, err := bus.Connect(ctx, bus.Config{URL: s.NATSURL(), Name: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tail, err := b.Tail(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	read := false
	err = b.Consume(ctx, database, 1, bus.ConsumerOptions{}, func(m *bus.Message) error {
		f, err := frame.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		all = append(all, f.String()...)
		if m.Seq == tail.Last.Seq {
			read = true
			cancel()
		}
		return nil
	})
	if !read {
		t.Fatalf("reading the stream of %s: %v", database, err)
	}
	return all
}
