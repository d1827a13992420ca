package live

import (
	"errors"
	"fmt"
	"os"

	"github.com/chittihq/duckling/pkg/duck"
)

// wasteful is how many bytes may be free in a file before that matters.
const wasteful = 16 << 20

// Wasteful tells whether most of the file is free blocks. DuckDB reuses them, and gives back only those at the file's end.
func (f *File) Wasteful() (bool, error) {
	used, free, size, err := f.blocks()
	return free > used && free*size > wasteful, err
}

// Compact replaces the file with a copy of what is in it and closes it but for its lock: Close and Open must follow. No
// connection may be open. After an error the file is what it was.
func (f *File) Compact() error {
	fresh := f.path + ".compact"
	if err := f.copyTo(fresh); err != nil {
		return errors.Join(fmt.Errorf("compacting %s: %w", f.path, err), remove(fresh), remove(fresh+".wal"))
	}
	f.closeFile()
	size, err := f.WALSize()
	if err == nil && size > 0 {
		err = fmt.Errorf("its log holds %d bytes after a checkpoint", size)
	}
	if err == nil {
		err = os.Rename(fresh, f.path)
	}
	if err != nil {
		return fmt.Errorf("compacting %s: %w", f.path, err)
	}
	return nil
}

// copyTo makes a file of everything that is committed, on the disk.
func (f *File) copyTo(path string) error {
	if err := errors.Join(remove(path), remove(path+".wal")); err != nil {
		return err
	}
	conn, err := f.DB.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	const fresh = "compact"
	for _, sql := range []string{
		"CHECKPOINT",
		fmt.Sprintf("ATTACH %s AS %s", duck.Literal(path), fresh),
		fmt.Sprintf("COPY FROM DATABASE %s TO %s", duck.Identifier(f.Catalog()), fresh),
		"CHECKPOINT " + fresh,
		"DETACH " + fresh,
	} {
		if err := conn.Exec(sql); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Memory is how many bytes DuckDB holds in memory for the file and what is done with it.
func (f *File) Memory() (int64, error) {
	conn, err := f.DB.Connect()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	res, err := conn.Query(duck.Uncancelled, "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()")
	if err != nil {
		return 0, fmt.Errorf("reading DuckDB's memory: %w", err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return 0, fmt.Errorf("reading DuckDB's memory: %w", err)
	}
	return duck.Slice[int64](chunk.Column(0))[0], nil
}
