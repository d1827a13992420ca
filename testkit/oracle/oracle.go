// Package oracle tells whether a DuckDB file holds exactly what MySQL holds:
// every table, every row, every value, duplicates counted.
package oracle

import (
	"context"
	"database/sql"
	"fmt"
	"sort"
	"strings"
)

// Reader runs a query on the DuckDB side and gives every row as text, nil for null.
type Reader interface {
	Read(ctx context.Context, query string) ([][]*string, error)
}

// Compare returns nil when every table of the source's schema is in the
// replica with the same rows, and else an error that names the table and the first rows that differ.
// Tables matching any of ignore are left out.
func Compare(ctx context.Context, source *sql.DB, replica Reader, ignore ...string) error {
	tables, err := tables(ctx, source)
	if err != nil {
		return err
	}
	var wrong []string
	for _, t := range tables {
		if contains(ignore, t) {
			continue
		}
		if err := CompareTable(ctx, source, replica, t); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d tables differ:\n%s", len(wrong), len(tables), strings.Join(wrong, "\n"))
	}
	return nil
}

// CompareTable is Compare for one table.
func CompareTable(ctx context.Context, source *sql.DB, replica Reader, table string) error {
	columns, err := columns(ctx, source, table)
	if err != nil {
		return err
	}
	want, err := readSource(ctx, source, table, columns)
	if err != nil {
		return fmt.Errorf("table %s: reading the source: %w", table, err)
	}
	got, err := readReplica(ctx, replica, table, columns)
	if err != nil {
		return fmt.Errorf("table %s: reading the replica: %w", table, err)
	}
	return diff(table, want, got)
}

// diff compares two multisets of rows.
func diff(table string, want, got []string) error {
	sort.Strings(want)
	sort.Strings(got)
	var missing, extra []string
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case j == len(got) || i < len(want) && want[i] < got[j]:
			missing = append(missing, want[i])
			i++
		case i == len(want) || got[j] < want[i]:
			extra = append(extra, got[j])
			j++
		default:
			i++
			j++
		}
	}
	if len(missing)+len(extra) == 0 {
		return nil
	}
	return fmt.Errorf("table %s: source %d rows, replica %d; missing %d%s; extra %d%s",
		table, len(want), len(got), len(missing), sample(missing), len(extra), sample(extra))
}

func sample(rows []string) string {
	if len(rows) > 3 {
		rows = rows[:3]
	}
	var b strings.Builder
	for _, r := range rows {
		b.WriteString("\n    ")
		b.WriteString(strings.ReplaceAll(r, separator, " | "))
	}
	return b.String()
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func tables(ctx context.Context, source *sql.DB) ([]string, error) {
	rows, err := source.QueryContext(ctx, `SELECT table_name FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name`)
	if err != nil {
		return nil, fmt.Errorf("listing tables: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("listing tables: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
