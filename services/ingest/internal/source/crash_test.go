package source

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/testkit/seed"
)

// The test binary is ingest itself when these are set, so that it can be killed.
const (
	childURL    = "DUCKLING_TEST_NATS_URL"
	childAddr   = "DUCKLING_TEST_MYSQL_ADDR"
	childSchema = "DUCKLING_TEST_MYSQL_SCHEMA"
	childRate   = "DUCKLING_TEST_COPY_RATE" // optional
)

func runChild() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // the parent's death ends standard input
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	b, err := bus.Connect(ctx, bus.Config{URL: os.Getenv(childURL), Name: "child", Logger: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cfg := Config{ID: "shop", ServerID: 4242, Server: serverConfig(os.Getenv(childAddr), os.Getenv(childSchema)), CopyConnections: 4}
	cfg.CopyRate, _ = strconv.Atoi(os.Getenv(childRate))
	if err := New(cfg, b, log, NewMetrics(prometheus.NewRegistry())).Run(ctx); err != nil {
		return 1
	}
	return 0
}

// startProcess runs ingest as a process; the returned function kills it with SIGKILL.
func (r *rig) startProcess() (kill func()) {
	r.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+r.url, childAddr+"="+r.mysql.Addr, childSchema+"="+r.schema)
	cmd.Stderr = r.t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		_ = in.Close()
	})
	r.t.Cleanup(kill)
	return kill
}

// workload makes random transactions against tables of every kind of identity.
type workload struct {
	r    *rig
	rand *rand.Rand
	next int // key of the next row
	wide int // columns added
}

var workloadTables = []string{
	"CREATE TABLE plain (id INT PRIMARY KEY, v VARCHAR(2000), n BIGINT)",
	"CREATE TABLE pairs (a VARCHAR(20) NOT NULL, b INT UNSIGNED NOT NULL, v VARCHAR(300), n INT, PRIMARY KEY (a, b))",
	"CREATE TABLE uniq (id INT, code VARBINARY(20) NOT NULL, v TEXT, n DOUBLE, UNIQUE KEY (id), UNIQUE KEY u (code))",
	"CREATE TABLE bag (id INT, v VARCHAR(20), n INT)",
}

func (w *workload) fill(rows int) {
	for range rows / 500 {
		var values []string
		for range 500 {
			w.next++
			values = append(values, fmt.Sprintf("(%d, REPEAT('x', 1200), %d)", w.next, w.next))
		}
		w.r.exec("INSERT INTO plain VALUES " + strings.Join(values, ", "))
	}
	w.r.exec("INSERT INTO pairs SELECT CONCAT('k', id % 31), id, LEFT(v, 200), 0 FROM plain",
		"INSERT INTO uniq SELECT id, HEX(id), LEFT(v, 50), 0.5 FROM plain WHERE id % 3 = 0",
		"INSERT INTO bag SELECT id % 50, 'same', 1 FROM plain WHERE id % 7 = 0")
}

// step runs one random transaction or statement.
func (w *workload) step() {
	pick := func() int { return 1 + w.rand.IntN(w.next) }
	switch w.rand.IntN(20) {
	case 0, 1, 2, 3, 4:
		w.next++
		id := w.next
		w.r.exec("BEGIN", fmt.Sprintf("INSERT INTO plain (id, v, n) VALUES (%d, 'new', 1)", id),
			fmt.Sprintf("INSERT INTO pairs VALUES ('n', %d, 'new', 1)", id),
			fmt.Sprintf("INSERT INTO uniq VALUES (%d, 'n%d', 'new', 1)", id, id),
			fmt.Sprintf("INSERT INTO bag VALUES (%d, 'new', 1), (%d, 'new', 1)", id%50, id%50), "COMMIT")
	case 5, 6, 7:
		from := pick()
		w.r.exec(fmt.Sprintf("UPDATE plain SET n = n + 1, v = CONCAT('u', n) WHERE id BETWEEN %d AND %d", from, from+50),
			fmt.Sprintf("UPDATE pairs SET n = n + 1 WHERE b BETWEEN %d AND %d", from, from+20),
			fmt.Sprintf("UPDATE bag SET n = n + 1 WHERE id = %d LIMIT 3", from%50))
	case 8, 9:
		from := pick()
		w.r.exec("BEGIN", fmt.Sprintf("DELETE FROM plain WHERE id BETWEEN %d AND %d", from, from+10),
			fmt.Sprintf("DELETE FROM uniq WHERE id BETWEEN %d AND %d", from, from+10),
			fmt.Sprintf("DELETE FROM bag WHERE id = %d LIMIT 2", from%50), "COMMIT")
	case 10, 11:
		from := pick()
		w.next += 30
		w.r.exec("BEGIN", fmt.Sprintf("UPDATE plain SET id = id + %d WHERE id BETWEEN %d AND %d ORDER BY id DESC", 1000000, from, from+10), "COMMIT",
			fmt.Sprintf("UPDATE pairs SET a = CONCAT(a, '!') WHERE b BETWEEN %d AND %d AND LENGTH(a) < 15", from, from+5),
			fmt.Sprintf("UPDATE uniq SET code = CONCAT(code, '.') WHERE id = %d AND LENGTH(code) < 15", from))
	case 12:
		w.r.exec("BEGIN", "DELETE FROM plain WHERE id % 2 = 0", "INSERT INTO bag VALUES (1, 'gone', 0)", "ROLLBACK")
	case 13:
		w.r.exec("BEGIN", "INSERT INTO bag VALUES (1, 'stays', 0)", "SAVEPOINT s", "DELETE FROM plain WHERE id % 2 = 0", "ROLLBACK TO s",
			"INSERT INTO bag VALUES (1, 'stays too', 0)", "COMMIT")
	case 14: // one that spans frames
		w.r.exec("UPDATE plain SET n = n + 1")
	case 15:
		w.r.exec("TRUNCATE bag")
	case 16:
		w.wide++
		w.r.exec(fmt.Sprintf("ALTER TABLE pairs ADD COLUMN extra%d INT NOT NULL DEFAULT %d", w.wide, w.wide), fmt.Sprintf("ALTER TABLE pairs DROP COLUMN extra%d", w.wide))
	case 17:
		w.wide++
		w.r.exec(fmt.Sprintf("ALTER TABLE plain ADD COLUMN extra%d INT NOT NULL DEFAULT %d", w.wide, w.wide))
	case 18:
		w.r.exec("RENAME TABLE bag TO sack, plain TO bag, sack TO plain", "RENAME TABLE bag TO sack, plain TO bag, sack TO plain")
	case 19:
		w.r.exec("DROP TABLE IF EXISTS fresh", "CREATE TABLE fresh AS SELECT id, n FROM uniq LIMIT 100", "DELETE FROM fresh LIMIT 5")
	}
}

// Killed at any moment and started again, ingest makes of random transactions what the source has.
func TestKilledAtRandom(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		w := &workload{r: r, rand: rand.New(rand.NewPCG(seed.For(t), 0))}
		r.exec(workloadTables...)
		w.fill(4000)
		frames := func() (n int) { r.eventually("anything", func(m *model) bool { n = m.frames; return true }); return n }
		for range 6 {
			kill := r.startProcess()
			target := frames() + 1 + w.rand.IntN(60)
			for frames() < target {
				w.step()
			}
			kill()
			for range w.rand.IntN(4) {
				w.step()
			}
		}
		r.startProcess()
		for range 10 {
			w.step()
		}
		r.converge()
	})
}
