package bus

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/bus/embedded"
)

// serverDir makes the test binary a NATS server on serverPort that ends with its standard input.
const (
	serverDir  = "DUCKLING_TEST_NATS_DIR"
	serverPort = "DUCKLING_TEST_NATS_PORT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		os.Exit(serve(dir))
	}
	os.Exit(m.Run())
}

func serve(dir string) int {
	port, _ := strconv.Atoi(os.Getenv(serverPort))
	s, err := embedded.Start(embedded.Config{StoreDir: dir, Port: port, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.ClientURL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Stop(); err != nil {
		return 1
	}
	return 0
}

// natsProcess is a NATS server in a process of its own.
type natsProcess struct {
	t    testing.TB
	dir  string
	port string
	url  string
	cmd  *exec.Cmd
	in   io.Closer
}

func startProcess(t testing.TB) *natsProcess {
	t.Helper()
	p := &natsProcess{t: t, dir: t.TempDir(), port: "0"}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *natsProcess) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), serverDir+"="+p.dir, serverPort+"="+p.port)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Fatalf("the server did not start: %v", err)
	}
	p.url = strings.TrimSpace(line)
	_, p.port, err = net.SplitHostPort(strings.TrimPrefix(p.url, "nats://"))
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *natsProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.in.Close()
}

// stop ends the server in order.
func (p *natsProcess) stop() {
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("stopping the server: %v", err)
	}
}

// freeze stops the process until the returned function is called.
func (p *natsProcess) freeze() (thaw func()) {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	return func() { _ = p.cmd.Process.Signal(syscall.SIGCONT) }
}

// startServer runs a server within the test process.
func startServer(t testing.TB) string {
	t.Helper()
	s, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s.ClientURL()
}

func connectTo(t testing.TB, url string) *Bus {
	t.Helper()
	b, err := Connect(context.Background(), Config{URL: url, Name: t.Name(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// shopBus is a bus with the stream of the database "shop".
func shopBus(t testing.TB) *Bus {
	t.Helper()
	b := connectTo(t, startServer(t))
	ensure(t, b, StreamOptions{})
	return b
}

func ensure(t testing.TB, b *Bus, opts StreamOptions) {
	t.Helper()
	if err := b.EnsureStream(t.Context(), "shop", opts); err != nil {
		t.Fatal(err)
	}
}

func tailOf(t testing.TB, b *Bus) Tail {
	t.Helper()
	tail, err := b.Tail(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	return tail
}

func publisherAt(t testing.TB, b *Bus, tail Tail, opts PublisherOptions) *Publisher {
	t.Helper()
	p, err := b.Publisher("shop", tail, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// publishAll appends payloads to the stream and waits until they are stored.
func publishAll(t testing.TB, b *Bus, payloads ...[]byte) {
	t.Helper()
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	defer p.Close()
	for i, payload := range payloads {
		if _, err := p.Publish(t.Context(), fmt.Sprint("p", i), payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func numbers(from, to int) [][]byte {
	var out [][]byte
	for i := from; i < to; i++ {
		out = append(out, []byte(strconv.Itoa(i)))
	}
	return out
}

func consumerAt(t testing.TB, b *Bus, from uint64, opts ConsumerOptions) *Consumer {
	t.Helper()
	c := b.Consumer("shop", from, opts)
	t.Cleanup(c.Close)
	return c
}

// read takes the next n messages. It gives up before the expiry of a request
// would revive a pull that stalled.
func read(t testing.TB, c *Consumer, n int) []*Message {
	t.Helper()
	return readWithin(t, c, n, pullExpires-5*time.Second)
}

func readWithin(t testing.TB, c *Consumer, n int, limit time.Duration) []*Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out []*Message
	for range n {
		message, _, err := c.Next(ctx, -1)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(out), n, err)
		}
		out = append(out, message)
	}
	return out
}

func wantNumbers(t testing.TB, got []*Message, from int) {
	t.Helper()
	for i, message := range got {
		if want := strconv.Itoa(from + i); string(message.Payload) != want {
			t.Fatalf("message %d holds %.20q, want %q", message.Seq, message.Payload, want)
		}
	}
}

// noise returns bytes that zstd does not shrink.
func noise(size int) []byte {
	out := make([]byte, size)
	state := uint64(size) + 88172645463325252
	for i := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[i] = byte(state)
	}
	return out
}
