package source

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/bus/embedded"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// patience bounds waits that end far sooner unless something is broken.
const patience = 3 * time.Minute

// servers are started once for all tests, which each have a database of their own.
var servers struct {
	sync.Mutex
	running map[string]*mysqltest.Server
	schemas int
}

func sharedServer(t testing.TB, flavor mysqltest.Flavor, args []string) (s *mysqltest.Server, schema string) {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	servers.schemas++
	schema = fmt.Sprintf("shop_%d", servers.schemas)
	name := string(flavor) + strings.Join(args, " ")
	if s := servers.running[name]; s != nil {
		return s, schema
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: flavor, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if servers.running == nil {
		servers.running = map[string]*mysqltest.Server{}
	}
	servers.running[name] = s
	return s, schema
}

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		os.Exit(runChild())
	}
	code := m.Run()
	for _, s := range servers.running {
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// rig is a source server, a stream, and a model that reads it.
type rig struct {
	t      testing.TB
	mysql  *mysqltest.Server
	schema string
	db     *sql.DB
	bus    *bus.Bus
	url    string
	config Config
	// metrics and source are those of the last start.
	metrics *prometheus.Registry
	source  *Source

	mu    sync.Mutex
	model *model
	err   error
	moved chan struct{}
}

// flavors runs a test against each kind of server.
func flavors(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Run("mysql", func(t *testing.T) { test(t, newRig(t, mysqltest.MySQL)) })
	t.Run("mariadb", func(t *testing.T) { test(t, newRig(t, mysqltest.MariaDB)) })
	t.Run("mysql without gtid", func(t *testing.T) { test(t, newRig(t, mysqltest.MySQL, mysqltest.WithoutGTID()...)) })
}

func newRig(t testing.TB, flavor mysqltest.Flavor, args ...string) *rig {
	t.Helper()
	r := &rig{t: t, model: newModel(), moved: make(chan struct{})}
	r.mysql, r.schema = sharedServer(t, flavor, args)
	if err := r.mysql.Exec(t.Context(), "CREATE DATABASE "+r.schema); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.db, err = r.mysql.Open(r.schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	nats, err := embedded.Start(embedded.Config{StoreDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nats.Stop() })
	r.url = nats.ClientURL()
	if r.bus, err = bus.Connect(t.Context(), bus.Config{URL: r.url, Name: "test", Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.bus.Close)
	r.config = Config{ID: "shop", ServerID: 4242, Server: serverConfig(r.mysql.Addr, r.schema), CopyConnections: 4}
	if err := r.bus.EnsureStream(t.Context(), r.config.ID, bus.StreamOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { r.read(ctx) })
	t.Cleanup(func() { cancel(); reading.Wait() })
	return r
}

func serverConfig(addr, schema string) server.Config {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.ParseUint(port, 10, 16)
	return server.Config{Host: host, Port: uint16(n), User: "root", Password: mysqltest.RootPassword, Schema: schema}
}

// read folds the stream into the model as it grows.
func (r *rig) read(ctx context.Context) {
	err := r.bus.Consume(ctx, r.config.ID, 1, bus.ConsumerOptions{}, func(m *bus.Message) error {
		f, err := frame.Unmarshal(m.Payload)
		if err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if err := r.model.apply(f); err != nil {
			return fmt.Errorf("message %d (%s, %T): %w", m.Seq, m.ID, f.GetBody(), err)
		}
		close(r.moved)
		r.moved = make(chan struct{})
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() == nil {
		r.err = err
		close(r.moved)
		r.moved = make(chan struct{})
	}
}

// start runs ingest; the returned function ends it as a crash of the goroutine would: at once, wherever it is.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.metrics = prometheus.NewRegistry()
	s := New(r.config, r.bus, slog.New(slog.NewTextHandler(r.t.Output(), nil)), NewMetrics(r.metrics))
	r.source = s
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	r.t.Cleanup(stop)
	return stop
}

func (r *rig) exec(statements ...string) {
	r.t.Helper()
	if err := r.mysql.Exec(r.t.Context(), append([]string{"USE " + r.schema}, statements...)...); err != nil {
		r.t.Fatal(err)
	}
}

// eventually waits until the model satisfies a condition.
func (r *rig) eventually(what string, condition func(m *model) bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		ok, err, moved := condition(r.model), r.err, r.moved
		r.mu.Unlock()
		if err != nil {
			r.t.Fatalf("waiting until %s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			r.t.Fatalf("gave up waiting until %s", what)
		}
	}
}

// converge waits until the model holds exactly what the source holds, which must not change meanwhile.
func (r *rig) converge() {
	r.t.Helper()
	want := r.oracle()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		difference, err, moved := r.difference(want), r.err, r.moved
		r.mu.Unlock()
		if err != nil {
			r.t.Fatal(err)
		}
		if difference == "" {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("the stream did not become what the source is: %s; tables are %v, copies %v", difference, r.model.states, r.model.copies)
		}
	}
}

func (r *rig) difference(want map[string][]string) string {
	for name, rows := range want {
		if r.model.tables[name] == nil {
			return fmt.Sprintf("table %q is missing", name)
		}
		if c := r.model.copies[name]; c != nil {
			return fmt.Sprintf("table %q is being copied", name)
		}
		if got := r.model.content(name); !slices.Equal(got, rows) {
			return fmt.Sprintf("table %q has %d rows, the source %d; %s", name, len(got), len(rows), firstDifference(got, rows))
		}
	}
	for name := range r.model.tables {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("table %q is not at the source", name)
		}
	}
	return ""
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "missing " + want[i]
		case i >= len(want):
			return "too much " + got[i]
		case got[i] != want[i]:
			return differentCells(got[i], want[i])
		}
	}
	return "the same"
}

// differentCells leaves out of two rows what is the same in both.
func differentCells(got, want string) string {
	a, b := strings.Split(got, " | "), strings.Split(want, " | ")
	if len(a) != len(b) {
		return fmt.Sprintf("got %.300q, want %.300q", got, want)
	}
	var out []string
	for i := range a {
		if a[i] != b[i] {
			out = append(out, fmt.Sprintf("got %.300q, want %.300q", a[i], b[i]))
		}
	}
	return strings.Join(out, "; ")
}

// oracle reads the source by plain SQL, in text, which shares no code with what is tested.
func (r *rig) oracle() map[string][]string {
	r.t.Helper()
	out := map[string][]string{}
	for _, name := range r.column("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" + r.schema + "' AND TABLE_TYPE = 'BASE TABLE'") {
		out[name] = r.tableRows(name)
	}
	return out
}

func (r *rig) column(query string) (out []string) {
	r.t.Helper()
	rows, err := r.db.QueryContext(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) tableRows(table string) []string {
	r.t.Helper()
	type columnInfo struct{ name, typ string }
	var columns []columnInfo
	var expressions []string
	for _, name := range r.column("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '" + r.schema + "' AND TABLE_NAME = '" + table + "' ORDER BY ORDINAL_POSITION") {
		typ := r.column("SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '" + r.schema + "' AND TABLE_NAME = '" + table + "' AND COLUMN_NAME = '" + name + "'")[0]
		if r.config.Dates == cdcv1.ZeroDates_ZERO_DATES_TEXT && (typ == "date" || typ == "datetime" || typ == "timestamp") {
			typ = "text" // as the server prints it
		}
		columns = append(columns, columnInfo{name, typ})
		expressions = append(expressions, oracleExpression(name, typ))
	}
	out := []string{}
	rows, err := r.db.QueryContext(r.t.Context(), "SELECT "+strings.Join(expressions, ", ")+" FROM `"+table+"`")
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	values := make([]sql.RawBytes, len(columns))
	pointers := make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			r.t.Fatal(err)
		}
		var cells []string
		for i, c := range columns {
			cells = append(cells, c.name+"="+oracleCell(values[i], c.typ))
		}
		out = append(out, strings.Join(cells, " | "))
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}
