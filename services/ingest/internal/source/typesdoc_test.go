package source

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"
)

var update = flag.Bool("update", false, "write docs/types.md anew")

const (
	typesPage     = "../../../../docs/types.md"
	typesPreamble = `# Types

What each type of MySQL and MariaDB becomes: in the frames between ingest and loader, in DuckDB, and in JSON with the
default modes. This page is written by a test that sends the values through the first copy and through the binlog, compares both with
each other and with what the server prints, and fails when this page is not what it found.

- Zero dates, partial dates and days that a month does not have are null, and duckling_ingest_null_dates_total counts them; or,
  by ZERO_DATES=text, every DATE, DATETIME and TIMESTAMP is MySQL's own text, with as many digits of a second as are declared and a
  TIMESTAMP in UTC; or, by ZERO_DATES=refuse, a table that holds one is set aside. In a key such a
  date sets the table aside under ZERO_DATES=null too, for null would tell no rows apart.
- DECIMAL of more than 38 digits is exact text, for DuckDB has no more digits.
- TIMESTAMP is UTC, whatever the session's time zone; DATETIME has no zone.
- Text of every character set becomes UTF-8 as the server itself converts it: the tables of those that need one are asked
  from the server. Text in an East Asian character set that holds bytes which are no character there makes ingest copy the table
  anew, as the server then prints it.
- Bytes that are no character of the column's own character set, as a BLOB that became TEXT may leave them: each is a question mark in ascii, as the
  server shows it, and U+FFFD in UTF-8; a surrogate in UCS-2 or UTF-8 is one U+FFFD.
- The SRID of a geometry is dropped; the rest is WKB.
- MariaDB's COMPRESSED columns and system-versioned tables are left out, with a reason.
- A column masked with hash is TEXT, with redact it is null, with drop it is not there.
- A column's default is kept where it is a constant. Expressions and CURRENT_TIMESTAMP are not carried, nor are defaults of TIMESTAMP
  columns (they depend on the time zone of the session that declared them), of MariaDB's UUID, INET4 and INET6, and of masked columns.
`
)

var jsonForms = map[cdcv1.Type]string{
	cdcv1.Type_TYPE_INT8: "number", cdcv1.Type_TYPE_INT16: "number", cdcv1.Type_TYPE_INT32: "number",
	cdcv1.Type_TYPE_INT64: "number, a string beyond 2^53", cdcv1.Type_TYPE_UINT8: "number", cdcv1.Type_TYPE_UINT16: "number",
	cdcv1.Type_TYPE_UINT32: "number", cdcv1.Type_TYPE_UINT64: "number, a string beyond 2^53",
	cdcv1.Type_TYPE_FLOAT: "number", cdcv1.Type_TYPE_DOUBLE: "number", cdcv1.Type_TYPE_DECIMAL: "number, a string where a double would round it",
	cdcv1.Type_TYPE_TEXT: "string", cdcv1.Type_TYPE_BLOB: "base64", cdcv1.Type_TYPE_JSON: "its text",
	cdcv1.Type_TYPE_DATE: "\"2025-01-31\"", cdcv1.Type_TYPE_TIMESTAMP: "\"2025-01-31 10:00:00.123\"", cdcv1.Type_TYPE_TIME: "\"-12:34:56.5\"",
}

var duckTypes = map[cdcv1.Type]string{
	cdcv1.Type_TYPE_INT8: "TINYINT", cdcv1.Type_TYPE_INT16: "SMALLINT", cdcv1.Type_TYPE_INT32: "INTEGER", cdcv1.Type_TYPE_INT64: "BIGINT",
	cdcv1.Type_TYPE_UINT8: "UTINYINT", cdcv1.Type_TYPE_UINT16: "USMALLINT", cdcv1.Type_TYPE_UINT32: "UINTEGER", cdcv1.Type_TYPE_UINT64: "UBIGINT",
	cdcv1.Type_TYPE_FLOAT: "FLOAT", cdcv1.Type_TYPE_DOUBLE: "DOUBLE", cdcv1.Type_TYPE_DECIMAL: "DECIMAL", cdcv1.Type_TYPE_TEXT: "VARCHAR",
	cdcv1.Type_TYPE_BLOB: "BLOB", cdcv1.Type_TYPE_JSON: "JSON", cdcv1.Type_TYPE_DATE: "DATE", cdcv1.Type_TYPE_TIMESTAMP: "TIMESTAMP",
	cdcv1.Type_TYPE_TIME: "INTERVAL",
}

// typeRow is a type's line, with the first value as an example.
func typeRow(c typeCase, column *cdcv1.Column, value string) string {
	duck := duckTypes[column.GetType()]
	if column.GetType() == cdcv1.Type_TYPE_DECIMAL {
		duck = fmt.Sprintf("DECIMAL(%d,%d)", column.GetPrecision(), column.GetScale())
	}
	example := strings.NewReplacer("|", "\\|", "\n", " ", "\x00", "").Replace(value)
	if r := []rune(example); len(r) > 40 {
		example = string(r[:40]) + " ..."
	}
	return fmt.Sprintf("| %s | %s | %s | %s | `%s` |", c.column, strings.TrimPrefix(column.GetType().String(), "TYPE_"), duck, jsonForms[column.GetType()], example)
}

// checkTypesPage compares the page with what was found, or writes it.
func checkTypesPage(t *testing.T, sections []string) {
	t.Helper()
	page := typesPreamble + strings.Join(sections, "")
	if *update {
		if err := os.WriteFile(typesPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(typesPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Error("docs/types.md is not what was found; write it anew with: go test ./internal/source -run TestEveryTypeBothWays -update")
	}
}
