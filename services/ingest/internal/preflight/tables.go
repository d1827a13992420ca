package preflight

import (
	"context"
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
		return Finding{Warn, name, "the source does not tell which ids are in use: " + err.Error(), "GRANT REPLICATION SLAVE ON *.* TO <account>"}
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
	var rows, bytes uint64
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		rows += t.Rows
		bytes += t.Rows * t.RowBytes
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
	size := Finding{Grade: Pass, Check: "size", Detail: fmt.Sprintf("%d tables of about %d rows and %s by the source's estimate; DuckDB compresses them, "+
		"and needs the room twice while a table is copied anew", len(tables), rows, human(bytes))}
	return append([]Finding{size}, findings...), nil
}

func human(bytes uint64) string {
	const mib = 1 << 20
	if bytes < 1024*mib {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1024*mib))
}
