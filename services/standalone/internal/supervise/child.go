// Package supervise keeps child processes running: it starts them, starts them again
// when they end, and stops them together.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	firstRestart = 200 * time.Millisecond
	slowest      = 10 * time.Second
	// settled is how long a child must run for its next restart to be quick again.
	settled = time.Minute
)

// Child is one process to keep running.
type Child struct {
	Name string
	Path string
	Env  []string
	// Grace is how long it may take to end after SIGTERM before it is killed.
	Grace time.Duration
	// FinalCode is an exit code after which starting again would not help.
	FinalCode int
}

// FinalError says that a child ended with its FinalCode. Its own output says why.
type FinalError struct {
	Name string
	Code int
}

func (e *FinalError) Error() string {
	return fmt.Sprintf("%s ended with code %d; its message above says why", e.Name, e.Code)
}

// Run keeps the child running until ctx ends, then stops it and returns nil. It returns a *FinalError when the
// child ends with FinalCode, and an error when it cannot be started.
func (c Child) Run(ctx context.Context, log *slog.Logger) error {
	wait := firstRestart
	for {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end was asked for; how the child took it does not matter
		}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("running %s: %w", c.Name, err)
		}
		if exit != nil && exit.ExitCode() == c.FinalCode {
			return &FinalError{Name: c.Name, Code: c.FinalCode}
		}
		if time.Since(began) > settled {
			wait = firstRestart
		}
		log.Warn("a service ended and is started again", "child", c.Name, "error", err, "after", wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, slowest)
	}
}

// once runs the child to its end. It shares standard output and error with this process.
func (c Child) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Env = c.Env
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Ctrl-C in a terminal reaches the whole group; the order of stopping is ours. And no
	// child outlives this process, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = c.Grace
	done := make(chan error, 1)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child ends, so
		// the thread stays for as long as the child does.
		runtime.LockOSThread()
		done <- cmd.Run()
	}()
	return <-done
}
