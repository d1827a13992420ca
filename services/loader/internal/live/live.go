// Package live holds the loader's own DuckDB file of one database open: under a
// lock of the loader's, and with one descriptor for reading its blocks.
package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// HeldError says that another loader works in the directory.
type HeldError struct {
	Path, Holder string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("another loader (pid %s) holds %s; stop it, or set DATA_DIR to another directory", e.Holder, e.Path)
}

// DamagedError says that the file cannot be what this loader wrote.
type DamagedError struct {
	Path   string
	Reason error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged (%v); restore it from a backup, or move it away to have the database copied again", e.Path, e.Reason)
}

func (e *DamagedError) Unwrap() error { return e.Reason }

// FormatError says that another release of DuckDB wrote the file, in a storage format that this one does not read.
type FormatError struct {
	Path   string
	Reason error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s cannot be read by DuckDB %s (%v); run the release of Duckling that wrote it, or move the file away to have the database copied again",
		e.Path, duck.Version(), e.Reason)
}

func (e *FormatError) Unwrap() error { return e.Reason }

// Options limit what DuckDB takes. Empty values leave DuckDB's defaults.
type Options struct {
	MemoryLimit string
	Threads     int
}

// File is the open file.
type File struct {
	DB *duck.DB
	// Blocks reads the file beside DuckDB. It is one descriptor, opened once and closed
	// after DuckDB's own: closing any descriptor of a file gives up the process's fcntl locks on it,
	// DuckDB's among them, and a second writer could come in.
	Blocks io.ReaderAt

	path       string
	descriptor *os.File
	lock       *os.File
}

// Open opens or creates the file of a database in its directory under data.
func Open(data, database string, opts Options) (*File, error) {
	path := generation.LivePath(data, database)
	dir := filepath.Dir(path)
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, lock: lock}
	if err := f.open(dir, opts); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) open(dir string, opts Options) error {
	if err := f.check(); err != nil {
		return err
	}
	settings := []duck.Setting{
		{Name: "temp_directory", Value: filepath.Join(dir, "spill")},
		{Name: "autoinstall_known_extensions", Value: "false"},
		{Name: "autoload_known_extensions", Value: "false"},
	}
	if opts.MemoryLimit != "" {
		settings = append(settings, duck.Setting{Name: "memory_limit", Value: opts.MemoryLimit})
	}
	if opts.Threads > 0 {
		settings = append(settings, duck.Setting{Name: "threads", Value: fmt.Sprint(opts.Threads)})
	}
	var err error
	f.DB, err = duck.Open(f.path, duck.Options{Config: settings, After: []duck.Setting{
		// Checkpoints are the publisher's: between two of them the blocks that the
		// file's header reaches do not change.
		{Name: "checkpoint_threshold", Value: "1000 TB"},
		{Name: "TimeZone", Value: "UTC"},
	}})
	if err != nil {
		return f.explain(err)
	}
	if f.descriptor, err = os.Open(f.path); err != nil {
		return fmt.Errorf("opening %s for its blocks: %w", f.path, err)
	}
	f.Blocks = f.descriptor
	return f.checkSize()
}

// check looks at an existing file before DuckDB does, for a clearer error.
func (f *File) check() error {
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", f.path, err)
	}
	// Nothing is locked yet, so closing gives nothing up.
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	if info.Size() == 0 {
		return nil // created by a loader that was killed before DuckDB wrote to it
	}
	if _, err := ReadHeader(file); err != nil {
		return &DamagedError{Path: f.path, Reason: err}
	}
	return nil
}

// checkSize makes sure that the blocks in use fit into the file. DuckDB opens
// one that lost its end, and fails only when it reads there. The header's number of
// blocks says nothing: free ones at the end are cut off after it is written.
func (f *File) checkSize() error {
	used, _, size, err := f.blocks()
	if err != nil {
		return err
	}
	info, err := f.descriptor.Stat()
	if err != nil {
		return fmt.Errorf("reading the file's size: %w", err)
	}
	if need := generation.HeaderSize + used*size; info.Size() < need {
		return &DamagedError{Path: f.path, Reason: fmt.Errorf("it has %d bytes and the blocks in use take %d", info.Size(), need)}
	}
	return nil
}

// blocks is how many blocks are in use and free, and their size.
func (f *File) blocks() (used, free, size int64, err error) {
	conn, err := f.DB.Connect()
	if err != nil {
		return 0, 0, 0, err
	}
	defer conn.Close()
	res, err := conn.Query(duck.Uncancelled, "SELECT used_blocks, free_blocks, block_size FROM pragma_database_size() WHERE database_name = "+duck.Literal(f.Catalog()))
	if err != nil {
		return 0, 0, 0, fmt.Errorf("reading the file's size: %w", err)
	}
	defer res.Close()
	chunk, err := res.Next()
	if err != nil {
		return 0, 0, 0, fmt.Errorf("reading the file's size: %w", err)
	}
	if chunk == nil {
		return 0, 0, 0, errors.New("reading the file's size: DuckDB does not tell it")
	}
	return duck.Slice[int64](chunk.Column(0))[0], duck.Slice[int64](chunk.Column(1))[0], duck.Slice[int64](chunk.Column(2))[0], nil
}

// explain tells damage from other reasons why DuckDB does not open a file.
func (f *File) explain(err error) error {
	var known *duck.Error
	if !errors.As(err, &known) {
		return err
	}
	if first, _, _ := strings.Cut(known.Message, "\n"); strings.Contains(first, "version number") {
		return &FormatError{Path: f.path, Reason: errors.New(first)}
	}
	switch known.Kind {
	case "Serialization", "INTERNAL", "FATAL":
		return &DamagedError{Path: f.path, Reason: known}
	case "IO":
		for _, healing := range []string{"No space left", "Permission denied", "Read-only file system", "Too many open files", "Cannot open file"} {
			if strings.Contains(known.Message, healing) {
				return err
			}
		}
		return &DamagedError{Path: f.path, Reason: known}
	default:
		return err
	}
}

// Damaged returns err as a *DamagedError when it says that a block of the file is not what was written.
func (f *File) Damaged(err error) error {
	var known *duck.Error
	if errors.As(err, &known) && strings.Contains(known.Message, "Corrupt database file") {
		return &DamagedError{Path: f.path, Reason: known}
	}
	return err
}

// CloneTo makes target share the file's blocks, where the file system can
// (FICLONE); it fails with an error that wraps errors.ErrUnsupported where it cannot.
func (f *File) CloneTo(target *os.File) error {
	err := unix.IoctlFileClone(int(target.Fd()), int(f.descriptor.Fd()))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		return fmt.Errorf("sharing blocks: %w", errors.ErrUnsupported)
	}
	if err != nil {
		return fmt.Errorf("sharing blocks: %w", err)
	}
	return nil
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Catalog is the name that DuckDB gives the file.
func (f *File) Catalog() string {
	return strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path))
}

// WALSize is the size of the write-ahead log, 0 when there is none.
func (f *File) WALSize() (int64, error) {
	info, err := os.Stat(f.path + ".wal")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the size of the write-ahead log: %w", err)
	}
	return info.Size(), nil
}

// Close closes DuckDB, then the descriptor, then gives up the lock. Connections must be closed before.
func (f *File) Close() {
	f.closeFile()
	f.lock.Close()
}

func (f *File) closeFile() {
	if f.DB != nil {
		f.DB.Close()
	}
	if f.descriptor != nil {
		f.descriptor.Close()
	}
	f.DB, f.descriptor = nil, nil
}

// lockDirectory makes and locks a database's directory.
func lockDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // gateways of other users read what is below
		return nil, fmt.Errorf("creating directory of database %s: %w", filepath.Base(dir), err)
	}
	return takeLock(filepath.Join(dir, "loader.lock"))
}

// takeLock is there besides DuckDB's own because that one can be lost, see Blocks.
func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // it says who holds it
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		holder, _ := io.ReadAll(io.LimitReader(file, 32))
		return nil, &HeldError{Path: filepath.Dir(path), Holder: strings.TrimSpace(string(holder))}
	}
	if err := file.Truncate(0); err != nil {
		file.Close()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	if _, err := fmt.Fprintln(file, os.Getpid()); err != nil {
		file.Close()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return file, nil
}

// Size is the size of the file.
func (f *File) Size() (int64, error) {
	info, err := f.descriptor.Stat()
	if err != nil {
		return 0, fmt.Errorf("reading the size of %s: %w", f.path, err)
	}
	return info.Size(), nil
}

// Header is what a DuckDB file says of itself: a main header and two database
// headers of 4 KiB each, of which the one with the greater iteration counts.
// Each begins with its checksum. See MainHeader and DatabaseHeader in DuckDB's storage_info.hpp.
type Header struct {
	Iteration uint64
	// Blocks of BlockSize bytes follow the headers, at most so many: free ones at
	// the end are cut off after the header is written.
	Blocks, BlockSize int64
}

// ReadHeader reads and checks the headers of a file.
func ReadHeader(r io.ReaderAt) (Header, error) {
	raw := make([]byte, generation.HeaderSize)
	if _, err := r.ReadAt(raw, 0); err != nil {
		return Header{}, fmt.Errorf("reading its header: %w", err)
	}
	return ParseHeader(raw)
}

// ParseHeader reads and checks the first generation.HeaderSize bytes of a file.
func ParseHeader(raw []byte) (Header, error) {
	const part = generation.HeaderSize / 3
	if string(raw[8:12]) != "DUCK" {
		return Header{}, errors.New("it is not a DuckDB file")
	}
	var best Header
	for _, h := range [][]byte{raw[part : 2*part], raw[2*part:]} {
		number := func(i int) uint64 { return binary.LittleEndian.Uint64(h[8*i:]) }
		if Checksum(h) != number(0) || number(1) < best.Iteration || number(4) > 1<<40 {
			continue
		}
		best = Header{Iteration: number(1), Blocks: int64(number(4)), BlockSize: int64(number(5))}
	}
	if best.BlockSize < 1<<12 || best.BlockSize > 1<<24 {
		return Header{}, errors.New("neither of its database headers is whole")
	}
	return best, nil
}

// Checksum is what DuckDB stores in the first 8 bytes of a header or block of
// what follows them.
func Checksum(block []byte) uint64 {
	sum := uint64(5381)
	for p := block[8:]; len(p) >= 8; p = p[8:] {
		sum ^= binary.LittleEndian.Uint64(p) * 0xbf58476d1ce4e5b9
	}
	return sum
}
