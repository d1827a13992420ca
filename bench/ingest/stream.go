package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
	"github.com/chittihq/duckling/testkit/usage"
)

const orders = `CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, customer INT NOT NULL, total DECIMAL(12,2) NOT NULL,
	state ENUM('new','paid','sent') NOT NULL, note VARCHAR(80), at DATETIME(3) NOT NULL)`

// fillSingly commits rows n to m one by one, half of the changes inserts and half updates.
const fillSingly = `CREATE PROCEDURE fill_singly(n INT, m INT) BEGIN
	WHILE n < m DO
		INSERT INTO orders VALUES (n, n % 997, n / 7, 1 + n % 3, 'a note of some forty characters, as is usual', '2024-01-02 03:04:05.678');
		UPDATE orders SET total = total + 1, state = 'paid' WHERE id = n;
		SET n = n + 1;
	END WHILE; END`

const fillMany = `INSERT INTO orders WITH RECURSIVE i (n) AS (SELECT %d UNION ALL SELECT n + 1 FROM i WHERE n + 1 < %d)
	SELECT n, n %% 997, n / 7, 1 + n %% 3, 'a note of some forty characters, as is usual', '2024-01-02 03:04:05.678' FROM i`

// measureStream prepares a backlog and lets each reader read it.
func measureStream(ctx context.Context, program string, changes, size int) (rows [][]string, err error) {
	b, err := newBacklog(ctx, mysqltest.MySQL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	files, err := fill(ctx, b.db, changes, size)
	if err != nil {
		return nil, err
	}
	syncer, err := bareSyncer(ctx, b.server, b.from, changes)
	if err != nil {
		return nil, err
	}
	offline, err := mysqlbinlog(ctx, program, b.db, files, changes)
	if err != nil {
		return nil, err
	}
	ingest, err := b.meter.stream(ctx, changes)
	if err != nil {
		return nil, err
	}
	return [][]string{syncer.cells(syncer), offline.cells(syncer), ingest.cells(syncer)}, nil
}

// measureCopy lets ingest copy a table, which takes long enough for the beginning not to count.
func measureCopy(ctx context.Context, rows int) (cells [][]string, err error) {
	b, err := newBacklog(ctx, mysqltest.MySQL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if _, err := b.db.ExecContext(ctx, fmt.Sprintf(fillMany, 0, rows)); err != nil {
		return nil, fmt.Errorf("preparing the table: %w", err)
	}
	floor, err := bareSelect(ctx, b.db, "orders")
	if err != nil {
		return nil, err
	}
	copied, err := b.meter.copy(ctx, floor.rows)
	if err != nil {
		return nil, err
	}
	return [][]string{floor.cells(floor), copied.cells(floor)}, nil
}

// fill makes the backlog and returns the files it is in.
func fill(ctx context.Context, db *sql.DB, changes, size int) (files []string, err error) {
	var first string
	if first, _, err = head(ctx, db); err != nil {
		return nil, err
	}
	if size == 1 {
		var filling errgroup.Group
		for half := range 2 {
			filling.Go(func() error {
				_, err := db.ExecContext(ctx, "CALL fill_singly(?, ?)", half*changes/4, (half+1)*changes/4)
				return err
			})
		}
		err = filling.Wait()
	} else {
		for n := 0; n < changes/2 && err == nil; n += size {
			if _, err = db.ExecContext(ctx, fmt.Sprintf(fillMany, n, n+size)); err == nil {
				_, err = db.ExecContext(ctx, "UPDATE orders SET total = total + 1, state = 'paid' WHERE id >= ? AND id < ?", n, n+size)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("preparing the backlog: %w", err)
	}
	rows, err := db.QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, size, encrypted string
		if err := rows.Scan(&name, &size, &encrypted); err != nil {
			return nil, err
		}
		if name >= first {
			files = append(files, name)
		}
	}
	return files, rows.Err()
}

func head(ctx context.Context, db *sql.DB) (file string, offset uint64, err error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", 0, err
	}
	into, statement := []any{&file, &offset, new(sql.NullString), new(sql.NullString), new(sql.NullString)}, "SHOW BINARY LOG STATUS"
	if strings.Contains(version, "MariaDB") {
		into, statement = into[:4], "SHOW MASTER STATUS"
	}
	err = db.QueryRowContext(ctx, statement).Scan(into...)
	return file, offset, err
}

// meter runs ingest and reads the stream's end.
type meter struct {
	db    *sql.DB
	stack *stack.Stack
	bus   *bus.Bus
}

const tick = 10 * time.Millisecond

// begin starts NATS and ingest, and returns how long ingest took from its first message until the table was copied.
func (m *meter) begin(ctx context.Context) (time.Duration, error) {
	if err := m.connect(ctx); err != nil {
		return 0, err
	}
	if err := m.stack.Ingest.Start(); err != nil {
		return 0, err
	}
	if err := m.await(ctx, func(at *seen) bool { return at.seq > 0 }); err != nil {
		return 0, err
	}
	began := time.Now()
	err := m.await(ctx, func(at *seen) bool { return at.streaming })
	return time.Since(began), err
}

// connect starts NATS.
func (m *meter) connect(ctx context.Context) error {
	if err := m.stack.NATS.Start(); err != nil {
		return err
	}
	for {
		var err error
		m.bus, err = bus.Connect(ctx, bus.Config{URL: m.stack.NATSURL(), Name: "bench", Logger: slog.New(slog.DiscardHandler)})
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(tick)
	}
}

// seen is what the stream's last message tells.
type seen struct {
	seq       uint64
	file      string
	offset    uint64
	streaming bool // the last copy has ended
}

func (m *meter) await(ctx context.Context, done func(*seen) bool) error {
	for {
		if !m.stack.Ingest.Running() {
			return fmt.Errorf("ingest ended: %s", m.stack.Ingest.Tail())
		}
		at, err := m.end(ctx)
		if err == nil && done(at) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-time.After(tick):
		}
	}
}

func (m *meter) end(ctx context.Context) (*seen, error) {
	tail, err := m.bus.Tail(ctx, "default")
	if err != nil {
		return nil, err
	}
	if tail.Last == nil {
		return &seen{}, nil
	}
	f, err := frame.Unmarshal(tail.Last.Payload)
	if err != nil {
		return nil, err
	}
	at := &seen{seq: tail.Last.Seq, file: f.GetPosition().GetFile(), offset: f.GetPosition().GetOffset(), streaming: f.GetCopyEnd() != nil}
	if states := f.GetState().GetTables(); len(states) == 1 {
		at.streaming = states[0].GetPhase().String() == "PHASE_STREAMING"
	}
	return at, nil
}

// stream starts ingest on the backlog.
func (m *meter) stream(ctx context.Context, changes int) (measured, error) {
	file, offset, err := head(ctx, m.db)
	if err != nil {
		return measured{}, err
	}
	before, err := m.end(ctx)
	if err != nil {
		return measured{}, err
	}
	if err := m.stack.Ingest.Start(); err != nil {
		return measured{}, err
	}
	if err := m.await(ctx, func(at *seen) bool { return at.seq > before.seq }); err != nil {
		return measured{}, err
	}
	began := time.Now()
	if err := m.await(ctx, func(at *seen) bool { return at.file == file && at.offset >= offset }); err != nil {
		return measured{}, err
	}
	return m.usage(measured{name: "ingest, to acks", rows: changes, took: time.Since(began)})
}

// copy lets ingest begin a new stream, with a copy of the table.
func (m *meter) copy(ctx context.Context, rows int) (measured, error) {
	if err := m.stack.Ingest.Stop(ctx); err != nil {
		return measured{}, err
	}
	m.bus.Close()
	if err := m.stack.NATS.Stop(ctx); err != nil {
		return measured{}, err
	}
	if err := os.RemoveAll(m.stack.Dir + "/jetstream"); err != nil {
		return measured{}, err
	}
	// A new stream begins in the newest file, and a copy ends when the source has gone through it. That is not what is measured.
	if _, err := m.db.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
		return measured{}, err
	}
	took, err := m.begin(ctx)
	if err != nil {
		return measured{}, err
	}
	return m.usage(measured{name: "ingest copy, to acks", rows: rows, took: took})
}

// usage adds what the ingest process has used since it began.
func (m *meter) usage(r measured) (_ measured, err error) {
	if r.rss, err = usage.Peak(m.stack.Ingest.Pid()); err != nil {
		return r, err
	}
	r.cpu, err = usage.CPU(m.stack.Ingest.Pid())
	return r, err
}
