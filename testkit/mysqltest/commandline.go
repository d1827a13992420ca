package mysqltest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

func (s *Server) commandLine() []string {
	_, port, _ := net.SplitHostPort(s.Addr) // Addr is made by address, so it splits
	args := []string{
		"--datadir=" + s.dataDir(),
		// One of its own, for MariaDB removes what it takes for leftovers there when it starts, and so what other servers need.
		"--tmpdir=" + s.Dir,
		"--pid-file=" + filepath.Join(s.Dir, "server.pid"),
		"--bind-address=127.0.0.1", "--port=" + port,
		// No Unix socket: its path may not exceed 107 bytes, and temporary folders do.
		"--socket=",
		"--skip-name-resolve",
		// Unique among the servers of this machine, which is as far as replication goes here.
		"--server-id=" + port,
		"--log-bin=binlog", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
		"--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
		"--innodb-buffer-pool-size=128M",
		"--local-infile=ON", "--secure-file-priv=",
		"--character-set-server=utf8mb4", "--default-time-zone=+00:00",
	}
	switch s.Flavor {
	case MySQL:
		args = append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--mysqlx=OFF")
	case MariaDB:
		args = append(args, "--binlog-format=ROW", "--gtid-strict-mode=ON", "--log-slave-updates=ON")
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	return append(args, s.args...)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort returns a port below the range from which Linux takes the ports of outgoing
// connections: a server that is down for a moment must not lose its port to a client.
func freePort() (int, error) {
	const first, last, attempts = 15000, 32000, 100
	var err error
	for range attempts {
		port := first + rand.IntN(last-first)
		var l net.Listener
		if l, err = net.Listen("tcp", address(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("finding a free port between %d and %d: %w", first, last, err)
}
