package e2e

import (
	"database/sql"
	"fmt"
	"log/slog"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/usage"
)

// Ingest passes a transaction on while it reads it: one that is larger than the memory it may take does not make it take more.
// The rows do not compress, so that no form of them would fit.
func TestHugeTransactionTakesLittleMemory(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		const (
			doublings = 20 // rows: 2^20
			width     = 320
			limit     = 300 // MB
		)
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor, "--innodb-buffer-pool-size=1G", map[mysqltest.Flavor]string{
			mysqltest.MySQL: "--innodb-redo-log-capacity=2G", mysqltest.MariaDB: "--innodb-log-file-size=2G",
		}[flavor])
		if err := server.Exec(ctx, "CREATE DATABASE huge", "USE huge", fmt.Sprintf("CREATE TABLE line (id INT PRIMARY KEY, v VARBINARY(%d) NOT NULL)", width)); err != nil {
			t.Fatal(err)
		}
		db, err := server.Open("huge")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := newStack(t, server.URL("huge"))
		start(ctx, t, s) // the loader too, so that the table is known to be copied
		client := connect(ctx, t, s)
		eventually(ctx, t, "the empty table", func() error {
			_, err := client.Query(ctx, "SELECT id FROM line")
			return err
		})
		if err := s.Loader.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		before := head(t, db, flavor)

		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }() // of a transaction that has ended does nothing
		if _, err := tx.ExecContext(ctx, "INSERT INTO line VALUES (0, RANDOM_BYTES(?))", width); err != nil {
			t.Fatal(err)
		}
		for n := range doublings {
			if _, err := tx.ExecContext(ctx, "INSERT INTO line SELECT id + ?, RANDOM_BYTES(?) FROM line", 1<<n, width); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		after := head(t, db, flavor)
		if before.file != after.file || after.offset-before.offset < limit<<20 {
			t.Fatalf("the transaction takes the binlog from %+v to %+v, which would fit", before, after)
		}

		b, err := bus.Connect(ctx, bus.Config{URL: s.NATSURL(), Name: "test", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		eventually(ctx, t, "the end of the transaction to be published", func() error {
			tail, err := b.Tail(ctx, "default")
			if err != nil {
				return err
			}
			f, err := frame.Unmarshal(tail.Last.Payload)
			if err != nil {
				return err
			}
			if p := f.GetPosition(); p.GetFile() != after.file || p.GetOffset() < after.offset {
				return fmt.Errorf("message %d is at %s:%d, not at %+v", tail.Last.Seq, p.GetFile(), p.GetOffset(), after)
			}
			return nil
		})
		peak, err := usage.Peak(s.Ingest.Pid())
		if err != nil {
			t.Fatal(err)
		}
		if peak >= limit {
			t.Errorf("ingest took %d MB of memory for a transaction of %d MB, want less than %d", peak, (after.offset-before.offset)>>20, limit)
		}
		t.Logf("ingest took %d MB of memory for a transaction of %d MB", peak, (after.offset-before.offset)>>20)
	})
}

type place struct {
	file   string
	offset uint64
}

// head is where the server writes next.
func head(t *testing.T, db *sql.DB, flavor mysqltest.Flavor) (p place) {
	t.Helper()
	into := []any{&p.file, &p.offset, new(sql.NullString), new(sql.NullString), new(sql.NullString)}
	statement := "SHOW BINARY LOG STATUS"
	if flavor == mysqltest.MariaDB {
		statement, into = "SHOW MASTER STATUS", into[:4]
	}
	if err := db.QueryRowContext(t.Context(), statement).Scan(into...); err != nil {
		t.Fatal(err)
	}
	return p
}
