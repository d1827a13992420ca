package sqldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/sdk/go/internal/scripted"
	"github.com/chittihq/duckling/sdk/go/sqldriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// db opens the script's server by data source name.
func db(t *testing.T, parameters string, handle func(*scripted.Conn, scripted.Frame)) *sql.DB {
	t.Helper()
	server := scripted.Start(t, func(conn *scripted.Conn) {
		if conn.Database != "shop" {
			t.Errorf("connected to database %q", conn.Database)
		}
		conn.Each(func(f scripted.Frame) bool {
			handle(conn, f)
			return true
		})
	})
	host := strings.TrimSuffix(strings.TrimPrefix(server.URL, "ws://"), "/ws")
	db, err := sql.Open("duckling", "duckling://"+scripted.Key+"@"+host+"/shop"+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

var columns = []string{"id BIGINT", "big UBIGINT", "total DECIMAL(38,10)", "f DOUBLE", "ok BOOLEAN", "name VARCHAR", "b BLOB", "at TIMESTAMP", "day DATE", "none INTEGER"}

const row = `{"id":-9007199254740993,"big":18446744073709551615,"total":1234567890123456789012345678.0123456789,"f":0.1,"ok":true,` +
	`"name":"Ada","b":"AQI=","at":"2025-01-31 10:00:00.5","day":"2025-01-31","none":null}`

func TestValuesAreExact(t *testing.T) {
	answer := func(conn *scripted.Conn, f scripted.Frame) { conn.MetaRows(f.ID(), "["+row+"]", columns...) }
	for parameters, times := range map[string][2]any{
		"":                {"2025-01-31 10:00:00.5", "2025-01-31"},
		"?parseTime=true": {time.Date(2025, 1, 31, 10, 0, 0, 5e8, time.UTC), time.Date(2025, 1, 31, 0, 0, 0, 0, time.UTC)},
	} {
		got := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range got {
			into[i] = &got[i]
		}
		if err := db(t, parameters, answer).QueryRowContext(t.Context(), "SELECT *").Scan(into...); err != nil {
			t.Fatal(err)
		}
		want := []any{int64(-9007199254740993), "18446744073709551615", "1234567890123456789012345678.0123456789", 0.1, true, "Ada", []byte{1, 2}, times[0], times[1], nil}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v", parameters, got)
		}
	}
}

func TestParametersAndScanning(t *testing.T) {
	d := db(t, "", func(conn *scripted.Conn, f scripted.Frame) {
		if got := fmt.Sprint(f["params"]); got != "[18446744073709551615 a 2025-01-31 10:00:00 1.50]" {
			t.Errorf("parameters %s", got)
		}
		conn.MetaRows(f.ID(), `[{"n":5,"t":null},{"n":6,"t":"x"}]`, "n BIGINT", "t VARCHAR")
	})
	rows, err := d.QueryContext(t.Context(), "SELECT ?, ?, ?, ?", uint64(18446744073709551615), "a", time.Date(2025, 1, 31, 10, 0, 0, 0, time.UTC), json.Number("1.50"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var (
			n int
			s sql.NullString
		)
		if err := rows.Scan(&n, &s); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join(strings.Fields(fmt.Sprintln(n, s.String, s.Valid)), " "))
	}
	if err := rows.Err(); err != nil || fmt.Sprint(got) != "[5 false 6 x true]" {
		t.Fatalf("%q (%v)", got, err)
	}
}

func TestColumnTypes(t *testing.T) {
	d := db(t, "?parseTime=1", func(conn *scripted.Conn, f scripted.Frame) { conn.MetaRows(f.ID(), "[]", columns...) })
	rows, err := d.QueryContext(t.Context(), "SELECT *")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range types {
		text := fmt.Sprintf("%s %s %s", c.Name(), c.DatabaseTypeName(), c.ScanType())
		if p, s, ok := c.DecimalSize(); ok {
			text += fmt.Sprintf(" %d,%d", p, s)
		}
		got = append(got, text)
	}
	want := []string{"id BIGINT int64", "big UBIGINT interface {}", "total DECIMAL string 38,10", "f DOUBLE float64", "ok BOOLEAN bool", "name VARCHAR string",
		"b BLOB []uint8", "at TIMESTAMP time.Time", "day DATE time.Time", "none INTEGER int64"}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q", got)
	}
}

func TestResultTooLargeComesAsAStream(t *testing.T) {
	d := db(t, "", func(conn *scripted.Conn, f scripted.Frame) {
		id := f.ID()
		switch f.Str("type") {
		case "prepare":
			conn.Send(`{"id":%q,"success":true,"result":[{"statement":"s1","parameters":0,"columns":[]}]}`, id)
		case "query", "execute":
			conn.Fail(id, "RESULT_TOO_LARGE", "too large")
		case "stream":
			conn.Send(`{"id":%q,"success":true,"type":"start","meta":%s}`, id, scripted.Meta("n BIGINT"))
			conn.Send(`{"id":%q,"success":true,"type":"chunk","seq":0,"result":[{"n":1},{"n":2}]}`, id)
			if f.Str("sql") == "SELECT cut" {
				conn.Fail(id, "INTERNAL", "cut")
			} else {
				conn.Send(`{"id":%q,"success":true,"type":"end","chunks":1,"rows":2,"duration":1}`, id)
			}
		}
	})
	sum := func(sql string, query func(context.Context, string) (*sql.Rows, error)) (total int, err error) {
		rows, err := query(t.Context(), sql)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return 0, err
			}
			total += n
		}
		return total, rows.Err()
	}
	plain := func(ctx context.Context, sql string) (*sql.Rows, error) { return d.QueryContext(ctx, sql) }
	prepared := func(ctx context.Context, sql string) (*sql.Rows, error) {
		s, err := d.PrepareContext(ctx, sql)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { s.Close() })
		return s.QueryContext(ctx)
	}
	if n, err := sum("SELECT n", plain); n != 3 || err != nil {
		t.Errorf("%d (%v)", n, err)
	}
	if n, err := sum("SELECT cut", plain); n != 3 || duckling.CodeOf(err) != duckling.CodeInternal {
		t.Errorf("%d (%v)", n, err)
	}
	if n, err := sum("SELECT n", prepared); n != 3 || err != nil {
		t.Errorf("prepared: %d (%v)", n, err)
	}
}

// query runs a statement for its error.
func query(ctx context.Context, d *sql.DB, text string, args ...any) error {
	rows, err := d.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return rows.Err()
}

func TestPreparedStatements(t *testing.T) {
	freed := make(chan string, 1)
	d := db(t, "", func(conn *scripted.Conn, f scripted.Frame) {
		switch f.Str("type") {
		case "prepare":
			conn.Send(`{"id":%q,"success":true,"result":[{"statement":"s1","parameters":2,"columns":[]}]}`, f.ID())
		case "execute":
			conn.MetaRows(f.ID(), fmt.Sprintf(`[{"n":%v}]`, f["params"].([]any)[1]), "n BIGINT")
		case "deallocate":
			freed <- f.Str("statement")
		}
	})
	s, err := d.PrepareContext(t.Context(), "SELECT ?, ?")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.QueryRowContext(t.Context(), 1, 2).Scan(&n); err != nil || n != 2 {
		t.Fatalf("%d (%v)", n, err)
	}
	if err := s.QueryRowContext(t.Context(), 1).Scan(&n); err == nil || !strings.Contains(err.Error(), "expected 2 arguments") {
		t.Fatalf("the error is %v", err)
	}
	if _, err := s.ExecContext(t.Context(), 1, 2); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Fatalf("Exec: %v", err)
	}
	if err := s.Close(); err != nil || <-freed != "s1" { //nolint:sqlclosecheck // closing is what is tested
		t.Fatal(err)
	}
}

func TestItOnlyReads(t *testing.T) {
	d := db(t, "", func(*scripted.Conn, scripted.Frame) {})
	if _, err := d.ExecContext(t.Context(), "DELETE FROM User"); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Errorf("Exec: %v", err)
	}
	if _, err := d.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true}); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Errorf("Begin: %v", err)
	}
	if err := query(t.Context(), d, "SELECT :n", sql.Named("n", 1)); err == nil || !strings.Contains(err.Error(), `"n" has a name`) {
		t.Errorf("a named parameter: %v", err)
	}
	if err := d.PingContext(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func TestErrorsKeepTheirCodes(t *testing.T) {
	d := db(t, "?timeout=20ms", func(conn *scripted.Conn, f scripted.Frame) {
		if f.Str("sql") == "SELEC" {
			conn.Fail(f.ID(), "SQL_SYNTAX", "syntax error")
		}
	})
	err := query(t.Context(), d, "SELEC")
	if duckling.CodeOf(err) != duckling.CodeSQLSyntax {
		t.Errorf("the error is %v", err)
	}
	err = query(t.Context(), d, "SELECT slow()")
	if duckling.CodeOf(err) != duckling.CodeRequestTimeout {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := query(ctx, d, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestParseDSN(t *testing.T) {
	for dsn, want := range map[string]duckling.Config{
		"duckling://key@host:3001/shop":                                {URL: "ws://host:3001/ws", APIKey: "key", Database: "shop"},
		"duckling://user:k%40y@host?tls=true&timeout=1m&dialect=mysql": {URL: "wss://host/ws", APIKey: "k@y", RequestTimeout: time.Minute, Dialect: duckling.DialectMySQL},
		"wss://key@host/path/ws?db=shop&connectTimeout=2s&parseTime=f": {URL: "wss://host/path/ws", APIKey: "key", Database: "shop", ConnectTimeout: 2 * time.Second},
	} {
		got, _, err := sqldriver.ParseDSN(dsn)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v)", dsn, got, err)
		}
	}
	for dsn, want := range map[string]string{
		"mysql://key@host/db":                "mysql:",
		"duckling://key@host/db?tsl=true":    `"tsl"`,
		"duckling://key@host/db?timeout=5":   "timeout",
		"ws://key@host/ws?tls=true":          "wss://",
		"duckling://secret@host:port\x7f/db": "not a URL",
	} {
		_, _, err := sqldriver.ParseDSN(dsn)
		if duckling.CodeOf(err) != duckling.CodeConfig || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error is %v", dsn, err)
		}
		if _, err := sql.Open("duckling", dsn); duckling.CodeOf(err) != duckling.CodeConfig {
			t.Errorf("%s: Open says %v", dsn, err)
		}
	}
	if _, err := sql.Open("duckling", "duckling://host/db"); duckling.CodeOf(err) != duckling.CodeConfig {
		t.Errorf("without a key: %v", err)
	}
}

// The driver package's older entry points do what the newer ones do.
func TestOlderEntryPoints(t *testing.T) {
	server := scripted.Start(t, func(conn *scripted.Conn) {
		conn.Each(func(f scripted.Frame) bool {
			if f.Str("type") == "prepare" {
				conn.Send(`{"id":%q,"success":true,"result":[{"statement":"s1","parameters":1,"columns":[]}]}`, f.ID())
			} else if f.Str("type") == "execute" {
				conn.MetaRows(f.ID(), `[{"n":1}]`, "n BIGINT")
			}
			return true
		})
	})
	connector, err := sqldriver.NewConnector(duckling.Config{URL: server.URL, APIKey: scripted.Key}, sqldriver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := connector.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := connector.Driver().Open(strings.Replace(server.URL, "ws://", "ws://"+scripted.Key+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Prepare("SELECT ? AS n")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Query([]driver.Value{1}) //nolint:staticcheck // what is tested
	if err != nil {
		t.Fatal(err)
	}
	into := make([]driver.Value, 1)
	if err := rows.Next(into); err != nil || into[0] != int64(1) {
		t.Fatalf("%v (%v)", into, err)
	}
	if _, err := s.Exec(nil); !errors.Is(err, sqldriver.ErrReadOnly) { //nolint:staticcheck // what is tested
		t.Errorf("Exec: %v", err)
	}
	if _, err := c.Begin(); !errors.Is(err, sqldriver.ErrReadOnly) { //nolint:staticcheck // what is tested
		t.Errorf("Begin: %v", err)
	}
}
