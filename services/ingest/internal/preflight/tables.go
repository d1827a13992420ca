package preflight

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// leastRetention is how long binlogs should stay: an outage of that length needs no new copy.
const leastRetention = 24 * 3600

// retention checks how long the source keeps its binlogs.
func (v *variables) retention() Finding {
	const name = "binlog_expire_logs_seconds"
	value, known := v.read(name)
	mend := "SET PERSIST binlog_expire_logs_seconds = 259200"
	unit := 1.0
	if v.s.Flavor == binlog.MariaDB {
		mend = "SET GLOBAL binlog_expire_logs_seconds = 259200"
	}
	if !known { // before MySQL 8.0 and MariaDB 10.6
		value, _ = v.read("expire_logs_days")
		unit, mend = 24*3600, "SET GLOBAL expire_logs_days = 3"
	}
	n, err := strconv.ParseFloat(value, 64)
	seconds := n * unit
	switch {
	case err != nil:
		return Finding{Warn, name, "it cannot be read", ""}
	case seconds == 0:
		return Finding{Grade: Pass, Check: name, Detail: "binlogs are kept until somebody purges them"}
	case seconds < leastRetention:
		return Finding{Warn, name, fmt.Sprintf("binlogs are kept %.1f hours: after a longer outage every table is copied anew", seconds/3600), mend}
	}
	return Finding{Grade: Pass, Check: name, Detail: fmt.Sprintf("binlogs are kept %.0f hours", seconds/3600)}
}

// identity checks that nobody else uses the id under which this service is to be a replica. Two with one id end each other's reading.
func (v *variables) identity(id uint32) Finding {
	const name = "server id"
	own, _ := v.read("server_id")
	if own == strconv.FormatUint(uint64(id), 10) {
		return Finding{Fail, name, fmt.Sprintf("%d is the source's own", id), "set MYSQL_SERVER_ID to an id that no server has"}
	}
	if v.err != nil {
		return Finding{}
	}
	used, err := v.replicas()
	switch {
	case err != nil:
		grant := "REPLICATION SLAVE"
		if v.s.Flavor == binlog.MariaDB {
			grant = "REPLICATION MASTER ADMIN"
		}
		return Finding{Warn, name, "the source does not tell which ids are in use: " + err.Error(), "GRANT " + grant + " ON *.* TO " + v.account()}
	case used[id]:
		return Finding{Warn, name, fmt.Sprintf("a replica with id %d is connected: this service, or another that must have another id", id),
			"unless it is this service, set MYSQL_SERVER_ID to an id that no server has"}
	}
	return Finding{Grade: Pass, Check: name, Detail: strconv.FormatUint(uint64(id), 10)}
}

// replicas are the ids of the replicas that are connected to the source.
func (v *variables) replicas() (map[uint32]bool, error) {
	statement := "SHOW REPLICAS"
	if v.s.Flavor == binlog.MariaDB {
		statement = "SHOW REPLICA HOSTS"
	}
	rows, err := v.s.DB.QueryContext(v.ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	used := map[uint32]bool{}
	values := make([]any, len(columns)) // how many there are differs by version; the id is the first
	var id uint32
	values[0] = &id
	for i := 1; i < len(values); i++ {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return nil, err
		}
		used[id] = true
	}
	return used, rows.Err()
}

// checkTables looks for tables that cannot be followed, or only at a price, and tells how much there is to copy.
func checkTables(ctx context.Context, s *server.Server, follow func(table string) bool) ([]Finding, error) {
	tables, err := catalog.Read(ctx, s)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(tables, func(name string, _ *catalog.Table) bool { return follow != nil && !follow(name) })
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		switch {
		case t.Unsupported != nil:
			findings = append(findings, Finding{Fail, "table " + name, t.Unsupported.Error() + "; the table is left out, the others are followed", "change it, or exclude the table in DATABASES_FILE"})
		case len(t.Key) == 0:
			findings = append(findings, Finding{Warn, "table " + name, "it has no key: its copy starts over when it is cut, and every change carries whole rows",
				"ALTER TABLE " + s.Name(name) + " ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"})
		case !t.Transactional:
			findings = append(findings, Finding{Warn, "table " + name, "its engine has no transactions: it is locked against writers now and then while it is copied",
				"ALTER TABLE " + s.Name(name) + " ENGINE=InnoDB"})
		}
	}
	size, err := checkSize(ctx, s, tables)
	return append([]Finding{size}, findings...), err
}

// checkSize tells how much there is to copy and how large DuckDB's files become at most, by the source's statistics. The loader keeps its
// own file and three generations of it, and has a table twice while it is copied anew.
func checkSize(ctx context.Context, s *server.Server, tables map[string]*catalog.Table) (Finding, error) {
	const name = "size"
	var rows, bytes, largest uint64
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		t := tables[table]
		if t.Rows == 0 && t.Unsupported == nil {
			var one int
			err := s.DB.QueryRowContext(ctx, "SELECT 1 FROM "+s.Name(table)+" LIMIT 1").Scan(&one)
			switch {
			case err == nil:
				return Finding{Warn, name, fmt.Sprintf("it cannot be told: the source's statistics say that %q is empty, and it is not", table),
					"ANALYZE TABLE " + s.Name(table)}, nil
			case !errors.Is(err, sql.ErrNoRows) && !server.Is(err, 1142): // a grant that is missing is told of by itself
				return Finding{}, fmt.Errorf("reading table %q: %w", table, err)
			}
		}
		rows += t.Rows
		bytes += t.Rows * t.RowBytes
		largest = max(largest, t.Rows*t.RowBytes)
	}
	return Finding{Grade: Pass, Check: name, Detail: fmt.Sprintf("%d tables of about %d rows and %s by the source's estimate: DuckDB's file and its three generations "+
		"have less than %s, for they are compressed", len(tables), rows, human(bytes), human(4*(bytes+largest)))}, nil
}

func human(bytes uint64) string {
	const mib = 1 << 20
	if bytes < 1024*mib {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1024*mib))
}
