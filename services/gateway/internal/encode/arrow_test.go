package encode

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// readBack reads Arrow or Parquet into one JSON object for each row, by arrow-go's own reader.
func readBack(t testing.TB, format Format, data []byte) (*arrow.Schema, []string) {
	t.Helper()
	var rows []string
	add := func(batch arrow.RecordBatch) {
		text, err := batch.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var objects []json.RawMessage
		if err := json.Unmarshal(text, &objects); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, o := range objects {
			var compact bytes.Buffer
			if err := json.Compact(&compact, o); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, compact.String())
		}
	}
	if format == FormatArrow {
		r, err := ipc.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		for r.Next() {
			add(r.RecordBatch())
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		return r.Schema(), rows
	}
	f, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 4096}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := reader.Schema()
	if err != nil {
		t.Fatal(err)
	}
	batches, err := reader.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Release()
	for batches.Next() {
		add(batches.RecordBatch())
	}
	return schema, rows
}

func TestArrowAndParquetValues(t *testing.T) {
	conn := connect(t)
	for _, c := range []struct{ sql, typ, want, cast string }{
		{"true", "bool", `true`, ""},
		{"(-128)::TINYINT", "int8", `-128`, ""},
		{"(-32768)::SMALLINT", "int16", `-32768`, ""},
		{"-5", "int32", `-5`, ""},
		{"9223372036854775807", "int64", `9223372036854775807`, ""},
		{"255::UTINYINT", "uint8", `255`, ""},
		{"65535::USMALLINT", "uint16", `65535`, ""},
		{"4294967295::UINTEGER", "uint32", `4294967295`, ""},
		{"18446744073709551615::UBIGINT", "uint64", `18446744073709551615`, ""},
		{"99999999999999999999999999999999999999::HUGEINT", "decimal(38, 0)", `"99999999999999999999999999999999999999"`, ""},
		{"(-12)::HUGEINT", "decimal(38, 0)", `"-12"`, ""},
		{"12::UHUGEINT", "decimal(38, 0)", `"12"`, ""},
		{"'12345678901234567890123456789012345678901234567890'::BIGNUM", "utf8", `"12345678901234567890123456789012345678901234567890"`, ""},
		{"1.5::FLOAT", "float32", `1.5`, ""},
		{"0.1::DOUBLE", "float64", `0.1`, ""},
		{"(-0.05)::DECIMAL(4,2)", "decimal(4, 2)", `"-0.05"`, ""},
		{"(-12345.67)::DECIMAL(9,2)", "decimal(9, 2)", `"-12345.67"`, ""},
		{"(-1234567890123.456)::DECIMAL(18,3)", "decimal(18, 3)", `"-1234567890123.456"`, ""},
		{"(-12345678901234567890.123456789)::DECIMAL(38,9)", "decimal(38, 9)", `"-12345678901234567890.123456789"`, ""},
		{"'grüße'", "utf8", `"grüße"`, ""},
		{"''", "utf8", `""`, ""},
		{"repeat('long ', 10)", "utf8", `"` + strings.Repeat("long ", 10) + `"`, ""},
		{`'{"a":1}'::JSON`, "utf8", `"{\"a\":1}"`, ""},
		{`'\x00\xFFabc'::BLOB`, "binary", `"AP9hYmM="`, ""},
		{"'10101'::BIT", "utf8", `"10101"`, ""},
		{"'c0ffee00-dead-beef-0123-456789abcdef'::UUID", "utf8", `"c0ffee00-dead-beef-0123-456789abcdef"`, ""},
		{"'b'::ENUM('a', 'b')", "utf8", `"b"`, ""},
		{"DATE '9999-12-31'", "date32", `"9999-12-31"`, ""},
		{"DATE '0001-01-01'", "date32", `"0001-01-01"`, ""},
		{"TIME '23:59:59.5'", "time64[us]", `"23:59:59.5"`, ""},
		{"'10:00:00+05:30'::TIMETZ", "utf8", `"10:00:00+05:30"`, ""},
		{"TIMESTAMP '9999-12-31 23:59:59.999999'", "timestamp[us]", `"9999-12-31T23:59:59.999999Z"`, ""},
		{"'2025-01-31 10:00:00.5'::TIMESTAMP_MS", "timestamp[ms]", `"2025-01-31T10:00:00.5Z"`, ""},
		{"'2025-01-31 10:00:00.000000007'::TIMESTAMP_NS", "timestamp[ns]", `"2025-01-31T10:00:00.000000007Z"`, ""},
		{"'2025-01-31 10:00:00+02'::TIMESTAMPTZ", "timestamp[us, tz=UTC]", `"2025-01-31T08:00:00Z"`, ""},
		{"[1, NULL, 3]", "list<item: int32, nullable>", `[1,null,3]`, ""},
		{"[]::VARCHAR[]", "list<item: utf8, nullable>", `[]`, ""},
		{"[['a'], [], NULL, ['b', 'c']]", "list<item: list<item: utf8, nullable>, nullable>", `[["a"],[],null,["b","c"]]`, ""},
		{"[1, 2, 3]", "fixed_size_list<item: int32, nullable>[3]", `[1,2,3]`, "::INTEGER[3]"},
		{"{'a': 1, 'b': [{'c': 'x'}], 'd': NULL::DATE}", "struct<a: int32, b: list<item: struct<c: utf8>, nullable>, d: date32>", `{"a":1,"b":[{"c":"x"}],"d":null}`, ""},
		{"MAP {'k': 1, 'l': NULL}", "map<utf8, int32, items_nullable>", `[{"key":"k","value":1},{"key":"l","value":null}]`, ""},
		{"union_value(num := 2)", "utf8", `"2"`, ""},
	} {
		for _, format := range []Format{FormatArrow, FormatParquet} {
			// A null and the value on both sides of it, with enough rows for several chunks.
			out, err := result(t, conn, format, Options{}, "SELECT (CASE WHEN i % 3 > 0 THEN "+c.sql+" END)"+c.cast+" AS v FROM range(2500) t(i)")
			if err != nil {
				t.Errorf("%s %s: %v", format, c.sql, err)
				continue
			}
			schema, rows := readBack(t, format, out)
			typ := schema.Field(0).Type.String()
			if format == FormatArrow && typ != c.typ {
				t.Errorf("%s %s is %s, want %s", format, c.sql, typ, c.typ)
			}
			if len(rows) != 2500 {
				t.Fatalf("%s %s: %d rows", format, c.sql, len(rows))
			}
			for i, row := range rows {
				want := `{"v":` + c.want + `}`
				if i%3 == 0 {
					want = `{"v":null}`
				}
				if row != want {
					t.Errorf("%s %s: row %d is %s, want %s", format, c.sql, i, row, want)
					break
				}
			}
		}
	}
}

// In these the two formats differ by what they can hold.
func TestArrowOnly(t *testing.T) {
	conn := connect(t)
	for _, c := range []struct {
		format         Format
		sql, typ, want string
	}{
		{FormatArrow, "INTERVAL '1 year 3 days 04:05:06'", "month_day_nano_interval", `{"months":12,"days":3,"nanoseconds":14706000000000}`},
		{FormatParquet, "INTERVAL '1 year 3 days 04:05:06'", "utf8", `"1 year 3 days 04:05:06"`},
		{FormatArrow, "'2025-01-31 10:00:00'::TIMESTAMP_S", "timestamp[s]", `"2025-01-31T10:00:00Z"`},
		{FormatParquet, "'2025-01-31 10:00:00'::TIMESTAMP_S", "timestamp[ms]", `"2025-01-31T10:00:00Z"`},
		{FormatArrow, "'10:00:00.000000007'::TIME_NS", "time64[ns]", `"10:00:00.000000007"`},
	} {
		out, err := result(t, conn, c.format, Options{}, "SELECT "+c.sql+" AS v")
		if err != nil {
			t.Errorf("%s %s: %v", c.format, c.sql, err)
			continue
		}
		schema, rows := readBack(t, c.format, out)
		if typ := schema.Field(0).Type.String(); typ != c.typ || len(rows) != 1 || rows[0] != `{"v":`+c.want+`}` {
			t.Errorf("%s %s: %s %v, want %s %s", c.format, c.sql, typ, rows, c.typ, c.want)
		}
	}
	for _, sql := range []string{"100000000000000000000000000000000000000::HUGEINT", "(-170141183460469231731687303715884105727)::HUGEINT", "340282366920938463463374607431768211455::UHUGEINT"} {
		if _, err := result(t, conn, FormatArrow, Options{}, "SELECT "+sql+" AS v"); err == nil || !strings.Contains(err.Error(), "38 digits") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// Lists of lists in a filtered, reordered result are where a child's values are neither all wanted nor in order.
func TestNestedSelections(t *testing.T) {
	conn := connect(t)
	const sql = `SELECT i, CASE WHEN i % 5 > 0 THEN [CASE WHEN j % 4 > 0 THEN {'j': j, 's': [repeat('x', (j % 15)::INTEGER), NULL]} END FOR j IN range(i % 7)] END AS l,
		(CASE WHEN i % 3 > 0 THEN [[i, NULL], [i + 1, 2]] END)::BIGINT[2][2] AS a, MAP([i, i + 1], [[i], NULL]) AS m FROM range(6000) t(i) WHERE i % 2 = 0 ORDER BY hash(i)`
	text, err := result(t, conn, FormatNDJSON, Options{}, sql)
	want := strings.Split(strings.TrimSuffix(must(t, text, err), "\n"), "\n")
	want = want[:len(want)-1]
	for _, format := range []Format{FormatArrow, FormatParquet} {
		out, err := result(t, conn, format, Options{}, sql)
		if err != nil {
			t.Fatal(err)
		}
		_, rows := readBack(t, format, out)
		if len(rows) != len(want) {
			t.Fatalf("%s: %d rows, want %d", format, len(rows), len(want))
		}
		for i := range rows {
			if got := mapsAsObjects(t, rows[i]); got != normal(t, want[i]) {
				t.Fatalf("%s: row %d\n got %s\nwant %s", format, i, got, want[i])
			}
		}
	}
}

func normal(t *testing.T, text string) string {
	t.Helper()
	var row map[string]any
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// mapsAsObjects writes the map of column m as an object, as JSON has it.
func mapsAsObjects(t *testing.T, text string) string {
	t.Helper()
	var row map[string]any
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	for _, entry := range row["m"].([]any) {
		pair := entry.(map[string]any)
		key, err := json.Marshal(pair["key"])
		if err != nil {
			t.Fatal(err)
		}
		object[string(key)] = pair["value"]
	}
	row["m"] = object
	out, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestParquetHasRowGroups(t *testing.T) {
	conn := connect(t)
	out, err := result(t, conn, FormatParquet, Options{}, "SELECT i, 'name ' || i AS name FROM range(300000) t(i)")
	f, err := file.NewParquetReader(strings.NewReader(must(t, out, err)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.NumRows() != 300000 || f.NumRowGroups() != 3 {
		t.Errorf("%d rows in %d groups", f.NumRows(), f.NumRowGroups())
	}
}
