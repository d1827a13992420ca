package encode

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/chittihq/duckling/pkg/duck"
)

// result runs sql and returns it in a format.
func result(t testing.TB, conn *duck.Conn, format Format, options Options, sql string) ([]byte, error) {
	t.Helper()
	stmt, err := conn.Prepare(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer stmt.Close()
	res, err := stmt.Stream(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer res.Close()
	var out bytes.Buffer
	w, err := NewWriter(&out, format, res.Columns(), options, false)
	if err != nil {
		return nil, err
	}
	end := Summary{Fields: []byte(`"generation":7`)}
	for {
		chunk, err := res.Next()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if chunk == nil {
			break
		}
		end.Rows += int64(chunk.Rows())
		if err := w.Write(chunk); err != nil {
			return nil, err
		}
	}
	if err := w.Close(end); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func must(t testing.TB, out []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestTextFormats(t *testing.T) {
	conn := connect(t)
	const sql = `SELECT 1 AS a, 'x,"y"' AS "b ""c""", NULL AS d, '' AS e, [1, 2] AS l, 'nan'::DOUBLE AS f, DATE '2025-01-31' AS g, 'p'::ENUM('p') AS h,
		9223372036854775807 AS i, TIMESTAMP '2025-01-31 10:00:00.5' AS j, 1.50::DECIMAL(9,2) AS k, '{"q": 1}'::JSON AS m, true AS n`
	for format, want := range map[Format]string{
		FormatJSON: `{"result":[{"a":1,"b \"c\"":"x,\"y\"","d":null,"e":"","l":[1,2],"f":null,"g":"2025-01-31","h":"p","i":"9223372036854775807",` +
			`"j":"2025-01-31 10:00:00.500","k":1.50,"m":"{\"q\": 1}","n":true}],"generation":7}`,
		FormatCompact: `{"columns":[{"name":"a","type":"INTEGER"},{"name":"b \"c\"","type":"VARCHAR"},{"name":"d","type":"INTEGER"},{"name":"e","type":"VARCHAR"},` +
			`{"name":"l","type":"INTEGER[]"},{"name":"f","type":"DOUBLE"},{"name":"g","type":"DATE"},{"name":"h","type":"ENUM"},{"name":"i","type":"BIGINT"},` +
			`{"name":"j","type":"TIMESTAMP"},{"name":"k","type":"DECIMAL(9,2)"},{"name":"m","type":"JSON"},{"name":"n","type":"BOOLEAN"}],` +
			`"rows":[[1,"x,\"y\"",null,"",[1,2],null,"2025-01-31","p","9223372036854775807","2025-01-31 10:00:00.500",1.50,"{\"q\": 1}",true]],"generation":7}`,
		FormatNDJSON: `{"a":1,"b \"c\"":"x,\"y\"","d":null,"e":"","l":[1,2],"f":null,"g":"2025-01-31","h":"p","i":"9223372036854775807",` +
			`"j":"2025-01-31 10:00:00.500","k":1.50,"m":"{\"q\": 1}","n":true}` + "\n" + `{"end":true,"rows":1,"generation":7}` + "\n",
		FormatCSV: `a,"b ""c""",d,e,l,f,g,h,i,j,k,m,n` + "\r\n" +
			`1,"x,""y""",,"","[1,2]",NaN,2025-01-31,p,9223372036854775807,2025-01-31 10:00:00.500,1.50,"{""q"": 1}",true` + "\r\n",
	} {
		out, err := result(t, conn, format, Options{}, sql)
		if got := must(t, out, err); got != want {
			t.Errorf("%s\n got %s\nwant %s", format, got, want)
		}
	}
}

func TestEmptyResults(t *testing.T) {
	conn := connect(t)
	for format, want := range map[Format]string{
		FormatJSON: `{"result":[],"generation":7}`, FormatCompact: `{"columns":[{"name":"a","type":"INTEGER"}],"rows":[],"generation":7}`,
		FormatNDJSON: `{"end":true,"rows":0,"generation":7}` + "\n", FormatCSV: "a\r\n",
	} {
		out, err := result(t, conn, format, Options{}, "SELECT 1 AS a WHERE false")
		if got := must(t, out, err); got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
	}
	for _, format := range []Format{FormatArrow, FormatParquet} {
		out, err := result(t, conn, format, Options{}, "SELECT 1 AS a WHERE false")
		schema, rows := readBack(t, format, []byte(must(t, out, err)))
		if schema.NumFields() != 1 || len(rows) != 0 {
			t.Errorf("%s: %v with %d rows", format, schema, len(rows))
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, FormatCSV, []duck.Column{{Name: "ä", Type: &duck.Type{ID: duck.Integer}}}, Options{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(Summary{}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "\xef\xbb\xbfä\r\n" {
		t.Errorf("got %q", got)
	}
}

// Any text must come out of a CSV reader as it went in, which tells what must be quoted.
func TestCSVReadsBack(t *testing.T) {
	conn := connect(t)
	out, err := result(t, conn, FormatCSV, Options{}, `SELECT i::VARCHAR || chr(i::INTEGER) || '"' || chr((i % 40)::INTEGER) AS v, i FROM range(1, 3000) t(i) ORDER BY i`)
	reader := csv.NewReader(strings.NewReader(strings.ReplaceAll(must(t, out, err), "\r\n", "\n")))
	lines, err := reader.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3000 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines[1:] {
		want := fmt.Sprint(i+1) + string(rune(i+1)) + `"` + string(rune((i+1)%40))
		if line[0] != strings.ReplaceAll(want, "\r\n", "\n") {
			t.Fatalf("line %d is %q, want %q", i, line[0], want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	conn := connect(t)
	for _, format := range Formats {
		_, err := result(t, conn, format, Options{}, "SELECT 1::VARIANT AS v")
		if err == nil || !strings.Contains(err.Error(), `column "v" is of type VARIANT, which cannot be sent: cast it`) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := NewWriter(nil, "xml", nil, Options{}, false); err == nil {
		t.Error("an unknown format was taken")
	}
}

func TestLongText(t *testing.T) {
	conn := connect(t)
	const size = 64 << 20
	for _, format := range Formats {
		out, err := result(t, conn, format, Options{}, fmt.Sprintf("SELECT repeat('0123456789abcdef', %d) AS v, 1 AS n", size/16))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if format == FormatParquet {
			if _, rows := readBack(t, format, out); len(rows) != 1 || len(rows[0]) != size+len(`{"v":"","n":1}`) {
				t.Errorf("%s: %d rows", format, len(rows))
			}
			continue
		}
		if n := bytes.Count(out, []byte("0123456789abcdef")); n != size/16 {
			t.Errorf("%s: %d of %d parts", format, n, size/16)
		}
	}
}
