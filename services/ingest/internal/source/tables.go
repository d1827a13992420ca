package source

import (
	"slices"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/services/ingest/internal/catalog"
)

// table is what ingest knows of one table of the source. What must survive a restart can be
// read back from the stream: see history.
type table struct {
	name        string
	phase       cdcv1.TableState_Phase
	fingerprint uint64 // of the definition the stream follows
	copyID      uint64 // of the copy under way, or the last
	resume      []byte // how far the copy under way got
	rowsSent    uint64
	reason      string // why it is quarantined or queued
	spare       bool   // while it is being copied: readers had its rows before, and the stream goes on carrying them

	// known is the table as the schema had it when last read, nil before.
	known *catalog.Table
	// definition is the content of fingerprint; nil where only the fingerprint is known.
	definition *cdcv1.TableDefinition
	// copying is the copy under way or waiting for the stream, nil when there is none.
	copying *copying
}

// followed says that the stream carries the table's rows.
func (t *table) followed() bool {
	return t.phase == cdcv1.TableState_PHASE_STREAMING || t.phase == cdcv1.TableState_PHASE_COPYING
}

// spareable says that a copy that begins now, and does not freeze the table, may be given up; of nil none may.
func (t *table) spareable() bool {
	return t != nil && (t.phase == cdcv1.TableState_PHASE_STREAMING || t.phase == cdcv1.TableState_PHASE_COPYING && t.spare)
}

// pausedPrefix begins the reason of a table that waits for somebody to ask for a copy.
const pausedPrefix = "paused until a copy is asked for: "

// quarantined says that the table's rows are not followed until a copy has begun; nil is not.
func (t *table) quarantined() bool {
	return t != nil && t.phase == cdcv1.TableState_PHASE_QUARANTINED
}

// paused says that the table waits for somebody to ask for a copy; nil does not.
func (t *table) paused() bool { return t.quarantined() && strings.HasPrefix(t.reason, pausedPrefix) }

// learn takes what the schema says, if it is what the stream follows.
func (t *table) learn(known *catalog.Table) {
	t.known = known
	if known.Unsupported != nil {
		return
	}
	if def := known.Definition(); def.GetFingerprint() == t.fingerprint {
		t.definition = def
	}
}

// follow makes def what the stream's rows are to follow.
func (t *table) follow(known *catalog.Table, def *cdcv1.TableDefinition) {
	t.known, t.definition, t.fingerprint = known, def, def.GetFingerprint()
}

func (t *table) state() *cdcv1.TableState {
	return &cdcv1.TableState{
		Table:      t.name,
		Phase:      t.phase,
		Definition: t.fingerprint,
		CopyId:     t.copyID,
		Resume:     t.resume,
		RowsSent:   t.rowsSent,
		Reason:     t.reason,
		Spare:      t.spare,
	}
}

func fromState(s *cdcv1.TableState) *table {
	return &table{
		name:        s.GetTable(),
		phase:       s.GetPhase(),
		fingerprint: s.GetDefinition(),
		copyID:      s.GetCopyId(),
		resume:      s.GetResume(),
		rowsSent:    s.GetRowsSent(),
		reason:      s.GetReason(),
		spare:       s.GetSpare(),
	}
}

// tables are the tables of the source by name.
type tables map[string]*table

func (ts tables) states() []*cdcv1.TableState {
	out := make([]*cdcv1.TableState, 0, len(ts))
	for _, name := range ts.names() {
		out = append(out, ts[name].state())
	}
	return out
}

func (ts tables) names() []string {
	names := make([]string, 0, len(ts))
	for name := range ts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// apply makes the tables what they are after an event, so that live running and reading
// back from the stream agree.
func (ts tables) apply(e *cdcv1.TableEvent) {
	t := ts[e.GetTable()]
	switch e.GetKind() {
	case cdcv1.TableEvent_KIND_CREATE:
		ts[e.GetTable()] = &table{
			name:        e.GetTable(),
			phase:       cdcv1.TableState_PHASE_STREAMING,
			fingerprint: e.GetDefinition().GetFingerprint(),
			definition:  e.GetDefinition(),
		}
	case cdcv1.TableEvent_KIND_DROP:
		delete(ts, e.GetTable())
	case cdcv1.TableEvent_KIND_RENAME:
		if t == nil {
			return
		}
		delete(ts, t.name)
		t.name = e.GetNewName()
		t.fingerprint = e.GetDefinition().GetFingerprint()
		t.definition = e.GetDefinition()
		t.known = nil
		ts[t.name] = t
	case cdcv1.TableEvent_KIND_ALTER:
		if t != nil {
			t.fingerprint = e.GetDefinition().GetFingerprint()
			t.definition = e.GetDefinition()
		}
	case cdcv1.TableEvent_KIND_QUARANTINE:
		if t == nil {
			t = &table{name: e.GetTable()}
			ts[t.name] = t
		}
		t.phase, t.reason, t.resume, t.rowsSent = cdcv1.TableState_PHASE_QUARANTINED, e.GetReason(), nil, 0
	}
}
