package e2e

import (
	"crypto/md5" //nolint:gosec // the fingerprint that both servers can take
	"fmt"
	"math/rand/v2"
	"testing"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// Rows of 60 MB that do not compress, so that each takes many messages: copied, inserted, updated and deleted.
func TestRowsOfSixtyMegabytes(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server, err := mysqltest.Start(ctx, mysqltest.Options{Flavor: flavor, Args: []string{"--max-allowed-packet=256M"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := server.Exec(ctx, "CREATE DATABASE wide", "USE wide", "CREATE TABLE big (id INT PRIMARY KEY, body LONGBLOB)"); err != nil {
			t.Fatal(err)
		}
		db, err := server.Open("wide")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		random := rand.NewChaCha8([32]byte{})
		body := make([]byte, 60<<20)
		want := map[int]string{}
		write := func(statement string, id int) {
			t.Helper()
			_, _ = random.Read(body)                    // never fails
			want[id] = fmt.Sprintf("%x", md5.Sum(body)) //nolint:gosec // see above
			if _, err := db.ExecContext(ctx, statement, body, id); err != nil {
				t.Fatal(err)
			}
		}
		write("INSERT INTO big (body, id) VALUES (?, ?)", 1)
		s := newStack(t, server.URL("wide"))
		start(ctx, t, s)
		client := connect(ctx, t, s)
		arrives := func(what string) {
			t.Helper()
			eventually(ctx, t, what, func() error {
				rows, err := duckling.Select[struct {
					ID   int    `json:"id"`
					Size int    `json:"size"`
					Sum  string `json:"sum"`
				}](ctx, client, "SELECT id, octet_length(body) AS size, md5(body) AS sum FROM big")
				if err != nil {
					return err
				}
				if len(rows) != len(want) {
					return fmt.Errorf("%d rows, want %d", len(rows), len(want))
				}
				for _, row := range rows {
					if row.Size != len(body) || row.Sum != want[row.ID] {
						return fmt.Errorf("row %d has %d bytes with md5 %s, want %s", row.ID, row.Size, row.Sum, want[row.ID])
					}
				}
				return nil
			})
		}
		arrives("the copy")
		write("INSERT INTO big (body, id) VALUES (?, ?)", 2)
		arrives("the insert")
		write("UPDATE big SET body = ? WHERE id = ?", 1)
		arrives("the update")
		if _, err := db.ExecContext(ctx, "DELETE FROM big WHERE id = 2"); err != nil {
			t.Fatal(err)
		}
		delete(want, 2)
		arrives("the delete")
	})
}
