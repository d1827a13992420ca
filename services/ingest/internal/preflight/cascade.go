package preflight

import (
	"context"
	"fmt"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// cascades finds foreign keys whose doings the storage engine keeps out of the binlog: those of MariaDB, and of MySQL before 9.6
// or where that release is told to leave them to InnoDB.
func cascades(ctx context.Context, s *server.Server) ([]Finding, error) {
	v := variables{ctx: ctx, s: s}
	native, known := v.read("innodb_native_foreign_keys")
	if v.err != nil {
		return nil, v.err
	}
	if s.Flavor == binlog.MySQL && known && (native == "0" || native == "OFF") {
		return nil, nil
	}
	rows, err := s.DB.QueryContext(ctx, `SELECT TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
		WHERE CONSTRAINT_SCHEMA = ? AND (DELETE_RULE IN ('CASCADE', 'SET NULL') OR UPDATE_RULE IN ('CASCADE', 'SET NULL')) ORDER BY 1, 2`, s.Schema)
	if err != nil {
		return nil, fmt.Errorf("reading foreign keys: %w", err)
	}
	defer rows.Close()
	var findings []Finding
	for rows.Next() {
		var table, constraint, parent string
		if err := rows.Scan(&table, &constraint, &parent); err != nil {
			return nil, fmt.Errorf("reading foreign keys: %w", err)
		}
		findings = append(findings, Finding{
			Warn, "table " + table,
			fmt.Sprintf("its foreign key %q changes its rows when those of %q change, and this server does not log that: they stay as they were until a comparison finds it", constraint, parent),
			"let the application, or a trigger, change the rows, and declare the key ON DELETE RESTRICT ON UPDATE RESTRICT",
		})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading foreign keys: %w", err)
	}
	return findings, nil
}
