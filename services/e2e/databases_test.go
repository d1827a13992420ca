package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/oracle"
	"github.com/chittihq/duckling/testkit/stack"
)

// clinic is one of the sources of a DATABASES_FILE. What its masks hide holds the word secret, and what they show the word openly.
type clinic struct {
	id, salt string
	server   *mysqltest.Server
	db       *sql.DB
	client   *duckling.Client
	patients int // ids from 1 on that were given out
}

const (
	secret = "SECRET"
	openly = "OPENLY"
)

// Both have the same tables; first takes its own by name, second all but some.
const databasesFile = `databases:
  - id: first
    connectionString: %q
    include: [patient, visit*, log_*]
    exclude: ['*_tmp']
    masks:
      - {table: patient, column: mail, action: hash, salt: pepper}
      - {table: log_*, column: WHO, action: hash, salt: pepper}
      - {table: patient, column: card, action: redact}
      - {table: patient, column: note, action: drop}
  - id: second
    connectionString: %q
    exclude: ['*_tmp', 'other?']
    masks:
      - {table: patient, column: mail, action: hash, salt: thyme}
      - {table: log_*, column: who, action: hash, salt: thyme}
      - {table: patient, column: card, action: redact}
      - {table: patient, column: note, action: drop}
`

// Two sources in one ingest: each database has the tables that its patterns choose, what its masks hide is nowhere, in copied
// and in streamed rows alike, and neither minds that the other's server is gone.
func TestSeveralSources(t *testing.T) {
	ctx := t.Context()
	first := newClinic(ctx, t, "first", "pepper", mysqltest.MySQL)
	second := newClinic(ctx, t, "second", "thyme", mysqltest.MariaDB)
	clinics := []*clinic{first, second}
	file := filepath.Join(t.TempDir(), "databases.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, databasesFile, first.server.URL("clinic"), second.server.URL("clinic")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range clinics {
		c.admit(ctx, t, 40)
	}
	s := newStack(t, "", "DATABASES_FILE="+file)
	start(ctx, t, s)
	for _, c := range clinics {
		client, err := duckling.Open(ctx, duckling.Config{
			URL: s.WebSocket() + "?db=" + c.id, APIKey: stack.Key, MaxReconnectAttempts: -1, RetryLost: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		c.client = client
		c.arrives(ctx, t, "the copy")
	}
	for _, c := range clinics {
		c.admit(ctx, t, 40)
		c.exec(ctx, t, "UPDATE patient SET mail = CONCAT('moved.', mail), card = CONCAT('9', card), note = CONCAT('more ', note) WHERE id % 7 = 0",
			"DELETE FROM patient WHERE id % 11 = 0", "UPDATE visit SET fee = fee + 1 WHERE id % 5 = 0")
		c.arrives(ctx, t, "the stream")
	}

	for i, down := range clinics {
		up := clinics[1-i]
		if err := down.server.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		up.admit(ctx, t, 5)
		up.arrives(ctx, t, "rows while "+down.id+" is down")
		// An ingest that begins when a source is down follows the others all the same.
		if err := s.Ingest.Kill(); err != nil {
			t.Fatal(err)
		}
		start(ctx, t, s)
		up.admit(ctx, t, 5)
		up.arrives(ctx, t, "rows after a restart while "+down.id+" is down")
		pid := s.Ingest.Pid()
		if err := down.server.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		down.admit(ctx, t, 5)
		down.arrives(ctx, t, "rows of the source that is back")
		if !s.Ingest.Running() || s.Ingest.Pid() != pid {
			t.Error("ingest has ended")
		}
	}
	for _, c := range clinics {
		c.check(ctx, t, s)
	}
}

func newClinic(ctx context.Context, t *testing.T, id, salt string, flavor mysqltest.Flavor) *clinic {
	t.Helper()
	c := &clinic{id: id, salt: salt, server: mysqltest.ForTest(t, flavor)}
	if err := c.server.Exec(ctx, "CREATE DATABASE clinic"); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.db, err = c.server.Open("clinic"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	c.exec(ctx, t, "CREATE TABLE patient (id INT PRIMARY KEY, mail VARCHAR(60), card VARCHAR(40) NOT NULL, note TEXT, city VARCHAR(20))",
		"CREATE TABLE visit (id INT PRIMARY KEY, patient INT NOT NULL, fee DECIMAL(8,2), at DATETIME(6))",
		"CREATE TABLE log_2024 (id INT PRIMARY KEY, who VARCHAR(60))",
		"CREATE TABLE visit_tmp (id INT PRIMARY KEY, v VARCHAR(20))", "CREATE TABLE other1 (id INT PRIMARY KEY, v VARCHAR(20))",
		"INSERT INTO visit_tmp VALUES (1, 'SECRET')", "INSERT INTO other1 VALUES (1, 'SECRET')")
	return c
}

func (c *clinic) exec(ctx context.Context, t *testing.T, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := c.db.ExecContext(ctx, sql); err != nil {
			t.Fatalf("%s: %s: %v", c.id, sql, err)
		}
	}
}

// admit adds n patients, of whom some share a mail with others of before and after and some have none.
func (c *clinic) admit(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for range n {
		c.patients++
		id := c.patients
		mail := sql.NullString{String: fmt.Sprintf("%s.%d@ø.example", secret, id%13), Valid: id%6 != 0}
		for _, one := range []struct {
			sql  string
			args []any
		}{
			{"INSERT INTO patient VALUES (?, ?, ?, ?, ?)", []any{id, mail, fmt.Sprintf("%s-%d", secret, id), secret + " and more", fmt.Sprintf("%s-%d", openly, id)}},
			{"INSERT INTO log_2024 VALUES (?, ?)", []any{id, mail}},
			{"INSERT INTO visit VALUES (?, ?, ? / 7, '2024-02-29 01:02:03.000004')", []any{id, id, id}},
			{"INSERT INTO visit_tmp VALUES (?, ?)", []any{id + 1, secret}},
			{"INSERT INTO other1 VALUES (?, ?)", []any{id + 1, secret}},
		} {
			if _, err := c.db.ExecContext(ctx, one.sql, one.args...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// arrives waits until the gateway shows the source's rows, as the masks leave them.
func (c *clinic) arrives(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	for sources, replica := range map[string]string{
		"SELECT id, mail, NULL, city FROM patient ORDER BY id": "SELECT id, mail, card, city FROM patient ORDER BY id",
		"SELECT id, who, NULL, NULL FROM log_2024 ORDER BY id": "SELECT id, who AS mail, NULL AS card, NULL AS city FROM log_2024 ORDER BY id",
	} {
		want := c.masked(ctx, t, sources)
		eventually(ctx, t, c.id+": "+what, func() error {
			rows, err := duckling.Select[patient](ctx, c.client, replica)
			if err != nil {
				return err
			}
			got := make([]string, len(rows))
			for i, row := range rows {
				got[i] = row.text()
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("%s gives %d rows\n%q\nand not %d\n%q", replica, len(got), got, len(want), want)
			}
			return nil
		})
	}
}

type patient struct {
	ID   int     `json:"id"`
	Mail *string `json:"mail"`
	Card *string `json:"card"`
	City *string `json:"city"`
}

func (p *patient) text() string {
	text := fmt.Sprint(p.ID)
	for _, v := range []*string{p.Mail, p.Card, p.City} {
		if v == nil {
			text += " null"
		} else {
			text += " " + *v
		}
	}
	return text
}

// masked reads the source, with the hash of every mail in its place.
func (c *clinic) masked(ctx context.Context, t *testing.T, query string) (want []string) {
	t.Helper()
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var p patient
		if err := rows.Scan(&p.ID, &p.Mail, &p.Card, &p.City); err != nil {
			t.Fatal(err)
		}
		if p.Mail != nil {
			mac := hmac.New(sha256.New, []byte(c.salt))
			mac.Write([]byte(*p.Mail))
			*p.Mail = hex.EncodeToString(mac.Sum(nil))
		}
		want = append(want, p.text())
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return want
}

// check compares what no mask hides, and looks for what may not be there.
func (c *clinic) check(ctx context.Context, t *testing.T, s *stack.Stack) {
	t.Helper()
	newest := oracle.Newest{Dir: generation.Dir(s.DataDir(), c.id)}
	eventually(ctx, t, c.id+": visit to equal its source", func() error { return oracle.CompareTable(ctx, c.db, newest, "visit") })
	tables, err := newest.Read(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range tables {
		got = append(got, *row[0])
	}
	if want := []string{"log_2024", "patient", "visit"}; !slices.Equal(got, want) {
		t.Errorf("%s has the tables %q, want %q", c.id, got, want)
	}
	for _, table := range []string{"visit_tmp", "other1"} {
		if _, err := c.client.Query(ctx, "SELECT * FROM "+table); duckling.CodeOf(err) != duckling.CodeNotFound {
			t.Errorf("%s: %s, which is excluded, answers %v", c.id, table, err)
		}
	}
	if _, err := c.client.Query(ctx, "SELECT note FROM patient"); err == nil {
		t.Errorf("%s: the dropped column is there", c.id)
	}
	for place, text := range map[string][]byte{"files": files(t, filepath.Join(s.DataDir(), c.id)), "stream": stream(ctx, t, s, c.id)} {
		mustHide(t, c.id+"'s "+place, text)
	}
}
