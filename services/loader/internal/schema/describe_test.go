package schema_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// value is a text that DuckDB casts to the column's type.
func value(c *cdcv1.Column, n int) string {
	switch c.GetType() {
	case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE:
		return fmt.Sprintf("%d.5", n)
	case cdcv1.Type_TYPE_DECIMAL:
		return fmt.Sprintf("%d.%s", n, strings.Repeat("1", int(c.GetScale())))
	case cdcv1.Type_TYPE_BLOB:
		return fmt.Sprintf(`a\xFF%d`, n)
	case cdcv1.Type_TYPE_JSON:
		return fmt.Sprintf(`{"it's": %d}`, n)
	case cdcv1.Type_TYPE_DATE:
		return fmt.Sprintf("2025-01-%02d", n+1)
	case cdcv1.Type_TYPE_TIMESTAMP:
		return fmt.Sprintf("2025-01-31 10:00:%02d.5", n)
	case cdcv1.Type_TYPE_TIME:
		return fmt.Sprintf("-30:00:%02d", n)
	case cdcv1.Type_TYPE_TEXT:
		return fmt.Sprintf("it's \"%d\" 日本", n)
	}
	return fmt.Sprint(n)
}

func maybe(r *rand.Rand, text string) *string {
	if r.IntN(3) == 0 {
		return nil
	}
	return &text
}

// Whatever a definition becomes, a table that followed it has its defaults and comments, which give what the definition says; also for one who
// reads the log of a file whose writer was killed.
func TestDefaultsAndCommentsFollowRandomDefinitions(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { followRandomDefinitions(t, seed) })
	}
}

func followRandomDefinitions(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable on purpose
	pool := frametest.Definition("t", 1).GetColumns()[1:]
	path := filepath.Join(t.TempDir(), "live.duckdb")
	db, err := duck.Open(path, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dress := func(c *cdcv1.Column) {
		c.Default = maybe(r, value(c, r.IntN(20)))
		c.Comment = []string{"", "it's one", "another"}[r.IntN(3)]
	}
	def := &cdcv1.TableDefinition{Table: "t", Comment: "first", Columns: []*cdcv1.Column{{Name: "Id", Type: cdcv1.Type_TYPE_INT64}}}
	run := func(statements []string) {
		t.Helper()
		for _, sql := range append(append([]string{"BEGIN"}, statements...), "COMMIT") {
			if err := conn.Exec(sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	run(schema.CreateDescribed("CREATE TABLE", `"it's ""t"`, def))
	run([]string{`INSERT INTO "it's ""t" VALUES (1)`})
	for step := range 40 {
		to := proto.CloneOf(def)
		for range 1 + r.IntN(4) {
			c := proto.CloneOf(pool[r.IntN(len(pool))])
			i := slices.IndexFunc(to.GetColumns(), func(have *cdcv1.Column) bool { return have.GetName() == c.GetName() })
			switch {
			case i < 0:
				dress(c)
				c.Initial = maybe(r, value(c, r.IntN(20)))
				to.Columns = slices.Insert(to.Columns, 1, c)
			case r.IntN(3) == 0:
				to.Columns = slices.Delete(to.Columns, i, i+1)
			default:
				dress(to.Columns[i])
			}
		}
		to.Comment = []string{"", "it's a table", "another"}[r.IntN(3)]
		statements, err := schema.Alter(`"it's ""t"`, def, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		run(statements)
		def = to
		checkDescribed(t, conn, def)
		if step%10 == 0 {
			replayed(t, path, def)
		}
	}
}

// replayed reads the file as one does whose predecessor was killed.
func replayed(t *testing.T, path string, def *cdcv1.TableDefinition) {
	t.Helper()
	again := filepath.Join(t.TempDir(), "again.duckdb")
	for _, end := range []string{"", ".wal"} {
		data, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(again+end, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := duck.Open(again, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	checkDescribed(t, conn, def)
}

func checkDescribed(t *testing.T, conn *duck.Conn, def *cdcv1.TableDefinition) {
	t.Helper()
	comments, got := map[string]string{}, map[string]string{}
	for _, row := range texts(t, conn, `SELECT column_name, coalesce(comment, '') FROM duckdb_columns() WHERE table_name = 'it''s "t'
		UNION ALL SELECT '', coalesce(comment, '') FROM duckdb_tables() WHERE table_name = 'it''s "t'`) {
		got[row[0]] = row[1]
	}
	comments[""] = def.GetComment()
	var columns []string
	for _, c := range def.GetColumns() {
		comments[c.GetName()] = c.GetComment()
		want := "NULL"
		if c.Default != nil {
			want = duck.Literal(c.GetDefault()) + "::" + schema.Type(c)
		}
		columns = append(columns, fmt.Sprintf("(%s IS NOT DISTINCT FROM %s)::VARCHAR", duck.Identifier(c.GetName()), want))
	}
	if !maps.Equal(got, comments) {
		t.Fatalf("comments are %q and should be %q", got, comments)
	}
	for _, sql := range []string{"BEGIN", `INSERT INTO "it's ""t" DEFAULT VALUES`} {
		if err := conn.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	row := texts(t, conn, "SELECT "+strings.Join(columns, ", ")+` FROM "it's ""t" ORDER BY rowid DESC LIMIT 1`)[0]
	if err := conn.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	for i, same := range row {
		if c := def.GetColumns()[i]; same != "true" {
			t.Fatalf("the default of column %s is not %q", c.GetName(), c.GetDefault())
		}
	}
}

func texts(t *testing.T, conn *duck.Conn, sql string) (out [][]string) {
	t.Helper()
	res, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	for {
		chunk, err := res.Next()
		if err != nil {
			t.Fatal(err)
		}
		if chunk == nil {
			return out
		}
		for i := range chunk.Rows() {
			row := make([]string, len(res.Columns()))
			for j := range row {
				row[j] = string(chunk.Column(j).Bytes(i))
			}
			out = append(out, row)
		}
	}
}
