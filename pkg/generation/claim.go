package generation

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrHeld says that a reader has the generation open.
var ErrHeld = errors.New("the generation is in use")

// Claim is the loader's exclusive hold on one generation's file. Readers hold a
// shared lock for as long as DuckDB has the file open, which makes DuckDB's own
// fcntl lock the lease. A reader that tries to open a claimed file fails and reads the manifest again.
//
// The lock belongs to the open file, not to the process (F_OFD_SETLK), so that
// nothing else in the process can drop it. It reaches every process on this
// kernel, in containers too, and none on other hosts.
type Claim struct{ *os.File }

// TakeClaim opens path for writing and locks it, or returns ErrHeld. With create the file is made if it is not there.
func TakeClaim(path string, create bool) (*Claim, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := locked(path, flags, unix.F_WRLCK)
	if err != nil {
		return nil, err
	}
	return &Claim{f}, nil
}

// Lease is a reader's hold on one generation's file, for readers that are not DuckDB: while it is open no Claim is
// given.
type Lease struct{ *os.File }

// TakeLease opens path for reading and locks it, or returns ErrHeld while it is claimed.
func TakeLease(path string) (*Lease, error) {
	f, err := locked(path, os.O_RDONLY, unix.F_RDLCK)
	if err != nil {
		return nil, err
	}
	return &Lease{f}, nil
}

func locked(path string, flags int, kind int16) (*os.File, error) {
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening generation: %w", err)
	}
	lock := unix.Flock_t{Type: kind, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, ErrHeld
		}
		return nil, fmt.Errorf("locking generation %s: %w", path, err)
	}
	return f, nil
}
