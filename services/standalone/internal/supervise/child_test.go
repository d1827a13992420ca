package supervise

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script makes an executable that appends a line to a file each time it starts, and then does what body says.
func script(t *testing.T, body string) (path, starts string) {
	t.Helper()
	dir := t.TempDir()
	path, starts = filepath.Join(dir, "child"), filepath.Join(dir, "starts")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho x >> "+starts+"\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, starts
}

func started(t *testing.T, file string) int {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "x")
}

func await(t *testing.T, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatal("waited too long")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAChildThatEndsIsStartedAgainUntilTheEnd(t *testing.T) {
	for name, body := range map[string]string{"failing": "exit 1", "succeeding": "exit 0", "killed": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			path, starts := script(t, body)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- Child{Name: "c", Path: path, Grace: time.Second, FinalCode: 2}.Run(ctx, slog.New(slog.DiscardHandler))
			}()
			await(t, func() bool { return started(t, starts) >= 3 })
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheFinalCodeEndsIt(t *testing.T) {
	path, starts := script(t, "exit 2")
	err := Child{Name: "c", Path: path, Grace: time.Second, FinalCode: 2}.Run(t.Context(), slog.New(slog.DiscardHandler))
	var final *FinalError
	if !errors.As(err, &final) || final.Name != "c" || started(t, starts) != 1 {
		t.Errorf("%v after %d starts", err, started(t, starts))
	}
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	err := Child{Name: "c", Path: "/nonexistent/child", FinalCode: 2}.Run(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/child") {
		t.Error(err)
	}
}

// The end that was asked for lets the child finish, and kills one that does not.
func TestStopping(t *testing.T) {
	for name, body := range map[string]string{
		"polite":   "trap 'echo done > $0.done; exit 0' TERM; while :; do sleep 0.02; done",
		"stubborn": "trap '' TERM; while :; do sleep 0.02; done",
	} {
		t.Run(name, func(t *testing.T) {
			path, starts := script(t, body)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				ended <- Child{Name: "c", Path: path, Grace: 500 * time.Millisecond, FinalCode: 2}.Run(ctx, slog.New(slog.DiscardHandler))
			}()
			await(t, func() bool { return started(t, starts) == 1 })
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			_, err := os.Stat(path + ".done")
			if polite := name == "polite"; polite != (err == nil) {
				t.Errorf("done: %v", err)
			}
		})
	}
}
