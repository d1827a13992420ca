package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// store keeps objects by key; keys are paths with slashes. A Put that fails leaves no object; it may read r more than once.
type store interface {
	Put(ctx context.Context, key string, r io.ReadSeeker, size int64) error
	// Get returns an error that wraps fs.ErrNotExist for a key that is not there.
	Get(ctx context.Context, key string) (io.ReadCloser, error)
	// List returns all keys below prefix, in order.
	List(ctx context.Context, prefix string) ([]string, error)
	Remove(ctx context.Context, key string) error
}

// open returns the store that BACKUP_TO names.
func (c *Config) open() (store, error) {
	u, err := url.Parse(c.To)
	switch {
	case err != nil || (u.Scheme != "" && u.Scheme != "s3"):
		return nil, errors.New("BACKUP_TO must be a directory, or s3://bucket/prefix")
	case u.Scheme == "":
		return folder(c.To), nil
	default:
		return newBucket(u.Host, strings.Trim(u.Path, "/"), c.Endpoint, c.Region)
	}
}

// folder is a store in a directory.
type folder string

func (f folder) path(key string) string { return filepath.Join(string(f), filepath.FromSlash(key)) }

// unfinished ends the name of a file that is being written.
const unfinished = ".part"

// Put names the file once it is on the disk.
func (f folder) Put(_ context.Context, key string, r io.ReadSeeker, _ int64) (err error) {
	path := f.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("creating directory: %w", err)
	}
	file, err := os.Create(path + unfinished)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path+unfinished))
		}
	}()
	_, err = io.Copy(file, r)
	if err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(path+unfinished, path)
}

func (f folder) Get(_ context.Context, key string) (io.ReadCloser, error) {
	return os.Open(f.path(key))
}

func (f folder) List(_ context.Context, prefix string) ([]string, error) {
	var keys []string
	root := f.path(prefix)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(string(f), path)
		keys = append(keys, filepath.ToSlash(rel))
		return err
	})
	slices.Sort(keys)
	return keys, err
}

// Remove also removes the directory when the file was its last one.
func (f folder) Remove(_ context.Context, key string) error {
	path := f.path(key)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err == nil && len(left) == 0 {
		return os.Remove(filepath.Dir(path))
	}
	return nil
}
