package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// Columns of every type can be added at once, in one transaction, with what old rows hold in them.
func TestAddedColumnsOfEveryType(t *testing.T) {
	db, err := duck.Open("", duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := frametest.Definition("t", 1)
	from := proto.CloneOf(to)
	from.Columns = append(from.Columns[:2:2], &cdcv1.Column{Name: "gone", Type: cdcv1.Type_TYPE_TEXT})
	want := map[string]string{"part": "a"}
	for _, c := range to.GetColumns()[2:] {
		text := "5"
		switch c.GetType() {
		case cdcv1.Type_TYPE_FLOAT, cdcv1.Type_TYPE_DOUBLE:
			text = "5.0"
		case cdcv1.Type_TYPE_DECIMAL:
			text = "5." + strings.Repeat("0", int(c.GetScale()))
		case cdcv1.Type_TYPE_BLOB:
			text = `a\xFF`
		case cdcv1.Type_TYPE_JSON:
			text = `{"it's": 5}`
		case cdcv1.Type_TYPE_DATE:
			text = "2025-01-31"
		case cdcv1.Type_TYPE_TIMESTAMP:
			text = "2025-01-31 10:00:00.5"
		case cdcv1.Type_TYPE_TIME:
			text = "-30:00:01"
		}
		c.Initial = proto.String(text)
		want[c.GetName()] = text
	}
	statements, err := schema.Alter("t", from, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	statements = append([]string{schema.CreateTable("CREATE TABLE", "t", "", from), "INSERT INTO t VALUES (1, 'a', 'b')", "BEGIN"}, statements...)
	for _, sql := range append(statements, "COMMIT", "INSERT INTO t (\"Id\") VALUES (2)") {
		if err := conn.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for name, text := range want {
		res, err := conn.Query(t.Context(), fmt.Sprintf("SELECT max(%s)::VARCHAR, (SELECT count(%s) FROM t)::VARCHAR FROM t", duck.Identifier(name), duck.Identifier(name)))
		if err != nil {
			t.Fatal(err)
		}
		chunk, err := res.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got, n := string(chunk.Column(0).Bytes(0)), string(chunk.Column(1).Bytes(0)); got != text || n != "1" {
			t.Errorf("column %s holds %q in %s rows", name, got, n)
		}
		res.Close()
	}
}

func TestChangesThatNeedACopy(t *testing.T) {
	from := frametest.Definition("t", 1)
	for name, change := range map[string]func(*cdcv1.TableDefinition){
		"type":      func(d *cdcv1.TableDefinition) { d.Columns[3].Type = cdcv1.Type_TYPE_INT64 },
		"precision": func(d *cdcv1.TableDefinition) { d.Columns[11].Precision++ },
	} {
		to := proto.CloneOf(from)
		change(to)
		var needed *schema.CopyNeededError
		if _, err := schema.Alter("t", from, to, nil); !errors.As(err, &needed) {
			t.Errorf("a change of %s gave %v", name, err)
		}
	}
}
