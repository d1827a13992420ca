// Package preflight checks whether a source is set up so that it can be
// followed, and says for each finding which statement mends it.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// Grade is the outcome of one check.
type Grade string

const (
	Pass Grade = "pass"
	// Warn: it works, at a price the finding names.
	Warn Grade = "warn"
	// Fail: it cannot work.
	Fail Grade = "fail"
)

// Finding is what one check found.
type Finding struct {
	Grade Grade
	Check string
	// Detail says what was found; empty for a pass that needs no words.
	Detail string
	// Mend is the statement, or the line of the server's configuration, that mends it.
	Mend string
}

func (f Finding) String() string {
	text := f.Check + ": " + f.Detail
	if f.Mend != "" {
		text += "; mend it with: " + f.Mend
	}
	return text
}

// Require returns an error that names every failed check, and how to mend it.
func Require(ctx context.Context, s *server.Server) error {
	findings, err := settings(ctx, s)
	if err != nil {
		return err
	}
	var failed []error
	for _, f := range findings {
		if f.Grade == Fail {
			failed = append(failed, errors.New(f.String()))
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("the source is not set up for replication: %w", errors.Join(failed...))
}

// Check runs every check, for a replica with an id and the tables that follow names; nil names all.
func Check(ctx context.Context, s *server.Server, serverID uint32, follow func(table string) bool) ([]Finding, error) {
	findings, err := settings(ctx, s)
	if err != nil {
		return nil, err
	}
	v := variables{ctx: ctx, s: s}
	findings = append(findings, v.retention(), v.identity(serverID))
	if v.err != nil {
		return nil, v.err
	}
	for _, look := range []func() ([]Finding, error){
		func() ([]Finding, error) { return checkTables(ctx, s, follow) },
		func() ([]Finding, error) { return checkCharsets(ctx, s, follow) },
		func() ([]Finding, error) { return cascades(ctx, s) },
	} {
		more, err := look()
		if err != nil {
			return nil, err
		}
		findings = append(findings, more...)
	}
	return findings, nil
}

// settings are the checks without which nothing can be read.
func settings(ctx context.Context, s *server.Server) ([]Finding, error) {
	if s.BinlogOff {
		return []Finding{{Fail, "binary log", "it is off", "start the server with log_bin=binlog and server_id=1"}}, nil
	}
	v := variables{ctx: ctx, s: s}
	findings := []Finding{
		v.expect("binlog_format", "ROW", "rows are logged as statements"),
		v.expect("binlog_row_image", "FULL", "rows are logged in part"),
		v.expect("binlog_row_metadata", "FULL", "rows are logged without their columns' names"),
	}
	if s.Flavor == binlog.MySQL {
		findings = append(findings, v.expect("binlog_row_value_options", "", "JSON documents are logged in part"), v.gtid())
	}
	findings = append(findings, v.ownLog())
	findings = append(findings, v.grants()...)
	return findings, v.err
}

// variables reads settings; after the first failure it does nothing more.
type variables struct {
	ctx context.Context //nolint:containedctx // lives as long as one check
	s   *server.Server
	err error
}

func (v *variables) read(name string) (value string, known bool) {
	if v.err != nil {
		return "", false
	}
	err := v.s.DB.QueryRowContext(v.ctx, "SELECT @@GLOBAL."+name).Scan(&value)
	if server.Is(err, 1193) { // unknown to older versions
		return "", false
	}
	if err != nil {
		v.err = fmt.Errorf("reading %s: %w", name, err)
	}
	return value, err == nil
}

func (v *variables) expect(name, want, otherwise string) Finding {
	got, known := v.read(name)
	switch {
	case !known:
		if want == "" {
			return Finding{Grade: Pass, Check: name}
		}
		return Finding{Fail, name, "this server is too old to have it (MySQL 8.0.1 or MariaDB 10.5 is needed)", "upgrade the server"}
	case strings.EqualFold(got, want):
		return Finding{Grade: Pass, Check: name, Detail: got}
	}
	return Finding{Fail, name, fmt.Sprintf("it is %q: %s", got, otherwise), fmt.Sprintf("SET GLOBAL %s = '%s'; then reconnect all clients", name, want)}
}

func (v *variables) gtid() Finding {
	mode, _ := v.read("gtid_mode")
	if mode == "ON" {
		return Finding{Grade: Pass, Check: "gtid_mode", Detail: mode}
	}
	return Finding{Warn, "gtid_mode", fmt.Sprintf("it is %q: places are told by file and offset, which do not outlive a failover", mode),
		"SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode = OFF_PERMISSIVE; SET PERSIST gtid_mode = ON_PERMISSIVE; SET PERSIST gtid_mode = ON"}
}

// grants reads what the account may do. SHOW GRANTS includes the roles that are active.
func (v *variables) grants() []Finding {
	if v.err != nil {
		return nil
	}
	rows, err := v.s.DB.QueryContext(v.ctx, "SHOW GRANTS")
	if err != nil {
		v.err = fmt.Errorf("reading the account's grants: %w", err)
		return nil
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			v.err = fmt.Errorf("reading the account's grants: %w", err)
			return nil
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		v.err = fmt.Errorf("reading the account's grants: %w", err)
		return nil
	}
	account := v.account()
	check := func(grade Grade, why, scope string, names ...string) Finding {
		for _, line := range all {
			if granted(line, v.s.Schema, scope, names) {
				return Finding{Grade: Pass, Check: "grant " + names[0]}
			}
		}
		return Finding{grade, "grant " + names[0], "the account lacks it: " + why, fmt.Sprintf("GRANT %s ON %s TO %s", names[0], scope, account)}
	}
	schema := "`" + v.s.Schema + "`.*"
	monitor := []string{"REPLICATION CLIENT", "BINLOG MONITOR"}
	if v.s.Flavor == binlog.MariaDB {
		monitor = []string{"BINLOG MONITOR", "REPLICATION CLIENT"}
	}
	return []Finding{
		check(Fail, "the binlog cannot be read", "*.*", "REPLICATION SLAVE", "REPLICATION REPLICA"),
		check(Fail, "the place in the binlog cannot be read", "*.*", monitor...),
		check(Warn, "tables may be invisible or unreadable", schema, "SELECT"),
		check(Warn, "tables without a key, or without transactions, cannot be copied, and on MySQL without GTIDs no table can", schema, "LOCK TABLES"),
	}
}

// account is how statements name the account that the service uses.
func (v *variables) account() string {
	var user, host string
	if v.err == nil {
		v.err = v.s.DB.QueryRowContext(v.ctx, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), SUBSTRING_INDEX(CURRENT_USER(), '@', -1)").Scan(&user, &host)
	}
	return mysqltype.QuoteName(user) + "@" + mysqltype.QuoteName(host)
}

// granted reports whether a line of SHOW GRANTS gives one of the privileges on all schemas, or on
// the schema where that is enough.
func granted(line, schema, scope string, names []string) bool {
	what, rest, ok := strings.Cut(line, " ON ")
	if !ok {
		return false
	}
	where, _, _ := strings.Cut(rest, " TO ")
	plain := strings.NewReplacer("`", "", `\`, "").Replace(where)
	if plain != "*.*" && (scope == "*.*" || plain != schema+".*") {
		return false
	}
	what = strings.TrimPrefix(what, "GRANT ")
	for _, have := range strings.Split(what, ", ") {
		if have == "ALL PRIVILEGES" || have == "ALL" {
			return true
		}
		for _, name := range names {
			if have == name {
				return true
			}
		}
	}
	return false
}
