// Package s3test runs a real S3 server for tests.
package s3test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Access and Secret are the server's keys, Bucket is a bucket that it has.
const (
	Access = "test-access"
	Secret = "test-secret-key"
	Bucket = "backups"
)

// versity is where the Makefile builds the server.
const versity = ".bin/versitygw-v1.8.0"

// Start runs a server with an empty bucket until the test ends, sets AWS's variables to its keys, and returns its address as http://host:port.
func Start(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, Bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	cmd := exec.Command(tool(t), "--access", Access, "--secret", Secret, "--port", addr, "--quiet", "posix", "--sidecar", t.TempDir(), root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Setenv("AWS_ACCESS_KEY_ID", Access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", Secret)
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tool finds the S3 server, which the Makefile builds, in the checkout.
func tool(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if path := filepath.Join(dir, versity); executable(path) {
			return path
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("%s is not built; run 'make s3server'", versity)
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o100 != 0
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
