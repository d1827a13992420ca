package duckling_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// contractServer is a real gateway that exchanges may have killed, frozen and restarted.
type contractServer struct {
	URL     string `json:"url"`
	Key     string `json:"key"`
	Control string `json:"control"`
}

// startContractServer needs the workspace's testkit, and the gateway in bin/ (`make build`).
func startContractServer(t *testing.T, root string) *contractServer {
	t.Helper()
	cmd := exec.Command("go", "run", "./testkit/contract")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the contract server: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the contract server did not start; what it says is above (%v)", err)
	}
	var s contractServer
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// ask has the server do something, and returns when that is done.
func (s *contractServer) ask(ctx context.Context, action, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Control+"/"+action, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", text)
	}
	return err
}
