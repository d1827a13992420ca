package dialect_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chittihq/duckling/services/gateway/internal/dialect"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/gentest"
	"github.com/chittihq/duckling/services/gateway/internal/query"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

const queriesFile = "testdata/differential.txt"

// modes are the dialects that every query of the file runs in.
var modes = []dialect.Mode{dialect.Auto, dialect.MySQL}

// entry is one query of the file: a line "name | SQL", and marks in lines below it, "! auto: reason",
// "! mysql: reason" or "! both: reason", which say in which dialect its answer is not MySQL's.
type entry struct {
	section, name, sql string
	reasons            map[dialect.Mode]string
}

func readEntries(t *testing.T) []*entry {
	t.Helper()
	text, err := os.ReadFile(queriesFile)
	if err != nil {
		t.Fatal(err)
	}
	var entries []*entry
	section := ""
	for n, line := range strings.Split(string(text), "\n") {
		mark, isMark := strings.CutPrefix(strings.TrimSpace(line), "! ")
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "//"):
		case strings.HasPrefix(line, "== "):
			section = line[3:]
		case isMark:
			which, reason, ok := strings.Cut(mark, ": ")
			if !ok || len(entries) == 0 {
				t.Fatalf("%s:%d: not a mark: %s", queriesFile, n+1, line)
			}
			for _, mode := range modes {
				if which == string(mode) || which == "both" {
					entries[len(entries)-1].reasons[mode] = reason
				}
			}
		case strings.HasPrefix(line, "    "):
			entries[len(entries)-1].sql += "\n" + strings.TrimSpace(line)
		default:
			name, sql, ok := strings.Cut(line, " | ")
			if !ok {
				t.Fatalf("%s:%d: not a query: %s", queriesFile, n+1, line)
			}
			entries = append(entries, &entry{section: section, name: strings.TrimSpace(name), sql: sql, reasons: map[dialect.Mode]string{}})
		}
	}
	return entries
}

// answer is what a query gives: rows of normalised text, or an error.
type answer struct {
	rows [][]string
	err  error
}

func (a answer) String() string {
	if a.err != nil {
		message, _, _ := strings.Cut(a.err.Error(), "\n")
		return "error: " + message
	}
	rows := make([]string, 0, len(a.rows))
	for _, row := range a.rows {
		rows = append(rows, strings.Join(row, ", "))
	}
	return strings.Join(rows, "; ")
}

// TestDifferential runs every query of the file on MySQL and, in both dialects, on the gateway over the same rows.
// Normalised are: the order of rows where no ORDER BY gives one; numbers, which are compared as far as
// MySQL's DECIMAL has digits; booleans, which are 1 and 0; the T and the zeros of a time's fraction; the layout of JSON.
func TestDifferential(t *testing.T) {
	entries := readEntries(t)
	if len(entries) < 300 {
		t.Errorf("the file has %d queries", len(entries))
	}
	source := loadMySQL(t, mysqltest.MySQL)
	gateway := loadGateway(t)
	answers := make(map[*entry][]answer)
	for _, e := range entries {
		want, types := askMySQL(t, source, e.sql)
		answers[e] = append(answers[e], want)
		for _, mode := range modes {
			got := askGateway(t, gateway, e.sql, mode, types)
			answers[e] = append(answers[e], got)
			same := agree(want, got, types, strings.Contains(strings.ToUpper(e.sql), "ORDER BY"))
			switch reason := e.reasons[mode]; {
			case same && reason != "":
				t.Errorf("%s (%s): marked as a difference, and there is none any more\n%s\nboth: %s", e.name, mode, e.sql, got)
			case !same && reason == "":
				t.Errorf("%s (%s)\n%s\n  mysql: %s\ngateway: %s", e.name, mode, e.sql, want, got)
			}
		}
	}
	compareDocs(t, entries, answers)
}

// MariaDB takes the same spellings and gives the same answers, but for what its own manual says.
func TestDifferentialMariaDB(t *testing.T) {
	source := loadMySQL(t, mysqltest.MariaDB)
	gateway := loadGateway(t)
	ran := 0
	for _, e := range readEntries(t) {
		if len(e.reasons) > 0 {
			continue
		}
		want, types := askMySQL(t, source, e.sql)
		if want.err != nil {
			continue // MySQL's alone, such as JSON_OBJECTAGG's forms or LATERAL
		}
		ran++
		got := askGateway(t, gateway, e.sql, dialect.MySQL, types)
		if !agree(want, got, types, strings.Contains(strings.ToUpper(e.sql), "ORDER BY")) && !otherInMariaDB[e.name] {
			t.Errorf("%s\n%s\nmariadb: %s\ngateway: %s", e.name, e.sql, want, got)
		}
	}
	if ran < 200 {
		t.Errorf("only %d queries ran", ran)
	}
}

func loadMySQL(t *testing.T, flavor mysqltest.Flavor) *sql.DB {
	t.Helper()
	server := mysqltest.ForTest(t, flavor, "--skip-log-bin", "--skip-name-resolve")
	statements := []string{"CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop"}
	if err := server.Exec(t.Context(), append(statements, shopStatements(true)...)...); err != nil {
		t.Fatal(err)
	}
	db, err := server.Open("shop")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func loadGateway(t *testing.T) *gentest.Gateway {
	t.Helper()
	data := t.TempDir()
	p := gentest.New(t, data, "shop")
	for _, statement := range shopStatements(false) {
		p.Exec(statement)
	}
	p.Publish()
	g := gentest.Serve(t, data, gentest.Limits)
	g.Await(t, "shop", 1)
	return g
}

func askMySQL(t *testing.T, db *sql.DB, text string) (answer, []string) {
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		return answer{err: err}, nil
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	types := make([]string, len(columns))
	cells, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		types[i] = c.DatabaseTypeName()
		targets[i] = &cells[i]
	}
	var a answer
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		row := make([]string, len(cells))
		for i, cell := range cells {
			row[i] = normal(cell, types[i])
		}
		a.rows = append(a.rows, row)
	}
	a.err = rows.Err()
	return a, types
}

func normal(cell []byte, kind string) string {
	switch {
	case cell == nil:
		return "NULL"
	case kind == "JSON":
		return normalJSON(string(cell))
	case strings.Contains(kind, "BLOB") || strings.Contains(kind, "BINARY"):
		return base64.StdEncoding.EncodeToString(cell)
	}
	return normalTime(string(cell))
}

func normalJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return text
	}
	return string(out)
}

// normalTime takes the zeros off a time's fraction, and the T out of a date and time.
func normalTime(text string) string {
	if len(text) >= 19 && text[4] == '-' && text[10] == 'T' && text[13] == ':' {
		text = text[:10] + " " + text[11:]
	}
	if at := strings.LastIndexByte(text, '.'); at > 3 && strings.Count(text, ":") == 2 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func askGateway(t *testing.T, g *gentest.Gateway, text string, mode dialect.Mode, types []string) answer {
	t.Helper()
	snapshot, err := g.Queries.Snapshot("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Release()
	out, err := snapshot.AppendJSON(context.Background(), nil, query.Statement{SQL: text, Dialect: mode}, encode.Options{})
	if err != nil {
		return answer{err: err}
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var a answer
	for decoder.More() {
		a.rows = append(a.rows, readRow(t, decoder, types))
	}
	return a
}

// readRow keeps the order of an object's columns.
func readRow(t *testing.T, decoder *json.Decoder, types []string) []string {
	t.Helper()
	var row []string
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		var text string
		switch v := value.(type) {
		case nil:
			text = "NULL"
		case bool:
			text = "0"
			if v {
				text = "1"
			}
		case string:
			text = normalTime(v)
		case json.Number:
			text = v.String()
		default:
			out, _ := json.Marshal(v)
			text = string(out)
		}
		if i := len(row); i < len(types) && types[i] == "JSON" && text != "NULL" {
			text = normalJSON(text)
		}
		row = append(row, text)
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	return row
}

func agree(want, got answer, types []string, ordered bool) bool {
	if want.err != nil || got.err != nil || len(want.rows) != len(got.rows) {
		return false
	}
	a, b := slices.Clone(want.rows), slices.Clone(got.rows)
	if !ordered {
		slices.SortFunc(a, slices.Compare[[]string])
		slices.SortFunc(b, slices.Compare[[]string])
	}
	for i := range a {
		if len(a[i]) != len(b[i]) {
			return false
		}
		for c := range a[i] {
			if !equal(a[i][c], b[i][c], types[c]) {
				return false
			}
		}
	}
	return true
}

var numeric = []string{"INT", "DECIMAL", "DOUBLE", "FLOAT", "YEAR"}

func equal(want, got, kind string) bool {
	if want == got {
		return true
	}
	if kind == "JSON" {
		var a, b any
		return json.Unmarshal([]byte(want), &a) == nil && json.Unmarshal([]byte(got), &b) == nil && reflect.DeepEqual(a, b)
	}
	if !slices.ContainsFunc(numeric, func(n string) bool { return strings.Contains(kind, n) }) {
		return false
	}
	a, err := strconv.ParseFloat(want, 64)
	if err != nil {
		return false
	}
	b, err := strconv.ParseFloat(got, 64)
	if err != nil {
		return false
	}
	allowed := 1e-9 * math.Max(math.Abs(a), 1)
	if _, fraction, ok := strings.Cut(want, "."); ok && kind == "DECIMAL" {
		allowed = math.Max(allowed, 0.5001*math.Pow10(-len(fraction)))
	}
	return math.Abs(a-b) <= allowed
}
