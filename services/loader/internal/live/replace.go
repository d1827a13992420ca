package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chittihq/duckling/pkg/generation"
)

// Replace makes what fill writes the file of a database, in place of the one there may be. After an error the old one is
// as it was. It returns a *HeldError while a loader works in the directory.
func Replace(data, database string, fill func(*os.File) error) error {
	path := generation.LivePath(data, database)
	lock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer lock.Close()
	fresh := path + ".restored"
	if err := write(fresh, fill); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	// The log belongs to the old file. Without it that one is what it was at its last checkpoint, progress included.
	if err := os.Remove(path + ".wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old file's log: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("replacing the file: %w", err)
	}
	return nil
}

// write makes a file that is on the disk, and checks that it is DuckDB's.
func write(path string, fill func(*os.File) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	if err := fill(file); err != nil {
		return err
	}
	if _, err := ReadHeader(file); err != nil {
		return &DamagedError{Path: path, Reason: err}
	}
	return file.Sync()
}
