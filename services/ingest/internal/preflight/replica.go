package preflight

import (
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// ownLog looks for a replica that does not log what it replicates: its binlog would be read to the end, and hold nothing.
func (v *variables) ownLog() Finding {
	name, statement, grant := "log_replica_updates", "SHOW REPLICA STATUS", "REPLICATION CLIENT"
	if v.s.Flavor == binlog.MariaDB {
		name, statement, grant = "log_slave_updates", "SHOW ALL SLAVES STATUS", "SLAVE MONITOR"
	}
	value, known := v.read(name)
	if !known { // before MySQL 8.0.26
		name, statement = "log_slave_updates", "SHOW SLAVE STATUS"
		value, _ = v.read(name)
	}
	if v.err != nil || value == "1" || value == "ON" {
		return Finding{Grade: Pass, Check: name, Detail: value}
	}
	rows, err := v.s.DB.QueryContext(v.ctx, statement)
	if err != nil {
		return Finding{Warn, name, "it is off, and whether this server is a replica cannot be read: " + err.Error(), "GRANT " + grant + " ON *.* TO " + v.account()}
	}
	defer rows.Close()
	if rows.Next() {
		return Finding{Fail, name, "it is off, and this server is a replica: what it replicates is not in its binlog", "restart the server with " + name + "=ON"}
	}
	if v.err = rows.Err(); v.err != nil {
		return Finding{}
	}
	return Finding{Grade: Pass, Check: name, Detail: "it is off, and this server is no replica"}
}
