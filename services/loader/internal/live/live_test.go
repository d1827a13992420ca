package live_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/live"
)

func open(t *testing.T, data string) *live.File {
	t.Helper()
	f, err := live.Open(data, "shop", live.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func fill(t *testing.T, f *live.File) {
	t.Helper()
	conn, err := f.DB.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec("CREATE TABLE t AS SELECT hash(i) AS h FROM range(1000000) r(i); CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
}

func TestSecondLoaderIsRefused(t *testing.T) {
	data := t.TempDir()
	f := open(t, data)
	_, err := live.Open(data, "shop", live.Options{})
	var held *live.HeldError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Fatalf("a second loader got %v", err)
	}
	f.Close()
	open(t, data).Close()
}

func TestDamagedFileIsNamed(t *testing.T) {
	for name, damage := range map[string]func(path string, size int64) error{
		"lost its end":    func(path string, size int64) error { return os.Truncate(path, size/2) },
		"lost its blocks": func(path string, size int64) error { return os.Truncate(path, generation.HeaderSize) },
		"lost its header": func(path string, size int64) error { return os.Truncate(path, 100) },
		"another file": func(path string, size int64) error {
			return os.WriteFile(path, []byte(strings.Repeat("not a database ", 2000)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			f := open(t, data)
			fill(t, f)
			size, err := f.Size()
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			path := generation.LivePath(data, "shop")
			if err := damage(path, size); err != nil {
				t.Fatal(err)
			}
			_, err = live.Open(data, "shop", live.Options{})
			var damaged *live.DamagedError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
			// The lock is given up again.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			open(t, data).Close()
		})
	}
}

// The header and checksum of a file that DuckDB wrote are as this package reads them.
func TestHeaderAndChecksum(t *testing.T) {
	data := t.TempDir()
	f := open(t, data)
	defer f.Close()
	fill(t, f)
	h, err := live.ReadHeader(f.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	if h.BlockSize != 256<<10 || h.Blocks < 20 || h.Iteration == 0 {
		t.Fatalf("header is %+v", h)
	}
	block := make([]byte, h.BlockSize)
	for i := range h.Blocks {
		if _, err := f.Blocks.ReadAt(block, generation.HeaderSize+i*h.BlockSize); err != nil {
			break // free blocks at the end are cut off
		}
		sum := live.Checksum(block)
		block[len(block)/2]++
		if live.Checksum(block) == sum {
			t.Fatalf("the checksum of block %d does not depend on its content", i)
		}
	}
	size, err := f.WALSize()
	if err != nil || size != 0 {
		t.Fatalf("after a checkpoint the log has %d bytes, %v", size, err)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "shop"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := live.Open(data, "shop", live.Options{})
	var damaged *live.DamagedError
	if err == nil || errors.As(err, &damaged) || !strings.Contains(err.Error(), "shop") {
		t.Fatalf("got %v", err)
	}
}

// A file that another release of DuckDB wrote, with a storage format this one does not read, is not called damaged.
func TestStorageFormatIsNamed(t *testing.T) {
	data := t.TempDir()
	f := open(t, data)
	fill(t, f)
	f.Close()
	path := generation.LivePath(data, "shop")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The main header has its checksum, DUCK and the version of the storage format.
	const part = generation.HeaderSize / 3
	binary.LittleEndian.PutUint64(raw[12:], 99)
	binary.LittleEndian.PutUint64(raw, live.Checksum(raw[:part]))
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = live.Open(data, "shop", live.Options{})
	var format *live.FormatError
	var damaged *live.DamagedError
	if !errors.As(err, &format) || errors.As(err, &damaged) || !strings.Contains(err.Error(), "version number 99") || !strings.Contains(err.Error(), duck.Version()) {
		t.Fatalf("got %v", err)
	}
}
