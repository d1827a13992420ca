package mysqltest_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The test binary runs itself as the process that starts the server and is then killed.
const orphanDir = "MYSQLTEST_ORPHAN_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanDir); dir != "" {
		startAndHang(dir)
	}
	os.Exit(m.Run())
}

func startAndHang(dir string) {
	s, err := mysqltest.Start(context.Background(), mysqltest.Options{Flavor: mysqltest.Flavor(os.Getenv("MYSQLTEST_ORPHAN_FLAVOR")), Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("up", s.Addr)
	select {}
}

func TestServerDiesWithItsParent(t *testing.T) {
	eachFlavor(t, func(t *testing.T, flavor mysqltest.Flavor) {
		parent := osexec.Command(os.Args[0])
		parent.Env = append(os.Environ(), orphanDir+"="+t.TempDir(), "MYSQLTEST_ORPHAN_FLAVOR="+string(flavor))
		output, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(output).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		addr, up := strings.CutPrefix(strings.TrimSpace(line), "up ")
		if !up {
			t.Fatalf("the parent says %s", line)
		}
		if err := parent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if !refusesWithin(t, addr, 2*time.Minute) {
			t.Error("the server lives on without its parent")
		}
		if err := parent.Wait(); err == nil {
			t.Error("the parent was not killed")
		}
	})
}

func refusesWithin(t *testing.T, addr string, patience time.Duration) bool {
	t.Helper()
	deadline := time.After(patience)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return true
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-deadline:
			return false
		case <-poll.C:
		}
	}
}
