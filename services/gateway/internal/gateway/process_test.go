package gateway

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/chittihq/duckling/pkg/daemon"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// asGateway has the test's program run the gateway in place of the tests.
const asGateway = "DUCKLING_TEST_GATEWAY"

func TestMain(m *testing.M) {
	if os.Getenv(asGateway) != "" {
		cfg := new(Config)
		os.Exit(daemon.Program{Name: "gateway", Config: cfg, Run: cfg.Run}.Main(nil))
	}
	os.Exit(m.Run())
}

// launch runs the gateway in a process of its own, with settings as "NAME=value", until the test ends. It returns the process's id, too.
func launch(t *testing.T, data string, settings ...string) (*server, int) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), asGateway+"=1", "DATA_DIR="+data, "DUCKLING_API_KEY="+key, "HOST=127.0.0.1", "PORT=0", "ADDR_FILE="+filepath.Join(dir, "addr"), "DUCKDB_TEMP_DIR="+dir)
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s := &server{t: t}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the gateway ended with: %v", err)
		}
	}
	t.Cleanup(s.stop)
	gentest.Eventually(t, func() bool {
		select {
		case err := <-ended:
			stopped = true
			t.Fatalf("the gateway ended with: %v", err)
		default:
		}
		addr, err := os.ReadFile(filepath.Join(dir, "addr"))
		s.addr = string(addr)
		return err == nil
	})
	return s, cmd.Process.Pid
}

// resident is the memory of a process, in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
