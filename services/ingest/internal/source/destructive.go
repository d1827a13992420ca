package source

import (
	"fmt"
	"slices"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/ddl"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// kept names the columns that a statement drops and that readers are to keep.
func (r *run) kept(s ddl.Statement) []string {
	if r.cfg.Destructive != KeepDropped {
		return nil
	}
	return s.Dropped
}

// dropped tells that a table is gone at the source.
func (r *run) dropped(t *table) *cdcv1.TableEvent {
	return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: t.name, Keep: r.cfg.Destructive == KeepDropped}
}

func pause(t *table, reason string) *cdcv1.TableEvent {
	return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_QUARANTINE, Table: t.name, Reason: pausedPrefix + reason}
}

// renamedAway tells that a table has a name now that is not followed. To readers it is as if it had been dropped, unless the statement
// goes on to put another in its place.
func (r *run) renamedAway(t *table, to ddl.Name, later []ddl.Name) *cdcv1.TableEvent {
	reason := fmt.Sprintf("it was renamed to %s.%s, which is not followed", mysqltype.QuoteName(to.Schema), mysqltype.QuoteName(to.Table))
	switch {
	case slices.Contains(later, ddl.Name{Schema: r.server.Schema, Table: t.name}):
		return &cdcv1.TableEvent{Kind: cdcv1.TableEvent_KIND_DROP, Table: t.name}
	case r.cfg.Destructive == PauseDestructive:
		return pause(t, reason)
	}
	event := r.dropped(t)
	event.Reason = reason
	return event
}
