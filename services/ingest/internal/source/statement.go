package source

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/ddl"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// statement handles a statement that is a transaction by itself.
func (r *run) statement(ctx context.Context, e *binlog.Event) error {
	if err := r.writer.Flush(ctx); err != nil {
		return err
	}
	s, err := r.parse(ctx, e)
	if err != nil {
		return err
	}
	if s.Kind == ddl.Write {
		return r.condemnWritten(ctx, s)
	}
	if err := r.quarantineBefore(ctx, s); err != nil {
		return err
	}
	if err := r.awaitDefinitions(ctx, s, e.GTID); err != nil {
		return err
	}
	r.reach(e)
	sent, err := r.sendParts(ctx, s, e.SQL, e.Schema, transactionName(e), 0)
	if err != nil {
		return err
	}
	if !sent {
		r.writer.Moved(r.position)
	}
	return r.copies.passed(ctx)
}

// statementWithin handles a statement inside a transaction: the CREATE of CREATE TABLE ... SELECT, or rows logged as
// text. It can be sent again if the transaction is, so it does not move the position.
func (r *run) statementWithin(ctx context.Context, e *binlog.Event) error {
	s, err := r.parse(ctx, e)
	if err != nil {
		return err
	}
	switch s.Kind {
	case ddl.Write:
		return r.condemnWritten(ctx, s)
	case ddl.Create:
		if r.large {
			return r.condemn(s.Tables[0].Table, "it was created amid a large transaction")
		}
		if name := s.Tables[0]; name.Schema == r.server.Schema && r.tables[name.Table].quarantined() {
			// Perhaps by the very rows that follow: the transaction is read again, and would bring them to the same end for ever.
			return r.copies.queue(ctx, name.Table, r.tables[name.Table].reason)
		}
		if err := r.writer.Flush(ctx); err != nil {
			return err
		}
		if err := r.awaitDefinitions(ctx, s, e.GTID); err != nil {
			return err
		}
		event, err := r.plan(ctx, s, 0)
		if err != nil || event == nil {
			return err
		}
		return r.sendEvent(ctx, event, e.SQL, e.Schema, transactionName(e), "create")
	}
	return nil
}

// awaitDefinitions waits until the schema shows the tables that a statement has defined, or given their names, so that one which
// is not there is gone and not yet to come.
func (r *run) awaitDefinitions(ctx context.Context, s ddl.Statement, gtid binlog.GTID) error {
	var names []ddl.Name
	switch s.Kind {
	case ddl.Create, ddl.Alter:
		names = s.Tables
		if s.RenamedTo != nil {
			names = append(slices.Clip(names), *s.RenamedTo)
		}
	case ddl.Rename:
		names = s.To
	}
	for _, name := range names {
		if name.Schema != r.server.Schema || !r.follows(name.Table) {
			continue
		}
		await := func(ctx context.Context) error { return r.server.AwaitDefinition(ctx, gtid, name.Table) }
		if err := r.briefly(ctx, name.Table, await); err != nil {
			return err
		}
	}
	return nil
}

// condemnWritten: a statement wrote rows that are not in the binlog, to any table by its triggers.
func (r *run) condemnWritten(ctx context.Context, s ddl.Statement) error {
	const reason = "rows were written by a statement that was logged as text; set binlog_format=ROW in every session"
	if len(s.Tables) == 1 {
		name := s.Tables[0]
		var emptied bool
		err := r.briefly(ctx, name.Table, func(ctx context.Context) (err error) {
			emptied, err = r.server.InMemory(ctx, name.Schema, name.Table)
			return err
		})
		if err != nil {
			return err
		}
		if t := r.tables[name.Table]; emptied && name.Schema == r.server.Schema && t != nil && t.followed() {
			return r.condemn(t.name, reason)
		}
		if emptied {
			return nil
		}
	}
	var followed []string
	for _, name := range r.tables.names() {
		if r.tables[name].followed() {
			followed = append(followed, name)
		}
	}
	if len(followed) == 0 {
		return nil
	}
	return &condemnedError{tables: followed, reason: reason}
}

// quarantineBefore quarantines, at the position before a statement, its tables that cannot be followed through it. One that
// is being copied would mix rows from before and after. This may be repeated without harm.
func (r *run) quarantineBefore(ctx context.Context, s ddl.Statement) error {
	if s.Kind == ddl.Other || s.Kind == ddl.Drop || s.Kind == ddl.DropSchema {
		return nil
	}
	for _, name := range s.Tables {
		t := r.tables[name.Table]
		if name.Schema != r.server.Schema || t == nil {
			continue
		}
		var reason string
		switch {
		case t.phase == cdcv1.TableState_PHASE_COPYING:
			reason = "its definition changed while it was being copied"
		case s.RenamedTo != nil && (len(s.Added) > 0 || len(s.Dropped) > 0 || s.Rewrites != ""):
			reason = "it was altered and renamed at once"
		case (s.Kind == ddl.Rename || s.RenamedTo != nil) && t.followed() && t.definition == nil:
			reason = "it was renamed while its definition was not known"
		default:
			continue
		}
		if err := r.quarantine(ctx, t.name, reason); err != nil {
			return err
		}
	}
	return nil
}

// quarantine tells that a table is not followed any longer and queues a copy of it.
func (r *run) quarantine(ctx context.Context, table, reason string) error {
	if t := r.tables[table]; t != nil && t.phase == cdcv1.TableState_PHASE_QUARANTINED && t.reason == reason {
		return nil
	}
	event := &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: table, Reason: reason}
	r.copies.stop(table)
	r.tables.apply(event)
	r.forgetViews()
	r.countTables()
	r.log.WarnContext(ctx, "table is stale until it has been copied anew", "table", table, "reason", reason)
	if err := r.writer.Event(ctx, event, "quarantine", table, r.position); err != nil {
		return err
	}
	return r.copies.queue(ctx, table, reason)
}

// sendParts sends what a statement did to each of its tables, from part first on.
func (r *run) sendParts(ctx context.Context, s ddl.Statement, sql, schema, name string, first int) (sent bool, err error) {
	s = r.expand(s)
	for i := first; i < len(s.Tables); i++ {
		event, err := r.plan(ctx, s, i)
		if err != nil {
			return sent, err
		}
		if event == nil {
			continue
		}
		sent = true
		if err := r.sendEvent(ctx, event, sql, schema, name, fmt.Sprintf("%d-%d", i, len(s.Tables))); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (r *run) sendEvent(ctx context.Context, event *cdcv1.TableEvent, sql, schema, name, part string) error {
	event.Statement = sql
	if schema != r.server.Schema {
		event.Statement = "USE " + mysqltype.QuoteName(schema) + "; " + sql
	}
	if several := strings.Contains(part, "-") && !strings.HasSuffix(part, "-1"); !several && r.cfg.Masks != nil {
		event.Statement = "" // it may hold values; one on several tables does not, and must be kept to be completed
	}
	if err := r.writer.Event(ctx, event, "ddl:"+name, part, r.position); err != nil {
		return err
	}
	r.countTables()
	if event.GetKind() == cdcv1.TableEvent_KIND_QUARANTINE {
		r.log.WarnContext(ctx, "table is stale until it has been copied anew", "table", event.GetTable(), "reason", event.GetReason(), "statement", event.GetStatement())
		if r.tables[event.GetTable()].paused() {
			return nil
		}
		return r.copies.queue(ctx, event.GetTable(), event.GetReason())
	}
	return nil
}

// expand turns DROP DATABASE into a drop of each table.
func (r *run) expand(s ddl.Statement) ddl.Statement {
	if s.Kind != ddl.DropSchema || s.Schema != r.server.Schema {
		return s
	}
	s.Kind = ddl.Drop
	for _, name := range r.tables.names() {
		s.Tables = append(s.Tables, ddl.Name{Schema: s.Schema, Table: name})
	}
	return s
}

// plan works out what a statement did to its table i and takes it over. It returns nil when that is
// nothing the stream need tell.
func (r *run) plan(ctx context.Context, s ddl.Statement, i int) (*cdcv1.TableEvent, error) {
	name := s.Tables[i]
	here := name.Schema == r.server.Schema
	t := r.tables[name.Table]
	if !here {
		t = nil
	}
	var event *cdcv1.TableEvent
	var err error
	switch {
	case t != nil && t.phase == cdcv1.TableState_PHASE_QUEUED && s.Kind == ddl.Drop:
		err = r.forget(ctx, t, nil)
	case t != nil && t.phase == cdcv1.TableState_PHASE_QUEUED && s.Kind == ddl.Rename:
		err = r.forget(ctx, t, &s.To[i])
	case t != nil && t.phase == cdcv1.TableState_PHASE_QUEUED && s.RenamedTo != nil:
		err = r.forget(ctx, t, s.RenamedTo)
	case s.Kind == ddl.Create && here && t.paused():
	case s.Kind == ddl.Create && s.Replaces && t != nil && r.cfg.Destructive == PauseDestructive:
		r.copies.stop(t.name)
		event = pause(t, "it was replaced")
	case s.Kind == ddl.Create && here:
		event, err = r.planCreate(ctx, name.Table, s.IfNotExists)
	case s.Kind == ddl.Rename && !t.paused():
		event, err = r.planRename(ctx, t, s.To[i], s.To[i+1:])
	case s.Kind == ddl.Alter && s.RenamedTo != nil && !t.paused(): // t is nil where a reader has seen already that it is gone
		if event, err = r.planRename(ctx, t, *s.RenamedTo, nil); event != nil {
			event.Kept = r.kept(s)
		}
	case t == nil && here && s.Kind == ddl.Alter && i > 0 && r.follows(name.Table):
		err = r.copies.queue(ctx, name.Table, s.Rewrites) // a partition became this table
	case t == nil:
	case t.paused() && (s.Kind == ddl.Drop || s.Kind == ddl.Alter || s.Kind == ddl.Rename):
	case s.Kind == ddl.Drop && r.cfg.Destructive == PauseDestructive:
		r.copies.stop(t.name)
		event = pause(t, "it was dropped")
	case s.Kind == ddl.Drop:
		r.copies.stop(t.name)
		event = r.dropped(t)
	case s.Kind == ddl.Truncate && t.followed():
		event = &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_TRUNCATE, Table: t.name}
	case s.Kind == ddl.Alter && t.followed():
		event, err = r.planAlter(ctx, t, s)
	case s.Kind == ddl.Alter && t.phase == cdcv1.TableState_PHASE_QUARANTINED && len(r.kept(s)) > 0:
		t.known = nil
		event = &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: t.name, Reason: t.reason, Kept: r.kept(s)}
	case s.Kind == ddl.Alter:
		// What could not be followed may be now.
		t.known = nil
		err = r.copies.queue(ctx, t.name, t.reason)
	}
	if err != nil || event == nil {
		return nil, err
	}
	r.tables.apply(event)
	r.forgetViews()
	return event, nil
}

// forget handles the drop of a table of which the stream has told nothing yet, and need not now, or its renaming to another.
func (r *run) forget(ctx context.Context, t *table, to *ddl.Name) error {
	r.copies.stop(t.name)
	delete(r.tables, t.name)
	if to == nil || to.Schema != r.server.Schema || !r.follows(to.Table) {
		return nil
	}
	r.tables[to.Table] = &table{name: to.Table, phase: cdcv1.TableState_PHASE_QUEUED}
	return r.copies.queue(ctx, to.Table, "")
}

func (r *run) planCreate(ctx context.Context, name string, ifNotExists bool) (*cdcv1.TableEvent, error) {
	if !r.follows(name) || ifNotExists && r.tables[name] != nil {
		return nil, nil
	}
	found, err := r.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	known := found[name]
	switch {
	case known == nil: // dropped or renamed since, which is still to come
		return nil, nil
	case known.Unsupported != nil:
		return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: name, Reason: known.Unsupported.Error()}, nil //nolint:nilerr // the error is what the event tells
	}
	r.copies.stop(name)
	return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_CREATE, Table: name, Definition: known.Definition()}, nil
}

// planRename works out what a new name does, of which the statement goes on to give out later ones.
func (r *run) planRename(ctx context.Context, t *table, to ddl.Name, later []ddl.Name) (*cdcv1.TableEvent, error) {
	arrives := to.Schema == r.server.Schema && r.follows(to.Table)
	switch {
	case t == nil && arrives:
		// Its rows are not here: it comes from another database, or was left out under its old name.
		return nil, r.copies.queue(ctx, to.Table, "the table was renamed into this database")
	case t == nil:
		return nil, nil
	case !arrives:
		r.copies.stop(t.name)
		return r.renamedAway(t, to, later), nil
	}
	event := &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_RENAME, Table: t.name, NewName: to.Table}
	if t.definition != nil {
		event.Definition = renamed(t.definition, to.Table)
	}
	if t.phase != cdcv1.TableState_PHASE_STREAMING {
		r.copies.stop(t.name)
		return event, r.copies.queue(ctx, to.Table, t.reason)
	}
	return event, nil
}

// planAlter follows what is certain to leave existing rows as they are, but for columns added with
// a value that is the same in all of them. All else is copied anew.
func (r *run) planAlter(ctx context.Context, t *table, s ddl.Statement) (*cdcv1.TableEvent, error) {
	quarantine := func(reason string) (*cdcv1.TableEvent, error) {
		return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: t.name, Reason: reason, Kept: r.kept(s)}, nil
	}
	if r.cfg.Destructive == PauseDestructive && s.Rewrites != "" {
		return pause(t, s.Rewrites), nil
	}
	if r.cfg.Destructive == PauseDestructive && len(s.Dropped) > 0 {
		return pause(t, "a column was dropped"), nil
	}
	if s.Rewrites != "" {
		return quarantine(s.Rewrites)
	}
	found, err := r.describe(ctx, t.name)
	if err != nil {
		return nil, err
	}
	known := found[t.name]
	switch {
	case known == nil: // dropped or renamed since, which is still to come; its rows until then are of a definition that nobody can tell
		return quarantine("it was altered, and had another name when that was read")
	case known.Unsupported != nil:
		return quarantine(known.Unsupported.Error())
	case known.Definition().GetFingerprint() == t.fingerprint && len(s.Dropped) == 0:
		// Defaults and comments may have changed, which are not in the fingerprint.
		def := known.Definition()
		t.follow(known, def)
		return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: t.name, Definition: def}, nil
	case t.definition == nil:
		return quarantine("it was altered while nobody followed it")
	}
	if reason := addInitials(known, t.definition, s.Added, s.Dropped); reason != "" {
		return quarantine(reason)
	}
	def := known.Definition()
	t.follow(known, def)
	return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_ALTER, Table: t.name, Definition: def, Kept: r.kept(s)}, nil
}

func (r *run) follows(table string) bool {
	return r.cfg.Follow == nil || r.cfg.Follow(table)
}
