// Package embedded runs a NATS server with JetStream inside the process, for
// the quick start on one machine and for tests. It is the only package that
// imports nats-server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// MaxPayload is the largest message the server takes, 8 MiB: what NATS advises
	// at most, and room for a frame of any usual row without splitting it.
	MaxPayload = 8 << 20

	readyTimeout = 30 * time.Second
)

// Config describes the server.
type Config struct {
	// StoreDir holds the streams. It is made if it does not exist, and belongs to
	// one server at a time.
	StoreDir string
	// Host and Port are where the server listens; 127.0.0.1 and a free port by default.
	Host string
	Port int
	// Token is asked of clients if it is set.
	Token string
	// SyncAlways makes the server fsync every message before it acknowledges it.
	// Without it the server fsyncs every two minutes: an acknowledged message
	// survives the end of the process, however it ends, but not a power failure.
	// That is the default because a lost tail is noticed and mended: the writer
	// goes on from what the stream still holds, and a reader that has seen more is
	// told so.
	SyncAlways bool
	Logger     *slog.Logger
}

// Server is a running NATS server.
type Server struct {
	server *server.Server
	lock   *os.File
	token  string
}

// Start starts the server and returns once it takes connections.
func Start(cfg Config) (*Server, error) {
	lock, err := lockDir(cfg.StoreDir)
	if err != nil {
		return nil, err
	}
	s, err := start(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting NATS in %s: %w", cfg.StoreDir, err), lock.Close())
	}
	return &Server{server: s, lock: lock, token: cfg.Token}, nil
}

func start(cfg Config) (*server.Server, error) {
	if cfg.Host == "" {
		cfg.Host = "127.0.0.1"
	}
	if cfg.Port == 0 {
		cfg.Port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName:    "duckling-embedded",
		Host:          cfg.Host,
		Port:          cfg.Port,
		Authorization: cfg.Token,
		MaxPayload:    MaxPayload,
		JetStream:     true,
		StoreDir:      cfg.StoreDir,
		SyncAlways:    cfg.SyncAlways,
		NoSigs:        true,
	})
	if err != nil {
		return nil, err
	}
	log := &logger{log: cfg.Logger}
	s.SetLoggerV2(log, false, false, false)
	// Start recovers the streams and returns. What goes wrong it only logs.
	s.Start()
	if err := log.fatal(); err != nil {
		s.Shutdown()
		return nil, err
	}
	if !s.ReadyForConnections(readyTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("it takes no connections after %s", readyTimeout)
	}
	return s, nil
}

// ClientURL is the address for bus.Connect, with the token if there is one.
func (s *Server) ClientURL() string {
	if s.token == "" {
		return s.server.ClientURL()
	}
	return strings.Replace(s.server.ClientURL(), "://", "://"+s.token+"@", 1)
}

// Stop ends the server; what it has acknowledged is in StoreDir.
func (s *Server) Stop() error {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return s.lock.Close()
}

// lockDir takes the directory until the file is closed. It keeps a second
// server out, which NATS itself does not.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the NATS store directory: %w", err)
	}
	name := filepath.Join(dir, "duckling.lock")
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("locking the NATS store directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another process uses it; stop that one or choose another directory")
		}
		return nil, errors.Join(fmt.Errorf("locking the NATS store directory %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// logger passes what the server says to slog, one step quieter than the server means it.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex
	first error
}

func (l *logger) say(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats server", "says", fmt.Sprintf(format, args...))
	}
}

func (l *logger) Noticef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }
func (l *logger) Warnf(format string, args ...any)   { l.say(slog.LevelWarn, format, args) }
func (l *logger) Errorf(format string, args ...any)  { l.say(slog.LevelError, format, args) }
func (l *logger) Debugf(format string, args ...any)  {}
func (l *logger) Tracef(format string, args ...any)  {}

// Fatalf keeps the first failure for Start, which returns it.
func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(format, args...)
	}
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}
