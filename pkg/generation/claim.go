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
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening generation: %w", err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, ErrHeld
		}
		return nil, fmt.Errorf("locking generation %s: %w", path, err)
	}
	return &Claim{f}, nil
}
