package replica_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/pkg/generation"
)

// volume mounts a small file system of its own for a data directory, which takes root.
func volume(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a small volume, for which the test has to be run as root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// occupy takes all the room that is left.
func occupy(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// A volume without room makes the loader unready and harms nothing: the last generation stays good, and once there is room
// the loader goes on by itself, with every row there once.
func TestFullVolume(t *testing.T) {
	data := volume(t, "64m")
	st := newStream(t)
	s := source(st, 13)
	stop := run(t, data, st)
	st.awaitApplied()
	filler := filepath.Join(data, "filler")
	for range 3 {
		occupy(t, filler)
		await(t, "the loader to say what it lacks", func() bool {
			steps(s, 20)
			st.flush()
			status := st.status()
			return status != nil && strings.Contains(strings.ToLower(status.Condition), "space")
		})
		dir := generation.Dir(data, database)
		m, err := generation.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Check(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		steps(s, 5)
		status := st.awaitApplied()
		await(t, "the loader to be ready", func() bool { return st.status().Condition == "" })
		if status.Mismatches != 0 {
			t.Fatalf("%d rows to be changed were not there", status.Mismatches)
		}
	}
	stop()
	compare(t, data, s)
}

// A volume that cannot be written to makes the loader unready until it can.
func TestReadOnlyVolume(t *testing.T) {
	data := volume(t, "64m")
	st := newStream(t)
	s := source(st, 14)
	stop := run(t, data, st)
	st.awaitApplied()
	stop()
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("tmpfs", data, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	steps(s, 20)
	st.flush()
	stop = run(t, data, st)
	await(t, "the loader to say what is wrong", func() bool {
		status := st.status()
		return status != nil && strings.Contains(status.Condition, "read-only file system")
	})
	remount(0)
	st.awaitApplied()
	await(t, "the loader to be ready", func() bool { return st.status().Condition == "" })
	stop()
	compare(t, data, s)
}
