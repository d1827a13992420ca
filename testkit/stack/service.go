package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chittihq/duckling/testkit/process"
)

// Service is one of the stack's processes. It can be killed and started again
// with the same environment, as a supervisor would. Its methods belong to one goroutine.
type Service struct {
	// Name of the binary.
	Name string
	// Log is the file that takes everything the service writes, over all its runs.
	Log string

	path    string
	args    []string
	env     []string
	metrics string // host:port of METRICS_ADDR, of ingest and loader
	process *process.Process
}

// Start starts the service. It does not wait for it to be ready.
func (s *Service) Start() error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", s.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(s.path, s.args...)
	cmd.Env = s.env
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = process.Start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", s.Name, err)
	}
	return nil
}

// Setenv adds to the service's environment from its next start on.
func (s *Service) Setenv(name, value string) { s.env = append(s.env, name+"="+value) }

// Running tells whether the process is alive.
func (s *Service) Running() bool { return s.process != nil && s.process.Running() }

// Exited is closed when the present run has ended.
func (s *Service) Exited() <-chan struct{} { return s.process.Exited() }

// ExitCode of the run that ended last, -1 when a signal ended it.
func (s *Service) ExitCode() int { return s.process.ExitCode() }

// Pid of the present run.
func (s *Service) Pid() int { return s.process.Pid() }

// Conditions asks ingest or loader for its readiness: every condition with "ok" or what is wrong.
func (s *Service) Conditions(ctx context.Context) (map[string]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/health/ready", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its health: %w", s.Name, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking %s for its health: %w", s.Name, err)
	}
	defer resp.Body.Close()
	var body struct {
		Conditions map[string]string `json:"conditions"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("reading the health of %s: %w", s.Name, err)
	}
	return body.Conditions, nil
}

// Kill ends the service as a crash would.
func (s *Service) Kill() error {
	if s.process == nil {
		return nil
	}
	return s.process.Kill()
}

// Stop ends the service cleanly; an exit code other than 0 is an error.
func (s *Service) Stop(ctx context.Context) error {
	if s.process == nil || !s.process.Running() {
		return nil
	}
	if err := s.process.Stop(ctx); err != nil {
		return fmt.Errorf("stopping %s: %w", s.Name, err)
	}
	if err := s.process.Err(); err != nil {
		return fmt.Errorf("stopping %s: %w; the end of its log:\n%s", s.Name, err, s.Tail())
	}
	return nil
}

// Tail is the end of the log.
func (s *Service) Tail() string {
	data, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	const most = 4000
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return strings.TrimSpace(string(data))
}

// Binary finds one of the project's binaries in dir, or with an empty dir in $DUCKLING_BIN, or
// else in the checkout's own bin folder.
func Binary(dir, name string) (string, error) {
	if dir == "" {
		dir = os.Getenv("DUCKLING_BIN")
	}
	if dir == "" {
		dir = checkoutBin()
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not built (%w); run 'make build' and set DUCKLING_BIN to its folder", name, err)
	}
	return path, nil
}

// checkoutBin is bin/ beside the go.work above the working directory.
func checkoutBin() string {
	dir, err := os.Getwd()
	if err != nil {
		return "bin"
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, "bin")
}
