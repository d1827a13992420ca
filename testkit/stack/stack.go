// Package stack runs Duckling's real binaries, each as its own process on loopback, for tests,
// benches and the demo. Nothing it starts outlives the process that started it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/chittihq/duckling/pkg/generation"
)

// Key is the API key of every stack.
const Key = "stack-key"

// Options say what to run. Source or Env's DATABASES_FILE is required.
type Options struct {
	// Bin is the folder with the binaries; see Binary for what an empty one means.
	Bin string
	// Source is MYSQL_CONNECTION_STRING.
	Source string
	// Dir takes data and logs. Default: a temporary folder that Close removes.
	Dir string
	// Env is added to the environment of every service, as NAME=value.
	Env []string
}

// Stack is NATS and the three services.
type Stack struct {
	Dir  string
	Addr string // the gateway's host:port

	nats string // host:port

	NATS, Ingest, Loader, Gateway *Service

	temporary bool
}

// New lays the stack out and starts nothing.
func New(opts Options) (*Stack, error) {
	s := &Stack{Dir: opts.Dir}
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", "duckling-stack-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for the stack: %w", err)
		}
		s.Dir, s.temporary = dir, true
	}
	if err := s.layOut(opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) layOut(opts Options) error {
	ports, err := FreePorts(4)
	if err != nil {
		return err
	}
	gateway := ports[1]
	s.nats = net.JoinHostPort("127.0.0.1", ports[0])
	s.Addr = net.JoinHostPort("127.0.0.1", gateway)
	if err := os.MkdirAll(s.DataDir(), 0o755); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	config := filepath.Join(s.Dir, "nats.conf")
	text := fmt.Sprintf("listen: %s\nmax_payload: 8MB\njetstream { store_dir: %q }\n", s.nats, filepath.Join(s.Dir, "jetstream"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the configuration of NATS: %w", err)
	}
	env := append(baseEnv(),
		"NATS_URL="+s.NATSURL(), "DATA_DIR="+s.DataDir(), "DUCKLING_API_KEY="+Key, "PORT="+gateway)
	if opts.Source != "" {
		env = append(env, "MYSQL_CONNECTION_STRING="+opts.Source)
	}
	for _, part := range []struct {
		to   **Service
		name string
		args []string
	}{
		{&s.NATS, "nats-server", []string{"-c", config}},
		{&s.Ingest, "ingest", nil},
		{&s.Loader, "loader", nil},
		{&s.Gateway, "gateway", nil},
	} {
		path, err := Binary(opts.Bin, part.name)
		if err != nil {
			return err
		}
		all := append(append([]string(nil), env...), opts.Env...)
		*part.to = &Service{Name: part.name, Log: filepath.Join(s.Dir, part.name+".log"), path: path, args: part.args, env: all}
	}
	for service, port := range map[*Service]string{s.Ingest: ports[2], s.Loader: ports[3]} {
		service.metrics = net.JoinHostPort("127.0.0.1", port)
		service.Setenv("METRICS_ADDR", service.metrics)
	}
	return nil
}

// baseEnv keeps a developer's own DUCKLING and MYSQL variables away from the stack.
func baseEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
}

// Start starts what does not run and waits until the gateway serves a generation.
func (s *Stack) Start(ctx context.Context) error {
	for _, service := range s.Services() {
		if service.Running() {
			continue
		}
		if err := service.Start(); err != nil {
			return err
		}
		if service == s.NATS {
			if err := s.await(ctx, "NATS", func() error { return s.reachable(ctx) }); err != nil {
				return err
			}
		}
	}
	return s.Ready(ctx)
}

// Services in the order they start.
func (s *Stack) Services() []*Service {
	return []*Service{s.NATS, s.Ingest, s.Loader, s.Gateway}
}

// Ready waits until the gateway is ready, and fails early when a service has ended.
func (s *Stack) Ready(ctx context.Context) error {
	return s.await(ctx, "the gateway to be ready", func() error {
		_, err := s.Ask(ctx, http.MethodGet, "/health/ready")
		return err
	})
}

// Ask sends the gateway a request with the stack's key and returns the answer; one with another status than 200 is an error.
func (s *Stack) Ask(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s %s", method, path, resp.Status, body)
	}
	return body, nil
}

func (s *Stack) reachable(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.nats)
	if err != nil {
		return err
	}
	return conn.Close()
}

// await polls until check passes, a service ends, or ctx does.
func (s *Stack) await(ctx context.Context, what string, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		for _, service := range s.Services() {
			if service.process != nil && !service.Running() {
				return fmt.Errorf("waiting for %s: %s ended with code %d; the end of its log:\n%s", what, service.Name, service.ExitCode(), service.Tail())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// NATSURL is NATS_URL.
func (s *Stack) NATSURL() string { return "nats://" + s.nats }

// WebSocket is the gateway's URL for clients.
func (s *Stack) WebSocket() string { return "ws://" + s.Addr + "/ws" }

// DataDir is DATA_DIR.
func (s *Stack) DataDir() string { return filepath.Join(s.Dir, "data") }

// Generations is where the default database's generations are.
func (s *Stack) Generations() string { return generation.Dir(s.DataDir(), "default") }

// Stop stops every service cleanly, readers first and the bus last.
func (s *Stack) Stop(ctx context.Context) error {
	var errs []error
	for _, service := range []*Service{s.Gateway, s.Ingest, s.Loader, s.NATS} {
		if service == nil {
			continue
		}
		if err := service.Stop(ctx); err != nil && service != s.NATS {
			errs = append(errs, err) // nats-server ends with code 1 on SIGTERM
		}
	}
	return errors.Join(errs...)
}

// Close kills what still runs and removes a temporary folder.
func (s *Stack) Close() error {
	var errs []error
	for _, service := range s.Services() {
		if service != nil {
			errs = append(errs, service.Kill())
		}
	}
	if s.temporary {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}

// FreePorts finds n ports nobody listens on. They stay free only with luck, so all are found at once.
func FreePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}
