package oracle

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
)

const (
	separator = "\x1f"
	null      = "\x00NULL"
)

// column knows how to write one column as the same text on both sides.
type column struct {
	name    string
	source  string // expression in MySQL
	replica string // expression in DuckDB
	// normal brings what is left to one form, applied to both sides.
	normal func(string) string
}

func same(s string) string { return s }

// newColumn picks the text forms for a MySQL data type.
func newColumn(name, dataType string) column {
	m := "`" + strings.ReplaceAll(name, "`", "``") + "`"
	d := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	c := column{name: name, source: "CAST(" + m + " AS CHAR)", replica: "CAST(" + d + " AS VARCHAR)", normal: same}
	switch dataType {
	case "bit":
		c.source = "CAST(" + m + "+0 AS CHAR)"
	case "float":
		c.source, c.replica, c.normal = m+"+0e0", "CAST("+d+" AS DOUBLE)", float32Text
	case "double":
		c.normal = float64Text
	case "date":
		c.source, c.normal = "DATE_FORMAT("+m+", '%Y-%m-%d')", zeroDate
	case "datetime", "timestamp":
		c.source, c.replica = "DATE_FORMAT("+m+", '%Y-%m-%d %H:%i:%s.%f')", "strftime("+d+", '%Y-%m-%d %H:%M:%S.%f')"
		c.normal = zeroDate
	case "time":
		c.replica, c.normal = "epoch_us("+d+")", microseconds
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector":
		c.source, c.replica = "HEX("+m+")", "hex("+d+")"
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geomcollection", "geometrycollection":
		// MySQL's own form is a 4 byte SRID and the WKB.
		c.source, c.replica = "SUBSTRING(HEX("+m+"), 9)", "hex("+d+")"
	}
	return c
}

func float64Text(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func float32Text(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(float64(float32(f)), 'g', -1, 32)
}

// zeroDate maps dates that no calendar has to null, as Duckling does by default.
func zeroDate(s string) string {
	if len(s) >= 10 && (s[:4] == "0000" || s[5:7] == "00" || s[8:10] == "00") {
		return null
	}
	return s
}

// microseconds turns MySQL's [-]h:mm:ss[.f] into a number, and leaves a number as it is.
func microseconds(s string) string {
	if !strings.Contains(s, ":") {
		return s
	}
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	whole, fraction, _ := strings.Cut(s, ".")
	var h, m, sec int64
	if _, err := fmt.Sscanf(whole, "%d:%d:%d", &h, &m, &sec); err != nil {
		return s
	}
	micros, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	total := ((h*60+m)*60+sec)*1_000_000 + micros
	if negative {
		total = -total
	}
	return strconv.FormatInt(total, 10)
}

func columns(ctx context.Context, source *sql.DB, table string) ([]column, error) {
	rows, err := source.QueryContext(ctx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position`, table)
	if err != nil {
		return nil, fmt.Errorf("table %s: reading columns: %w", table, err)
	}
	defer rows.Close()
	var list []column
	for rows.Next() {
		var name, dataType string
		if err := rows.Scan(&name, &dataType); err != nil {
			return nil, fmt.Errorf("table %s: reading columns: %w", table, err)
		}
		list = append(list, newColumn(name, strings.ToLower(dataType)))
	}
	return list, rows.Err()
}

func readSource(ctx context.Context, source *sql.DB, table string, columns []column) ([]string, error) {
	conn, err := source.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION time_zone = '+00:00', group_concat_max_len = 1000000"); err != nil {
		return nil, err
	}
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = c.source
	}
	rows, err := conn.QueryContext(ctx, "SELECT "+strings.Join(exprs, ", ")+" FROM `"+strings.ReplaceAll(table, "`", "``")+"`")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := make([]sql.NullString, len(columns))
	dest := make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	var all []string
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		parts := make([]string, len(columns))
		for i, v := range values {
			parts[i] = null
			if v.Valid {
				parts[i] = columns[i].normal(v.String)
			}
		}
		all = append(all, strings.Join(parts, separator))
	}
	return all, rows.Err()
}

func readReplica(ctx context.Context, replica Reader, table string, columns []column) ([]string, error) {
	exprs := make([]string, len(columns))
	for i, c := range columns {
		exprs[i] = "CAST(" + c.replica + " AS VARCHAR)"
	}
	rows, err := replica.Read(ctx, `SELECT `+strings.Join(exprs, ", ")+` FROM "`+strings.ReplaceAll(table, `"`, `""`)+`"`)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(rows))
	for r, row := range rows {
		parts := make([]string, len(columns))
		for i, v := range row {
			parts[i] = null
			if v != nil {
				parts[i] = columns[i].normal(*v)
			}
		}
		all[r] = strings.Join(parts, separator)
	}
	return all, nil
}
