package source

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// typeCase is a column and values for it, as SQL.
type typeCase struct {
	column string
	values []string
}

var commonTypes = []typeCase{
	{"TINYINT", []string{"-128", "127", "0"}},
	{"TINYINT(1)", []string{"0", "1", "-5"}},
	{"TINYINT UNSIGNED", []string{"0", "255", "128"}},
	{"SMALLINT", []string{"-32768", "32767"}},
	{"SMALLINT UNSIGNED", []string{"65535", "0"}},
	{"MEDIUMINT", []string{"-8388608", "8388607", "-1"}},
	{"MEDIUMINT UNSIGNED", []string{"16777215", "0"}},
	{"INT", []string{"-2147483648", "2147483647"}},
	{"INT UNSIGNED", []string{"4294967295", "0"}},
	{"INT(8) ZEROFILL", []string{"42", "0"}},
	{"BIGINT", []string{"-9223372036854775808", "9223372036854775807"}},
	{"BIGINT UNSIGNED", []string{"18446744073709551615", "9223372036854775808", "0"}},
	{"YEAR", []string{"1901", "2155", "2024", "0"}},
	{"BIT(1)", []string{"b'0'", "b'1'"}},
	{"BIT(13)", []string{"b'1111111111111'", "b'1'"}},
	{"BIT(64)", []string{"0xFFFFFFFFFFFFFFFF", "b'1'", "0"}},
	{"DECIMAL(4,2)", []string{"-99.99", "99.99", "0", "0.01", "-0.01"}},
	{"DECIMAL(9,0)", []string{"-999999999", "999999999"}},
	{"DECIMAL(18,9)", []string{"-999999999.999999999", "0.000000001"}},
	{"DECIMAL(19,19)", []string{"-0.9999999999999999999", "0.0000000000000000001"}},
	{"DECIMAL(38,10)", []string{"-9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999", "0.0000000001"}},
	{"DECIMAL(38,0)", []string{"-99999999999999999999999999999999999999", "18446744073709551616"}},
	{"FLOAT", []string{"1.1", "-3.4e38", "1e-38", "16777217", "0"}},
	{"DOUBLE", []string{"1.1", "-1.7976931348623157e308", "2.2250738585072014e-308", "0.1", "123456789.123456789"}},
	{"FLOAT(7,3)", []string{"1234.567", "-0.001"}},
	{"DATE", []string{"'1000-01-01'", "'9999-12-31'", "'1969-12-31'", "'2024-02-29'", "'0000-00-00'", "'2024-00-10'", "'2024-05-00'"}},
	{"DATETIME", []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'1969-12-31 23:59:59'", "'0000-00-00 00:00:00'"}},
	{"DATETIME(1)", []string{"'2024-01-02 03:04:05.6'"}},
	{"DATETIME(3)", []string{"'1969-12-31 23:59:59.999'", "'2024-01-02 03:04:05.006'"}},
	{"DATETIME(6)", []string{"'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"}},
	{"TIMESTAMP NULL", []string{"'1970-01-01 05:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'"}},
	{"TIMESTAMP(6) NULL", []string{"'2024-07-01 12:00:00.123456'"}},
	{"TIME", []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}},
	{"TIME(2)", []string{"'-12:34:56.78'", "'12:34:56.78'", "'-00:00:00.01'"}},
	{"TIME(4)", []string{"'-12:34:56.7891'", "'-00:00:00.0001'"}},
	{"TIME(6)", []string{"'-838:59:58.999999'", "'-00:00:00.000001'", "'00:00:00.000001'"}},
	{"CHAR(10)", []string{"'abc'", "'abc  '", "''", "'  x'", "'日本'"}},
	{"CHAR(255)", []string{"REPEAT('é', 255)", "'x'"}},
	{"VARCHAR(20)", []string{"'abc '", "''", "'日本語'", `'a\0b\n\'"'`, "'\U0001F986'"}},
	{"VARCHAR(2000)", []string{"REPEAT('é', 1000)", "'x'"}},
	{"VARCHAR(20) CHARACTER SET latin1", []string{"'Grüße €'", "'plain'", "UNHEX('80818D')"}},
	{"CHAR(20) CHARACTER SET koi8r", []string{"'привет'"}},
	{"VARCHAR(20) CHARACTER SET utf16", []string{"'日本'", "'a\U0001F986'", "''"}},
	{"VARCHAR(20) CHARACTER SET ucs2", []string{"'日本'"}},
	{"CHAR(20) CHARACTER SET utf32", []string{"'a\U0001F986'"}},
	{"VARCHAR(20) CHARACTER SET ascii", []string{"'plain'"}},
	{"VARCHAR(40) CHARACTER SET gbk", []string{"'中文 a丂龍€'", "'plain'", "_gbk x'A1E3A1AD'", "_gbk x'A2A0'", "'简\\\\体'"}},
	{"CHAR(20) CHARACTER SET gb2312", []string{"'中文简体'", "_gb2312 x'A1A4A1AA'"}},
	{"TEXT CHARACTER SET big5", []string{"'中文繁體功許蓋'", "_big5 x'A145A14EA15A'"}},
	{"VARCHAR(40) CHARACTER SET sjis", []string{"'日本語ソ表 ｱｲｳ'", "_sjis x'5C7E8160815F8161817C8191'"}},
	{"VARCHAR(40) CHARACTER SET cp932", []string{"'日本語ソ表①ｱ'", "_cp932 x'5C7E8160815F8161817C8191FA40ED40'"}},
	{"VARCHAR(40) CHARACTER SET ujis", []string{"'日本語ソ表ｱ'", "_ujis x'5C7EA1C1A1DD8FA2B78FB0A1'"}},
	{"VARCHAR(40) CHARACTER SET eucjpms", []string{"'日本語①ｱ'", "_eucjpms x'A1C1A1DDADA18FA2B7'"}},
	{"VARCHAR(40) CHARACTER SET euckr", []string{"'한국어 漢字 똠'", "_euckr x'A1ADA1AA8141'"}},
	{"ENUM('甲','乙') CHARACTER SET gbk", []string{"'乙'"}},
	{"SET('ソ','表') CHARACTER SET sjis", []string{"'ソ,表'"}},
	{"TEXT", []string{"REPEAT('x', 65000)", "''"}},
	{"TINYTEXT", []string{"'t'"}},
	{"LONGTEXT", []string{"REPEAT('長', 100000)"}},
	{"BINARY(5)", []string{"'ab'", "x'0000000000'", "x'2020'", "x'01020304FF'"}},
	{"BINARY(16)", []string{"x'00112233445566778899AABBCCDDEE00'"}},
	{"VARBINARY(300)", []string{"x'00'", "''", "x'2000'"}},
	{"BLOB", []string{"x'00FF00'", "''"}},
	{"LONGBLOB", []string{"REPEAT(x'00FF', 100000)"}},
	{"ENUM('a','b','é','it''s')", []string{"'a'", "'é'", "'it''s'", "0"}},
	{"ENUM('x','ü') CHARACTER SET latin1", []string{"'ü'"}},
	{"SET('a','b','ü')", []string{"'a,ü'", "''", "'b'", "'a,b,ü'"}},
	{"POINT", []string{"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(-1.5 2.25)')"}},
	{"GEOMETRY", []string{"ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"}},
}

var mysqlTypes = []typeCase{
	{"DECIMAL(65,30)", []string{"-99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001", "-0.5"}},
	{"JSON", []string{
		`'{"b": 1, "a": [1, -2, 3.5, 1e100, true, false, null, "x\\u00e9\\n\\"q\\""], "long": {"k": 12345678901234567890}}'`,
		`'[]'`, `'{}'`, `'"s"'`, `'null'`, `'1'`, `'-9223372036854775808'`, `'18446744073709551615'`, `'1.0'`, `'0.1'`, `'1e-20'`, `'123456789012345680000'`, `'1e15'`, `'123456789012345.5'`, `'-0.0'`, `'1.5e300'`,
		`JSON_OBJECT('d', CAST('2024-01-02' AS DATE), 't', CAST('-12:34:56.5' AS TIME(6)), 'dt', CAST('2024-01-02 03:04:05.6' AS DATETIME(6)), 'dec', CAST(12.340 AS DECIMAL(10,3)), 'bin', CAST('abc' AS BINARY), 'neg', CAST(-0.5 AS DECIMAL(40,20)))`,
		`CONCAT('[', REPEAT('"0123456789", ', 9000), '1]')`, `JSON_OBJECT(REPEAT('k', 300), REPEAT('v', 70000))`,
	}},
	{"VARCHAR(40) CHARACTER SET gb18030", []string{"'中文丂€é\U0001F986\U00020000'", "'䶵'", "_gb18030 x'8130813090308130'"}},
	{"VECTOR(3)", []string{"TO_VECTOR('[1,2.5,-3]')"}},
}

var mariadbTypes = []typeCase{
	{"DECIMAL(65,30)", []string{"-99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001"}},
	{"JSON", []string{`'{"b":1,  "a":[1]}'`}},
	{"UUID", []string{"'123e4567-e89b-12d3-a456-426655440000'", "'019e4567-e89b-72d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'", "'f47ac10b-58cc-4372-a567-0e02b2c3d479'",
		"'00000000-00de-8200-0000-a50000c06600'", "'00000001-0002-0003-8004-000000000005'", "'00000001-0002-8003-0104-000000000005'", "'00000001-0002-8003-7f04-000000000005'", "'00000001-0002-8003-8004-000000000005'", "'00000001-0002-8003-8104-000000000005'", "'00000001-0002-5fff-ff04-000000000005'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}},
	{"INET6", []string{"'2001:db8::ff00:42:8329'", "'::'", "'::ffff:192.0.2.1'", "'fe80::'"}},
	{"INET4", []string{"'192.0.2.1'", "'0.0.0.0'", "'10.0.0.0'"}},
}

// Every value arrives the same by the copy and by the stream, and as the source prints it.
func TestEveryTypeBothWays(t *testing.T) {
	var page []string
	const null, text = cdcv1.ZeroDates_ZERO_DATES_NULL, cdcv1.ZeroDates_ZERO_DATES_TEXT
	for _, kind := range []struct {
		flavor mysqltest.Flavor
		dates  cdcv1.ZeroDates
		title  string
		cases  []typeCase
	}{
		{mysqltest.MySQL, null, "MySQL 9.7", slices.Concat(commonTypes, mysqlTypes)}, {mysqltest.MariaDB, null, "MariaDB 10.11", slices.Concat(commonTypes, mariadbTypes)},
		{mysqltest.MySQL, text, "MySQL 9.7, ZERO_DATES=text", dateTypes}, {mysqltest.MariaDB, text, "MariaDB 10.11, ZERO_DATES=text", dateTypes},
	} {
		cases := kind.cases
		page = append(page, "\n## "+kind.title+"\n\n| declared as | frame | DuckDB | JSON | an example, as text |\n|---|---|---|---|---|\n")
		t.Run(kind.title, func(t *testing.T) {
			r := newRig(t, kind.flavor)
			r.config.Dates = kind.dates
			var create, copied, streamed []string
			for i, c := range cases {
				create = append(create, fmt.Sprintf("CREATE TABLE t%d (id INT PRIMARY KEY, v %s)", i, c.column))
				for n, v := range append(c.values, "NULL") {
					copied = append(copied, fmt.Sprintf("INSERT INTO t%d VALUES (%d, %s)", i, n, v))
					streamed = append(streamed, fmt.Sprintf("INSERT INTO t%d VALUES (%d, %s)", i, 1000+n, v))
				}
			}
			r.exec(slices.Concat([]string{anyDates}, create, copied)...)
			r.start()
			r.eventually("all tables are copied", func(m *model) bool { return len(m.tables) == len(cases) && len(m.copies) == 0 })
			r.exec(append([]string{anyDates}, streamed...)...)
			r.converge()
			r.mu.Lock()
			defer r.mu.Unlock()
			for i, c := range cases {
				table := r.model.tables[fmt.Sprintf("t%d", i)]
				rows := table.rows
				page = append(page, typeRow(c, table.definition.GetColumns()[1], rows["0"][0]["v"])+"\n")
				for n, v := range append(c.values, "NULL") {
					a, b := rows[fmt.Sprint(n)][0]["v"], rows[fmt.Sprint(1000+n)][0]["v"]
					if a != b {
						t.Errorf("%s, %.80s: the copy gave %.100q, the stream %.100q", c.column, v, a, b)
					}
				}
				if n := r.model.begun[fmt.Sprintf("t%d", i)]; n != 1 {
					t.Errorf("%s: copied %d times; %s", c.column, n, strings.Join(r.model.reasons, "; "))
				}
			}
		})
	}
	if !t.Failed() {
		checkTypesPage(t, page)
	}
}
