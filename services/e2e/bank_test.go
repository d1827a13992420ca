package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// bank is a workload whose invariant a reader can check at any moment: money moves between
// accounts, and every movement is three rows in three tables in one transaction.
type bank struct {
	db     *sql.DB
	random *rand.Rand
	marks  int
}

const (
	accounts = 200
	opening  = 1000
)

var bankTables = []string{
	`CREATE TABLE account (id BIGINT PRIMARY KEY AUTO_INCREMENT, owner VARCHAR(60) NOT NULL, balance DECIMAL(14,2) NOT NULL,
		opened DATETIME(6) NOT NULL, note TEXT, active TINYINT(1) NOT NULL DEFAULT 1)`,
	`CREATE TABLE entry (account_id BIGINT NOT NULL, seq INT UNSIGNED NOT NULL, amount DECIMAL(14,2) NOT NULL, at TIMESTAMP(3) NULL,
		PRIMARY KEY (account_id, seq))`,
	"CREATE TABLE `Order` (code VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, kind ENUM('transfer','fee','gift') NOT NULL, payload JSON, proof VARBINARY(40))",
	// No key at all: rows may be equal, and each of them counts.
	`CREATE TABLE audit (what VARCHAR(30), amount INT NULL)`,
	`CREATE TABLE mark (id INT PRIMARY KEY)`,
}

func newBank(ctx context.Context, t *testing.T, server *mysqltest.Server, seed uint64) *bank {
	t.Helper()
	if err := server.Exec(ctx, "CREATE DATABASE bank"); err != nil {
		t.Fatal(err)
	}
	db, err := server.Open("bank")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b := &bank{db: db, random: rand.New(rand.NewPCG(seed, 1))}
	for _, create := range bankTables {
		if _, err := db.ExecContext(ctx, create); err != nil {
			t.Fatal(err)
		}
	}
	for i := range accounts {
		if _, err := db.ExecContext(ctx, "INSERT INTO account (owner, balance, opened, note) VALUES (?, ?, NOW(6), ?)",
			fmt.Sprintf("Ōwner %d ü", i), opening, nullable(i%3 == 0, "note")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if _, err := db.ExecContext(ctx, "INSERT INTO audit VALUES ('opened', ?)", nullable(i%2 == 0, i%5)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func nullable(null bool, v any) any {
	if null {
		return nil
	}
	return v
}

// step does one random thing to the bank. The sum of all balances and the agreement of
// entries with balances outlive every step.
func (b *bank) step(ctx context.Context) error {
	switch p := b.random.IntN(100); {
	case p < 55:
		return b.transfer(ctx, p < 8)
	case p < 65:
		return b.exec(ctx, "UPDATE account SET note = ?, active = 1 - active WHERE id = ?", fmt.Sprint("n", b.random.Int()), b.account())
	case p < 72: // the key changes, and may swap places with another's old one
		return b.exec(ctx, "UPDATE `Order` SET code = CONCAT('k', ?) WHERE code = ?", b.random.Int64(), b.anyOrder(ctx))
	case p < 80:
		return b.exec(ctx, "DELETE FROM `Order` WHERE code = ?", b.anyOrder(ctx))
	case p < 90:
		return b.exec(ctx, "INSERT INTO audit VALUES (?, ?)", fmt.Sprint("a", b.random.IntN(4)), nullable(p == 80, b.random.IntN(3)))
	case p < 94:
		return b.exec(ctx, "DELETE FROM audit WHERE what = ? LIMIT 2", fmt.Sprint("a", b.random.IntN(4)))
	case p < 97:
		return b.exec(ctx, "UPDATE audit SET amount = 7 WHERE what = ? LIMIT 1", fmt.Sprint("a", b.random.IntN(4)))
	default:
		return b.exec(ctx, "UPDATE entry SET seq = seq + 1000000 WHERE account_id = ? AND seq < 1000000 ORDER BY seq DESC", b.account())
	}
}

func (b *bank) account() int { return 1 + b.random.IntN(accounts) }

func (b *bank) anyOrder(ctx context.Context) string {
	var code string
	// An empty table gives no code, and the statement that uses it then changes nothing.
	_ = b.db.QueryRowContext(ctx, "SELECT code FROM `Order` LIMIT 1 OFFSET ?", b.random.IntN(20)).Scan(&code)
	return code
}

func (b *bank) exec(ctx context.Context, statement string, args ...any) error {
	if _, err := b.db.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// transfer moves money in one transaction over three tables, or takes all of it back.
func (b *bank) transfer(ctx context.Context, rollback bool) error {
	from, to := b.account(), b.account()
	if from == to {
		return nil
	}
	amount := 1 + b.random.IntN(50)
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit there is nothing to roll back
	steps := []struct {
		sql  string
		args []any
	}{
		{"UPDATE account SET balance = balance - ? WHERE id = ?", []any{amount, from}},
		{"INSERT INTO entry SELECT ?, COALESCE(MAX(seq), 0) + 1, ?, NOW(3) FROM entry WHERE account_id = ?", []any{from, -amount, from}},
		{"INSERT INTO entry SELECT ?, COALESCE(MAX(seq), 0) + 1, ?, NOW(3) FROM entry WHERE account_id = ?", []any{to, amount, to}},
		{"INSERT INTO `Order` VALUES (?, ?, ?, ?)", []any{
			fmt.Sprintf("o%d", b.random.Int64()), []string{"transfer", "fee", "gift"}[b.random.IntN(3)],
			fmt.Sprintf(`{"amount": %d, "who": ["%d", null, {"ü": 1.5}]}`, amount, from), []byte{0, byte(amount), 255},
		}},
		{"UPDATE account SET balance = balance + ? WHERE id = ?", []any{amount, to}},
	}
	for _, s := range steps {
		if _, err := tx.ExecContext(ctx, s.sql, s.args...); err != nil {
			return fmt.Errorf("%s: %w", s.sql, err)
		}
	}
	if rollback {
		return tx.Rollback()
	}
	return tx.Commit()
}

// mark commits a row that was never there, and returns its id: once a reader sees it, it
// sees everything before it.
func (b *bank) mark(ctx context.Context) (int, error) {
	b.marks++
	_, err := b.db.ExecContext(ctx, "INSERT INTO mark VALUES (?)", b.marks)
	return b.marks, err
}

// run makes n steps.
func (b *bank) run(ctx context.Context, n int) error {
	for range n {
		if err := b.step(ctx); err != nil {
			return errors.Join(errors.New("the workload failed at the source"), err)
		}
	}
	return nil
}
