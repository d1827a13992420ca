package filetest

import (
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DieAtLimit has the kernel end this process on the spot at a write beyond its RLIMIT_FSIZE, which Go would make an error of the write.
func DieAtLimit() error {
	var byDefault [4]uint64 // a sigaction of zeros: the handler SIG_DFL, no flags, no mask
	const maskSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGXFSZ), uintptr(unsafe.Pointer(&byDefault)), 0, maskSize, 0, 0)
	if errno != 0 {
		return fmt.Errorf("resetting SIGXFSZ: %w", errno)
	}
	return nil
}

// DiedAtLimit tells whether that was how a process ended.
func DiedAtLimit(cmd *exec.Cmd) bool {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == unix.SIGXFSZ
}
