package preflight

import (
	"context"
	"fmt"
	"strings"

	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// checkCharsets tells which character sets the columns have. Text of any arrives as UTF-8; what the binlog holds in one of several bytes a character is
// read by a table of which the source is asked at the beginning of each run that meets it.
func checkCharsets(ctx context.Context, s *server.Server, follow func(table string) bool) ([]Finding, error) {
	const name = "character sets"
	rows, err := s.DB.QueryContext(ctx, `SELECT DISTINCT c.CHARACTER_SET_NAME, s.MAXLEN, c.TABLE_NAME FROM information_schema.COLUMNS c
		JOIN information_schema.CHARACTER_SETS s ON s.CHARACTER_SET_NAME = c.CHARACTER_SET_NAME
		JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
		WHERE c.TABLE_SCHEMA = ? AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY 1, 3`, s.Schema)
	if err != nil {
		return nil, fmt.Errorf("reading character sets: %w", err)
	}
	defer rows.Close()
	var sets []string
	var findings []Finding
	last := ""
	for rows.Next() {
		var set, table string
		var width int
		if err := rows.Scan(&set, &width, &table); err != nil {
			return nil, fmt.Errorf("reading character sets: %w", err)
		}
		if set == last || follow != nil && !follow(table) {
			continue
		}
		sets, last = append(sets, set), set
		if _, known := mysqltype.Algorithmic(set); width > 1 && !known {
			findings = append(findings, Finding{Warn, name, fmt.Sprintf("table %q has text in %s: what its bytes mean is asked of the source in tens of thousands of pieces, about a second at each start", table, set),
				"ALTER TABLE " + s.Name(table) + " CONVERT TO CHARACTER SET utf8mb4"})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading character sets: %w", err)
	}
	if findings != nil {
		return findings, nil
	}
	return []Finding{{Grade: Pass, Check: name, Detail: strings.Join(sets, ", ")}}, nil
}
