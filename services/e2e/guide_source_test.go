package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/demo/shop"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

var guideScale = shop.Scale{Users: 300, Products: 60, Orders: 8000, Items: 20000}

// guideSource is a MySQL with the demo shop, and the two databases of the guide's multi-database service.
type guideSource struct {
	db            *sql.DB // on the shop
	databasesFile string
}

func newGuideSource(ctx context.Context, t *testing.T, server *mysqltest.Server) *guideSource {
	t.Helper()
	statements := []string{
		"CREATE DATABASE shop", "CREATE DATABASE lms", "CREATE DATABASE chitti_common",
		"CREATE TABLE lms.User (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL)",
		"INSERT INTO lms.User VALUES (1, 'Learner One'), (2, 'Learner Two')",
		"CREATE TABLE chitti_common.Action (id INT PRIMARY KEY AUTO_INCREMENT, verb VARCHAR(40) NOT NULL)",
		"INSERT INTO chitti_common.Action (verb) VALUES " + strings.Repeat("('viewed'), ", 11) + "('closed')",
	}
	if err := server.Exec(ctx, statements...); err != nil {
		t.Fatal(err)
	}
	db, err := server.Open("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	end := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	if err := shop.Load(ctx, db, shop.Options{Scale: guideScale, Seed: 1, End: end}); err != nil {
		t.Fatal(err)
	}
	// The shop's orders are all in the past; these are of today. And one user who ordered nothing.
	if err := server.Exec(ctx, "USE shop",
		"INSERT INTO `Order` (userId, total, createdAt) VALUES (1, 10.10, UTC_TIMESTAMP(3)), (2, 20.25, UTC_TIMESTAMP(3)), (1, 0.01, UTC_TIMESTAMP(3))",
		"INSERT INTO User (name, email, country, createdAt) VALUES ('No Body', 'nobody@example.com', 'DE', UTC_TIMESTAMP(3))"); err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	file.WriteString("databases:\n")
	for id, schema := range map[string]string{"default": "shop", "lms": "lms", "chitti_common": "chitti_common"} {
		fmt.Fprintf(&file, "  - {id: %s, connectionString: %q}\n", id, server.URL(schema))
	}
	source := &guideSource{db: db, databasesFile: filepath.Join(t.TempDir(), "databases.yaml")}
	if err := os.WriteFile(source.databasesFile, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return source
}

// awaitCopy waits until every table has arrived.
func (g *guideSource) awaitCopy(ctx context.Context, t *testing.T, s *stack.Stack) {
	t.Helper()
	for database, tables := range map[string][]string{
		"default": {"User", "Product", "Order", "OrderItem"}, "lms": {"User"}, "chitti_common": {"Action"},
	} {
		schema := database
		if database == "default" {
			schema = "shop"
		}
		for _, table := range tables {
			want := g.rows(ctx, t, "SELECT COUNT(*) FROM "+schema+".`"+table+"`")[0][0]
			eventually(ctx, t, table+" of "+database, func() error {
				client, err := duckling.Open(ctx, duckling.Config{URL: s.WebSocket(), APIKey: stack.Key, Database: database})
				if err != nil {
					return err
				}
				defer client.Close()
				got, err := duckling.Get[string](ctx, client, `SELECT COUNT(*) FROM "`+table+`"`)
				if err == nil && got != want {
					err = fmt.Errorf("%s rows of %s", got, want)
				}
				return err
			})
		}
	}
}

// rows is MySQL's answer, as its text; NULL is "null".
func (g *guideSource) rows(ctx context.Context, t *testing.T, query string) [][]string {
	t.Helper()
	rows, err := g.db.QueryContext(ctx, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for rows.Next() {
		values, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			pointers[i] = &values[i]
		}
		if err := rows.Scan(pointers...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(columns))
		for i, v := range values {
			if row[i] = v.String; !v.Valid {
				row[i] = "null"
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func mustHave(t *testing.T, got, want int) {
	t.Helper()
	if got != want || want == 0 {
		t.Fatalf("there are %d, not %d", got, want)
	}
}

func mustMatch(t *testing.T, got map[string]any, want map[string]string) {
	t.Helper()
	if err := match(got, want); err != nil {
		t.Error(err)
	}
}

// match compares fields of a service's answer with MySQL's text. MySQL's AVG has six digits, so numbers may be a millionth apart;
// times are compared as times, since the two write fractions differently.
func match(got map[string]any, want map[string]string) error {
	for name, text := range want {
		value, ok := got[name]
		if !ok {
			return fmt.Errorf("%s is missing in %v", name, got)
		}
		var same bool
		switch v := value.(type) {
		case nil:
			same = text == "null"
		case json.Number:
			a, okA := new(big.Rat).SetString(v.String())
			b, okB := new(big.Rat).SetString(text)
			same = okA && okB && a.Sub(a, b).Abs(a).Cmp(big.NewRat(1, 1_000_000)) <= 0
		case string:
			a, errA := time.Parse(time.DateTime, v)
			b, errB := time.Parse(time.DateTime, text)
			same = v == text || errA == nil && errB == nil && a.Equal(b)
		}
		if !same {
			return fmt.Errorf("%s is %v (%T), MySQL says %s", name, value, value, text)
		}
	}
	return nil
}

// decimal writes a number one way, whoever sent it.
func decimal(t *testing.T, v any) string {
	t.Helper()
	r, ok := new(big.Rat).SetString(fmt.Sprint(v))
	if !ok {
		t.Fatalf("%v is not a number", v)
	}
	return r.FloatString(2)
}
