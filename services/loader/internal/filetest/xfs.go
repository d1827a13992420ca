package filetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// XFS mounts a new XFS until the test ends and returns where. With reflink its files can share blocks. Where the kernel mounts no file as a disk, as in
// a container without loop devices, the test is skipped and says so.
func XFS(t testing.TB, reflink bool) string {
	t.Helper()
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<30); err != nil { // only what is written takes room
		t.Fatal(err)
	}
	features := "reflink=0"
	if reflink {
		features = "reflink=1"
	}
	if out, err := exec.Command(mkfs(t), "-q", "-m", features, image).CombinedOutput(); err != nil {
		t.Fatalf("making an XFS: %v: %s", err, out)
	}
	mounted := filepath.Join(dir, "xfs")
	if err := os.Mkdir(mounted, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "xfs", "-o", "loop", image, mounted).CombinedOutput(); err != nil {
		t.Skipf("this test cannot run here: a file cannot be mounted as a disk, which takes root, loop devices and a kernel with XFS: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return mounted
}

// mkfs finds mkfs.xfs, which scripts/testdb.sh installs.
func mkfs(t testing.TB) string {
	t.Helper()
	root := os.Getenv("DUCKLING_TESTDB")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(home, ".cache", "duckling", "testdb")
	}
	path := filepath.Join(root, "xfs", "server")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("mkfs.xfs is not installed (%v): run scripts/testdb.sh install xfs (make testdb)", err)
	}
	return path
}
