package source

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

// ControlRequest is what bus.IngestControl takes.
type ControlRequest struct {
	// Op is status, copy, check, reload, cancel, cancel-copies, pause or resume. Pause and resume concern copies, not the stream; cancel concerns
	// the table's check, and cancel-copies the copies of several tables.
	Op string `json:"op"`
	// Table of copy, check, reload and cancel; for copy, empty means every table.
	Table string `json:"table,omitempty"`
	// Tables are those of cancel-copies.
	Tables []string `json:"tables,omitempty"`
	// Reason of copy, for people, and whether it keeps to the rate of periodic work.
	Reason string `json:"reason,omitempty"`
	Slowly bool   `json:"slowly,omitempty"`
	// After is the mark of the CheckEnd that check goes on from, and Rows about how many rows it is of; 0 is the whole table.
	After []byte `json:"after,omitempty"`
	Rows  int    `json:"rows,omitempty"`
	// Check is whose rows reload asks for, Ranges which.
	Check  uint64           `json:"check,omitempty"`
	Ranges []snapshot.Range `json:"ranges,omitempty"`
}

// Status is the answer to every request.
type Status struct {
	Connected bool   `json:"connected"`
	Error     string `json:"error,omitempty"`
	Server    string `json:"server,omitempty"`
	Version   string `json:"version,omitempty"`
	Epoch     uint64 `json:"epoch,omitempty"`
	File      string `json:"file,omitempty"`
	Offset    uint64 `json:"offset,omitempty"`
	GTIDSet   string `json:"gtidSet,omitempty"`
	// LagMs is how far behind the source the reading of its binlog is.
	LagMs int64 `json:"lagMs"`
	// CaughtUp: the binlog has been read to its end, and no table waits for a copy.
	CaughtUp bool          `json:"caughtUp"`
	Paused   bool          `json:"paused,omitempty"`
	Tables   []TableStatus `json:"tables,omitempty"`
	// Cancelled are the tables whose copies ended by this request.
	Cancelled []string `json:"cancelled,omitempty"`
}

// TableStatus is one table of a Status. Rows, Estimated, RowsPerSecond and ETASeconds are those of a copy under way.
type TableStatus struct {
	Table         string  `json:"table"`
	Phase         string  `json:"phase"`
	Reason        string  `json:"reason,omitempty"`
	Rows          uint64  `json:"rows,omitempty"`
	Estimated     uint64  `json:"estimated,omitempty"`
	RowsPerSecond float64 `json:"rowsPerSecond,omitempty"`
	ETASeconds    float64 `json:"etaSeconds,omitempty"`
}

// request is a ControlRequest on its way to the loop.
type request struct {
	ControlRequest
	reply chan reply
}

type reply struct {
	status Status
	err    error
}

// serveControl answers requests until ctx ends, also while no run is under way.
func (s *Source) serveControl(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.bus.Serve(ctx, bus.IngestControl(s.cfg.ID), s.control)
		if err == nil {
			return
		}
		s.log.WarnContext(ctx, "control requests cannot be served", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Source) control(ctx context.Context, data []byte) ([]byte, error) {
	var q ControlRequest
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, &bus.ControlError{Code: "bad_request", Message: fmt.Sprintf("the request is no JSON: %v", err)}
	}
	switch q.Op {
	case "status", "copy", "check", "reload", "cancel", "cancel-copies", "pause", "resume":
	default:
		return nil, &bus.ControlError{Code: "bad_request", Message: fmt.Sprintf("op %q is unknown; it is status, copy, check, reload, cancel, cancel-copies, pause or resume", q.Op)}
	}
	ask := request{ControlRequest: q, reply: make(chan reply, 1)}
	select {
	case s.requests <- ask:
	case <-time.After(time.Second): // no run is under way, or it is amid a large transaction
		if q.Op == "status" {
			return json.Marshal(s.status.status())
		}
		return nil, &bus.ControlError{Code: "unavailable", Message: "the source is not being followed at this moment; ask again"}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-ask.reply:
		if r.err != nil {
			return nil, r.err
		}
		return json.Marshal(r.status)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer handles a request in the loop.
func (r *run) answer(ctx context.Context, q request) reply {
	var cancelled []string
	switch q.Op {
	case "pause":
		r.copies.pause()
	case "resume":
		*r.copies.paused = false
	case "copy":
		names := []string{q.Table}
		if q.Table == "" {
			names = r.tables.names()
		} else if r.tables[q.Table] == nil {
			return reply{err: &bus.ControlError{Code: "unknown_table", Message: fmt.Sprintf("table %q is not followed", q.Table)}}
		}
		for _, name := range names {
			if r.tables[name].phase == cdcv1.TableState_PHASE_COPYING {
				continue // it is on its way
			}
			reason := "asked for"
			if q.Reason != "" {
				reason += ": " + q.Reason
			}
			if err := r.copies.queueWith(ctx, waitingCopy{table: name, reason: reason, slowly: q.Slowly}); err != nil {
				return reply{err: err}
			}
		}
	case "cancel":
		r.copies.stopCheck(q.Table, "")
	case "cancel-copies":
		var err error
		if cancelled, err = r.copies.cancel(ctx, q.Tables); err != nil {
			return reply{err: err}
		}
	case "check", "reload":
		if err := r.copies.askCheck(ctx, q.ControlRequest); err != nil {
			return reply{err: err}
		}
	}
	status := r.status.status()
	status.Epoch, status.Paused, status.Cancelled = r.epoch, *r.copies.paused, cancelled
	for _, name := range r.tables.names() {
		status.Tables = append(status.Tables, tableStatus(r.tables[name]))
	}
	return reply{status: status}
}

var phaseNames = map[cdcv1.TableState_Phase]string{
	cdcv1.TableState_PHASE_QUEUED: "queued", cdcv1.TableState_PHASE_COPYING: "copying",
	cdcv1.TableState_PHASE_STREAMING: "streaming", cdcv1.TableState_PHASE_QUARANTINED: "quarantined",
}

func tableStatus(t *table) TableStatus {
	s := TableStatus{Table: t.name, Phase: phaseNames[t.phase], Reason: t.reason}
	c := t.copying
	if c == nil || c.known == nil {
		return s
	}
	s.Rows, s.Estimated = c.sent, max(c.known.Rows, c.sent)
	if took := time.Since(c.started).Seconds(); took > 0 {
		s.RowsPerSecond = float64(c.sent) / took
	}
	if s.RowsPerSecond > 0 {
		s.ETASeconds = float64(s.Estimated-s.Rows) / s.RowsPerSecond
	}
	return s
}

// status is what is known without the loop.
func (b *statusBoard) status() Status {
	lag := b.lag()
	b.mu.Lock()
	defer b.mu.Unlock()
	return Status{
		CaughtUp:  b.connected && lag < current && !b.heard.IsZero() && b.unsettled == 0,
		Connected: b.connected, Error: b.lastError, Server: b.serverID, Version: b.version,
		File: b.at.File, Offset: b.at.Offset, GTIDSet: b.gtids, LagMs: lag.Milliseconds(),
	}
}
