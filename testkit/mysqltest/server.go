// Package mysqltest starts real, private MySQL and MariaDB servers for tests, benches and
// the demo. The servers come from scripts/testdb.sh; none is shared, none outlives the
// process that started it, and all listen on 127.0.0.1 only. Linux only.
package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chittihq/duckling/testkit/process"
)

// Flavor names a server; its value is the folder that scripts/testdb.sh installs it into.
type Flavor string

// The servers that scripts/testdb.sh installs.
const (
	MySQL   Flavor = "mysql"
	MariaDB Flavor = "mariadb"
)

// Options say what to start. Only Flavor is required.
type Options struct {
	Flavor Flavor
	// Args are server options added after the defaults, so they win over them:
	// "--binlog-row-image=MINIMAL", "--skip-log-bin", "--innodb-buffer-pool-size=1G".
	// The defaults are a replication source as Duckling wants it (binlog in ROW format with
	// FULL image and metadata, GTID on), UTC, utf8mb4, LOCAL INFILE on, 128 MiB of buffer
	// pool, and commits that are not flushed to disk (see Durable).
	Args []string
	// Dir holds the server's files and is left in place by Close; a data directory found
	// there is used as it is. Empty means a new temporary folder, removed by Close.
	Dir string
	// Port to listen on. Zero means a free one.
	Port int
}

// Durable returns Args that make every commit reach the disk, as in production.
// Without them a killed server keeps its commits all the same; only a crash of the
// machine would lose them.
func Durable() []string {
	return []string{"--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1"}
}

// WithoutGTID returns Args for a MySQL whose binlog has positions but no GTIDs.
// MariaDB cannot be without.
func WithoutGTID() []string {
	return []string{"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"}
}

// Server is a server that Start made. Its methods may be called from several goroutines,
// except Stop, Kill, Restart and Close, which change its state and belong to one.
type Server struct {
	Flavor Flavor
	Addr   string // host:port, the same for the server's whole life
	Dir    string // holds data/ and server.log

	binary    string
	args      []string
	temporary bool
	process   *process.Process
}

// Start returns when the server answers queries. It fails with ErrNotInstalled where
// scripts/testdb.sh has not run, and with the end of the server's log where the server
// refuses its options.
func Start(ctx context.Context, opts Options) (*Server, error) {
	home, err := installation(opts.Flavor)
	if err != nil {
		return nil, err
	}
	s := &Server{Flavor: opts.Flavor, Dir: opts.Dir, binary: filepath.Join(home, "server"), args: opts.Args}
	if s.Dir == "" {
		s.temporary = true
		if s.Dir, err = os.MkdirTemp("", "duckling-"+string(opts.Flavor)+"-"); err != nil {
			return nil, fmt.Errorf("making a folder for %s: %w", opts.Flavor, err)
		}
	}
	if err := copyTemplate(filepath.Join(home, "template"), s.dataDir()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.listen(ctx, opts.Port); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen starts the server on the port; without one it tries free ports until the server
// gets hold of one, for another process may be quicker.
func (s *Server) listen(ctx context.Context, port int) error {
	if port != 0 {
		s.Addr = address(port)
		return s.start(ctx)
	}
	const attempts = 5
	var err error
	for range attempts {
		if port, err = freePort(); err != nil {
			return err
		}
		s.Addr = address(port)
		if err = s.start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

var errPortTaken = errors.New("the port is taken")

func (s *Server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", s.Flavor, err)
	}
	defer log.Close()
	cmd := exec.Command(s.binary, s.commandLine()...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = process.Start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", s.Flavor, err)
	}
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", s.Flavor, err), s.Kill())
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	db, err := s.Open("")
	if err != nil {
		return err
	}
	defer db.Close()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if s.answers(ctx, db) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for it to answer: %w; the end of its log:\n%s", ctx.Err(), s.logTail())
		case <-s.process.Exited():
			tail := s.logTail()
			if strings.Contains(tail, "Address already in use") {
				return fmt.Errorf("%w: %s", errPortTaken, s.Addr)
			}
			return fmt.Errorf("it ended at once (%w); the end of its log:\n%s", s.process.Err(), tail)
		case <-poll.C:
		}
	}
}

// answers tells whether this very server answers: where the port was taken by a sibling,
// that one accepts the same password.
func (s *Server) answers(ctx context.Context, db *sql.DB) bool {
	var dataDir string
	err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&dataDir)
	return err == nil && filepath.Clean(dataDir) == s.dataDir()
}

// Running tells whether the server's process is alive.
func (s *Server) Running() bool { return s.process != nil && s.process.Running() }

// Pid of the present run.
func (s *Server) Pid() int { return s.process.Pid() }

// Stop shuts the server down cleanly and returns when it is gone; its data stay for a
// Restart. When ctx ends first the server is killed and the error says so.
func (s *Server) Stop(ctx context.Context) error {
	if !s.Running() {
		return nil
	}
	if err := s.process.Stop(ctx); err != nil {
		return fmt.Errorf("stopping %s: %w", s.Flavor, err)
	}
	return nil
}

// Kill ends the server with SIGKILL, as a crash would, and returns when it is gone; its
// data stay for a Restart.
func (s *Server) Kill() error {
	if !s.Running() {
		return nil
	}
	return s.process.Kill()
}

// Restart starts the server again on the same data and port, after a clean stop if it
// still runs. It returns when the server answers, after its crash recovery.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.start(ctx)
}

// Close kills the server if it runs, and removes its files unless Options named the folder.
func (s *Server) Close() error {
	if err := s.Kill(); err != nil {
		return err
	}
	if !s.temporary {
		return nil
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("removing the files of %s: %w", s.Flavor, err)
	}
	return nil
}

func (s *Server) dataDir() string { return filepath.Join(s.Dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.Dir, "server.log") }

// logTail is best effort: it only ever explains another error.
func (s *Server) logTail() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(text[max(0, len(text)-most):])
}
