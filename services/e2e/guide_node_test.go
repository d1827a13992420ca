package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chittihq/duckling/testkit/process"
	"github.com/chittihq/duckling/testkit/stack"
)

// prepareExamples returns the folder with the guide's services, installed and with the samples taken out afresh.
func prepareExamples(ctx context.Context, t *testing.T) string {
	t.Helper()
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	sdk := filepath.Join(examples, "../sdk/typescript")
	const installed = "node_modules/.package-lock.json" // what npm writes last
	for _, step := range []struct {
		made, dir, command string
	}{
		{filepath.Join(sdk, installed), sdk, "npm ci"},
		{filepath.Join(sdk, "dist/esm/index.js"), sdk, "npm run build"},
		{filepath.Join(examples, installed), examples, "npm ci"},
		{"", examples, "npm run extract"},
	} {
		if _, err := os.Stat(step.made); step.made != "" && err == nil {
			continue
		}
		words := strings.Fields(step.command)
		if output, err := inExamples(ctx, step.dir, words[0], words[1:]...); err != nil {
			t.Fatalf("%s in %s: %v\n%s", step.command, step.dir, err, output)
		}
	}
	return examples
}

func inExamples(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// nodeService is one of the guide's services as a Node process.
type nodeService struct {
	name, log, url string
	process        *process.Process
}

var listening = regexp.MustCompile(`(?m)^listening on (\d+)$`)

// startNode returns when the service listens.
func startNode(ctx context.Context, t *testing.T, examples, name, webSocket string, env ...string) *nodeService {
	t.Helper()
	cmd := exec.Command("node", "--import", "tsx", "--import", "./scripts/clock.mjs", name+"/server.ts")
	cmd.Dir = examples
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PORT=0", "DUCKLING_WS_URL=" + webSocket, "DUCKLING_API_KEY=" + stack.Key}, env...)
	n := &nodeService{name: name}
	n.process, n.log = startLogged(t, name, cmd)
	n.logs(ctx, t, listening.String())
	n.url = "http://127.0.0.1:" + listening.FindStringSubmatch(n.text(t))[1]
	return n
}

// startLogged starts a process that ends with the test and shows its log when the test fails.
func startLogged(t *testing.T, name string, cmd *exec.Cmd) (p *process.Process, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), name+".log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if p, err = process.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(log)
			t.Logf("%s:\n%s", name, text)
		}
	})
	return p, log
}

func (n *nodeService) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(n.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// logs waits until the service has logged what matches.
func (n *nodeService) logs(ctx context.Context, t *testing.T, pattern string) {
	t.Helper()
	expression := regexp.MustCompile(`(?m)` + pattern)
	eventually(ctx, t, n.name+" to log "+pattern, func() error {
		running := n.process.Running() // asked first: what it logged last counts
		if expression.MatchString(n.text(t)) {
			return nil
		}
		if !running {
			t.Fatalf("%s has ended without logging %s", n.name, pattern)
		}
		return errors.New("it did not")
	})
}

// logsTimes waits until the service has logged a line so many times; more is a failure.
func (n *nodeService) logsTimes(ctx context.Context, t *testing.T, line string, times int) {
	t.Helper()
	count := func() int { return strings.Count(n.text(t), line+"\n") }
	eventually(ctx, t, fmt.Sprintf("%s to log %s %d times", n.name, line, times), func() error {
		if got := count(); got < times {
			return fmt.Errorf("%d times", got)
		}
		return nil
	})
	if got := count(); got > times {
		t.Errorf("%s has logged %q %d times, not %d", n.name, line, got, times)
	}
}

// get returns the body of an answer that must have the status.
func (n *nodeService) get(ctx context.Context, t *testing.T, path string, status int) string {
	t.Helper()
	return httpGet(ctx, t, n.url+path, status)
}

func (n *nodeService) getJSON(ctx context.Context, t *testing.T, path string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(n.get(ctx, t, path, http.StatusOK)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("reading %s: %v", path, err)
	}
}

func httpGet(ctx context.Context, t *testing.T, url string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+stack.Key) // for the gateway; the guide's services have no key
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s answers %s, not %d: %s", url, resp.Status, status, body)
	}
	return string(body)
}

// webSockets is how many connections the gateway says it has.
func webSockets(ctx context.Context, t *testing.T, s *stack.Stack) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^duckling_gateway_ws_connections (\d+)$`).FindStringSubmatch(httpGet(ctx, t, "http://"+s.Addr+"/metrics", http.StatusOK))
	if m == nil {
		t.Fatal("the gateway does not tell how many connections it has")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// installed is what scripts/testdb.sh installs under a name.
func installed(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("DUCKLING_TESTDB")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(home, ".cache/duckling/testdb")
	}
	binary := filepath.Join(root, name, "server")
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%s is not installed (%v): run scripts/testdb.sh install (make testdb)", name, err)
	}
	return binary
}

// startRedis starts a Redis and returns its address once it answers.
func startRedis(ctx context.Context, t *testing.T) string {
	t.Helper()
	binary := installed(t, "redis")
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--bind", "127.0.0.1", "--port", ports[0], "--save", "", "--dir", t.TempDir())
	startLogged(t, "redis", cmd)
	address := net.JoinHostPort("127.0.0.1", ports[0])
	eventually(ctx, t, "Redis to answer", func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return address
}

// askRedis sends a command whose answer is a number.
func askRedis(ctx context.Context, t *testing.T, address, command string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, ":")))
	if err != nil {
		t.Fatalf("Redis answers %q to %s", line, command)
	}
	return n
}
