package dialect_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
)

var update = flag.Bool("update", false, "write docs/sql-differences.md anew")

const docsFile = "../../../../docs/sql-differences.md"

// compareDocs fails when the page of differences is not what the marks and the answers make it.
func compareDocs(t *testing.T, entries []*entry, answers map[*entry][]answer) {
	t.Helper()
	var b strings.Builder
	b.WriteString(docsHead)
	section := ""
	for _, e := range entries {
		if len(e.reasons) == 0 {
			continue
		}
		if e.section != section {
			section = e.section
			fmt.Fprintf(&b, "\n## %s\n", section)
		}
		fmt.Fprintf(&b, "\n### %s\n\n", e.name)
		auto, mysql := e.reasons[dialect.Auto], e.reasons[dialect.MySQL]
		switch {
		case auto == mysql:
			fmt.Fprintf(&b, "%s\n\n", auto)
		case mysql == "":
			fmt.Fprintf(&b, "%s With `dialect: \"mysql\"` the answer is MySQL's.\n\n", auto)
		case auto == "":
			fmt.Fprintf(&b, "Only with `dialect: \"mysql\"`: %s\n\n", mysql)
		default:
			fmt.Fprintf(&b, "%s With `dialect: \"mysql\"`: %s\n\n", auto, mysql)
		}
		fmt.Fprintf(&b, "```sql\n%s\n```\n\n- MySQL: `%s`\n- Duckling: `%s`\n", e.sql, cell(answers[e][0]), cell(answers[e][1]))
		if cell(answers[e][1]) != cell(answers[e][2]) {
			fmt.Fprintf(&b, "- Duckling, `dialect: \"mysql\"`: `%s`\n", cell(answers[e][2]))
		}
	}
	if *update {
		if t.Failed() {
			t.Fatal("the page is not written while queries fail")
		}
		if err := os.WriteFile(docsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != b.String() {
		t.Errorf("%s is not up to date: go test ./internal/dialect -run TestDifferential$ -update", docsFile)
	}
}

func cell(a answer) string { return strings.ReplaceAll(a.String(), "`", "'") }

const docsHead = `# Where Duckling's SQL differs from MySQL's

Duckling runs DuckDB's SQL, read-only, and takes MySQL's spellings. A statement that DuckDB understands keeps
DuckDB's meaning, so that SQL written for DuckDB can be trusted; where MySQL means something else by it, it is listed here.
A request with ` + "`dialect: \"mysql\"`" + ` asks for MySQL's meaning where that can be had; the list says where it cannot.

This page is generated from the queries that a test runs on a real MySQL 9.7 and on the gateway over the same
rows; a difference that goes away, or changes, fails the test. Numbers are compared as far as MySQL's DECIMAL has digits
(1/3 is 0.3333 there and a double here), booleans are 1 and 0, and rows without ORDER BY have no order.
`
