package publish_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
)

// damages are what can become of a generation's file.
var damages = map[string]func(path string) error{
	"cut off":             func(path string) error { return os.Truncate(path, 5<<18) },
	"emptied":             func(path string) error { return os.Truncate(path, 0) },
	"deleted":             os.Remove,
	"main header changed": flip(100),
	"database header 1":   flip(4096 + 20),
	"database header 2":   flip(2*4096 + 20),
	"longer":              func(path string) error { return os.WriteFile(path, append(must(os.ReadFile(path)), 0), 0o600) },
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

func flip(offset int) func(string) error {
	return func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[offset] ^= 0xff
		return os.WriteFile(path, data, 0o600)
	}
}

// A damaged generation is refused by whoever checks it, and the next one owes nothing to it.
func TestDamagedGenerationIsRefusedAndReplaced(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			for range 5 {
				b.Publish()
				b.change()
			}
			if err := b.Pub.Verify(); err != nil {
				t.Fatalf("a whole generation is called damaged: %v", err)
			}
			dir := b.Dir()
			m, err := generation.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(dir, m.File)); err != nil {
				t.Fatal(err)
			}
			var damaged *generation.DamagedError
			for _, err := range []error{m.Check(dir), b.Pub.Verify()} {
				if !errors.As(err, &damaged) && !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("a damaged generation gives %v", err)
				}
			}
			if r := b.Publish(); !r.Full || r.Generation != m.Generation+1 {
				t.Fatalf("after a damaged generation: %+v", r)
			}
			b.Same()
			if err := b.Pub.Verify(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
