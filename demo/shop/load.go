package shop

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"
)

// Options say which shop to make.
type Options struct {
	Scale Scale
	Seed  uint64
	// End is when the last order was made; all times in the shop derive from it, so the
	// same End is needed for the same rows.
	End time.Time
	// Progress, if set, is called after each chunk with the rows loaded so far and the rows
	// of the whole shop; never by two goroutines at once.
	Progress func(loaded, total int)
}

// The server does nine tenths of the work. Two connections keep two cores busy; the others
// fill in while one waits for the disk.
const loaders = 4

// Load makes the shop's tables in the database that db is opened on and fills them. It uses
// LOAD DATA LOCAL, or many-row INSERTs where the server has local_infile off. It fails with
// ErrTablesExist rather than touch tables that are there already. A load that fails half way
// leaves its tables behind.
func Load(ctx context.Context, db *sql.DB, opts Options) error {
	if err := opts.Scale.validate(); err != nil {
		return err
	}
	var localInfile bool
	if err := db.QueryRowContext(ctx, "SELECT @@GLOBAL.local_infile").Scan(&localInfile); err != nil {
		return fmt.Errorf("asking for local_infile: %w", err)
	}
	if err := createTables(ctx, db); err != nil {
		return err
	}
	l := &loader{db: db, progress: opts.Progress, total: opts.Scale.Rows(), format: insertFormat, write: insertRows}
	if localInfile {
		l.format, l.write = loadFormat, loadRows
	}
	return l.run(ctx, opts)
}

type loader struct {
	db     *sql.DB
	format format
	write  func(ctx context.Context, conn *sql.Conn, t table, r rows) error
	total  int

	mu       sync.Mutex
	loaded   int // guarded by mu
	progress func(loaded, total int)
}

func (l *loader) run(ctx context.Context, opts Options) error {
	g, catalogue := newGenerator(opts.Scale, opts.Seed, opts.End, l.format)
	jobs := []job{func(ctx context.Context, conn *sql.Conn) error { return l.add(ctx, conn, productTable, catalogue) }}
	for chunk := range chunks(opts.Scale.Orders) {
		jobs = append(jobs, func(ctx context.Context, conn *sql.Conn) error {
			orders, items := g.orders(chunk, l.format)
			if err := l.add(ctx, conn, orderTable, orders); err != nil {
				return err
			}
			return l.add(ctx, conn, itemTable, items)
		})
	}
	if err := l.parallel(ctx, jobs); err != nil {
		return err
	}
	// Users come last: what they have spent is known when all orders are made.
	jobs = nil
	for chunk := range chunks(opts.Scale.Users) {
		jobs = append(jobs, func(ctx context.Context, conn *sql.Conn) error {
			return l.add(ctx, conn, userTable, g.users(chunk, l.format))
		})
	}
	return l.parallel(ctx, jobs)
}

type job func(ctx context.Context, conn *sql.Conn) error

func (l *loader) parallel(ctx context.Context, jobs []job) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(loaders, len(jobs)) {
		group.Go(func() error {
			conn, err := l.connect(ctx)
			if err != nil {
				return err
			}
			defer discard(conn)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return nil
				}
				if err := jobs[i](ctx, conn); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

func (l *loader) connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to load the shop: %w", err)
	}
	// The rows are right by construction, so the checks would cost for nothing. The mode
	// makes a value that does not fit an error, and backslashes escapes.
	const session = "SET unique_checks = 0, foreign_key_checks = 0, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'"
	if _, err := conn.ExecContext(ctx, session); err != nil {
		discard(conn)
		return nil, fmt.Errorf("preparing a connection to load the shop: %w", err)
	}
	return conn, nil
}

// discard closes the connection itself, so that its settings do not return to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // returns what it is given
}

func (l *loader) add(ctx context.Context, conn *sql.Conn, t table, r rows) error {
	if err := l.write(ctx, conn, t, r); err != nil {
		return fmt.Errorf("loading table %s: %w", t.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded += len(r.ends)
	if l.progress != nil {
		l.progress(l.loaded, l.total)
	}
	return nil
}

// readerNumber keeps the names apart that the driver knows readers by, in all its connections.
var readerNumber atomic.Uint64

func loadRows(ctx context.Context, conn *sql.Conn, t table, r rows) error {
	name := "shop-" + strconv.FormatUint(readerNumber.Add(1), 10)
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(r.text) })
	defer mysql.DeregisterReaderHandler(name)
	_, err := conn.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE `"+t.name+"` CHARACTER SET utf8mb4 ("+t.columns+")")
	return err
}

func insertRows(ctx context.Context, conn *sql.Conn, t table, r rows) error {
	const most = 512 << 10 // far below any max_allowed_packet
	insert := "INSERT INTO `" + t.name + "` (" + t.columns + ") VALUES "
	start := 0
	for i, end := range r.ends {
		if i+1 < len(r.ends) && r.ends[i+1]-start <= most {
			continue
		}
		values := strings.TrimSuffix(string(r.text[start:end]), ",")
		if _, err := conn.ExecContext(ctx, insert+values); err != nil {
			return err
		}
		start = end
	}
	return nil
}
