package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/chittihq/duckling/pkg/daemon"
)

// FileStore keeps the records in a JSON file, which gateways on one host or one shared volume may have in common: each
// change replaces the file as a whole, under a lock, and the others see it within a second.
type FileStore struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex // guards seen
	seen os.FileInfo
}

// NewFileStore makes a FileStore. A file that does not exist is one without keys; its folder must exist and be writable, if keys are
// to be made by this gateway.
func NewFileStore(path string, log *slog.Logger) *FileStore { return &FileStore{path: path, log: log} }

// poll is how often the file is looked at.
const poll = 500 * time.Millisecond

// Run implements Store. A file that cannot be read leaves the keys as they are.
func (f *FileStore) Run(ctx context.Context, keys *Keys) error {
	failing := daemon.NewRepeated(f.log)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if err := f.refresh(keys); err != nil {
			failing.Failed(ctx, "file of keys cannot be read", err)
		} else {
			failing.Recovered(ctx, "file of keys can be read again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// refresh reads the file when it is another one than last time.
func (f *FileStore) refresh(keys *Keys) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		keys.replace(nil)
		f.seen = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading API_KEYS_FILE: %w", err)
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return nil
	}
	all, err := f.read()
	if err != nil {
		return err
	}
	keys.replace(all)
	f.seen = info
	return nil
}

func (f *FileStore) read() ([]Record, error) {
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading API_KEYS_FILE: %w", err)
	}
	var all []Record
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("reading API_KEYS_FILE: %w", err)
	}
	return all, nil
}

// Put implements Store.
func (f *FileStore) Put(_ context.Context, r Record) error {
	return f.change(func(all []Record) []Record {
		if i := slices.IndexFunc(all, func(old Record) bool { return old.ID == r.ID }); i >= 0 {
			all[i] = r
			return all
		}
		return append(all, r)
	})
}

// Delete implements Store.
func (f *FileStore) Delete(_ context.Context, id string) error {
	return f.change(func(all []Record) []Record {
		return slices.DeleteFunc(all, func(r Record) bool { return r.ID == id })
	})
}

func (f *FileStore) change(edit func([]Record) []Record) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	all, err := f.read()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(edit(all), "", "  ")
	if err != nil {
		return fmt.Errorf("encoding keys: %w", err)
	}
	return f.write(append(data, '\n'))
}

// lock keeps other gateways from changing the file. It is on a file beside it, as the file itself is replaced.
func (f *FileStore) lock() (unlock func(), err error) {
	lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking API_KEYS_FILE: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		lock.Close()
		return nil, fmt.Errorf("locking API_KEYS_FILE: %w", err)
	}
	return func() { lock.Close() }, nil // which ends the lock
}

func (f *FileStore) write(data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(f.path), ".keys-")
	if err != nil {
		return fmt.Errorf("writing API_KEYS_FILE: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // when it was renamed there is nothing to remove
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("writing API_KEYS_FILE: %w", err)
	}
	return nil
}
