package source

import (
	"context"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/ddl"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

// begin finds the position to go on from and sends what the stream must know before anything else.
func (r *run) begin(ctx context.Context, s *Source, h *history, publisher *bus.Publisher) error {
	if err := r.status.begin(ctx, r.server); err != nil {
		return err
	}
	// The place comes before the tables are read: what changes in between is in the stream.
	var err error
	if h.epoch == 0 {
		r.position, err = r.server.Position(ctx)
	} else {
		r.position, err = positionFrom(h.position, r.server)
	}
	if err != nil {
		return err
	}
	schema, err := r.schema(ctx)
	if err != nil {
		return err
	}
	lost := s.lost
	if h.epoch == 0 {
		r.beginNew(ctx, schema)
	} else {
		if lost == "" {
			if lost, err = r.gap(ctx, h.position.GetServer()); err != nil {
				return err
			}
		}
		if h.state == 0 && lost == "" {
			lost = "the stream no longer says how far tables were followed"
			for name := range schema {
				r.tables[name] = &table{name: name, phase: cdcv1.TableState_PHASE_STREAMING}
			}
		}
	}
	r.writer = publish.NewWriter(publish.Config{
		Publisher: publisher, Source: r.cfg.ID, Server: r.server.ID, Epoch: r.epoch,
		Position: r.position, State: h.state, OnPublish: r.metrics.published(r.cfg.ID),
	})
	for name, t := range r.tables {
		if known := schema[name]; known != nil {
			t.learn(known)
		}
	}
	if err := r.completeCut(ctx, h.cut); err != nil {
		return err
	}
	if err := r.checkpoint(ctx, true); err != nil {
		return err
	}
	if lost != "" {
		if err := r.startOver(ctx, lost); err != nil {
			return err
		}
		if schema, err = r.schema(ctx); err != nil {
			return err
		}
	}
	if err := r.redate(ctx, schema); err != nil {
		return err
	}
	for name, reason := range s.condemned {
		if r.tables[name] != nil {
			if err := r.quarantine(ctx, name, reason); err != nil {
				return err
			}
		}
	}
	if err := publisher.Flush(ctx); err != nil {
		return err
	}
	clear(s.condemned)
	s.lost = ""
	r.status.position(r.position)
	return r.queueUnfinished(ctx, schema)
}

// beginNew starts the first epoch of an empty stream: at the present, with every table to be copied.
func (r *run) beginNew(ctx context.Context, schema map[string]*catalog.Table) {
	r.epoch, r.dates = uint64(time.Now().UnixMicro()), r.cfg.Dates
	for name, known := range schema {
		if !r.follows(name) {
			continue
		}
		t := &table{name: name, phase: cdcv1.TableState_PHASE_QUEUED, known: known}
		if known.Unsupported != nil {
			t.phase, t.reason = cdcv1.TableState_PHASE_QUARANTINED, known.Unsupported.Error()
		}
		r.tables[name] = t
	}
	r.log.InfoContext(ctx, "beginning a new stream", "epoch", r.epoch, "tables", len(r.tables))
}

// positionFrom reads a position as the stream has it.
func positionFrom(m *cdcv1.Position, s *server.Server) (binlog.Position, error) {
	p := binlog.Position{File: m.GetFile(), Offset: m.GetOffset(), CommitTime: m.GetCommitTimeUs()}
	if m.GetGtidSet() == "" && m.GetOffset() > 4 || !s.GTID {
		// Written while GTIDs were off: the file and the offset are exact.
		return p, nil
	}
	var err error
	p.GTIDs, err = binlog.ParseGTIDSet(s.Flavor, m.GetGtidSet())
	return p, err
}

// gap says why the binlog cannot be read on from the stream's position, empty if it can. An
// error means that this server must not be read at all.
func (r *run) gap(ctx context.Context, streamed string) (string, error) {
	same := streamed == r.server.ID
	if r.position.GTIDs == nil {
		if same {
			return r.shortened(ctx)
		}
		return "", fmt.Errorf("the stream was read from server %s by file and offset, which mean nothing on server %s: "+
			"connect to the former, or delete the stream CDC_%s to begin anew", streamed, r.server.ID, r.cfg.ID)
	}
	executed, err := r.server.Executed(ctx)
	if err != nil {
		return "", err
	}
	if !executed.Contains(r.position.GTIDs) {
		if same {
			return "the source has lost transactions that were already streamed: its binlog was reset or it was restored", nil
		}
		return "", fmt.Errorf("server %s has not executed all that was streamed from server %s; it lags behind, or is no replica of it "+
			"(streamed: %s, executed: %s)", r.server.ID, streamed, r.position.GTIDs, executed)
	}
	purged, err := r.server.Purged(ctx)
	if err != nil || purged == nil {
		return "", err
	}
	if !r.position.GTIDs.Contains(purged) {
		return "the source has purged binlogs that were not read yet", nil
	}
	if !same {
		r.log.InfoContext(ctx, "the source is another server now", "before", streamed, "now", r.server.ID)
		r.position.File, r.position.Offset = "", 0 // they were the former's
	}
	return "", nil
}

// shortened says whether the binlog ends before the stream's position.
func (r *run) shortened(ctx context.Context) (string, error) {
	file, offset, err := r.server.Head(ctx)
	if err != nil || (binlog.Position{File: file, Offset: offset}).Reached(r.position.File, r.position.Offset) {
		return "", err
	}
	return fmt.Sprintf("the source's binlog ends at %s:%d, before what was already streamed: it was reset or the source was restored", file, offset), nil
}

// completeCut sends the rest of a statement of which an earlier run sent the first part.
func (r *run) completeCut(ctx context.Context, cut *cutStatement) error {
	if cut == nil {
		return nil
	}
	s := ddl.Session{Schema: r.server.Schema, LowerNames: r.server.LowerNames}.Parse(cut.sql)
	first := cut.next
	if s.Kind == ddl.DropSchema {
		first = 0 // what was dropped is not listed any more
	}
	_, err := r.sendParts(ctx, s, cut.sql, r.server.Schema, cut.what[len("ddl:"):], first)
	return err
}

// startOver goes on from the present after a gap: all tables keep what readers see, marked as stale, until
// they have been copied anew.
func (r *run) startOver(ctx context.Context, lost string) error {
	r.log.WarnContext(ctx, "copying all tables anew", "reason", lost)
	for _, name := range r.tables.names() {
		if r.tables[name].paused() {
			continue
		}
		if err := r.quarantine(ctx, name, lost); err != nil {
			return err
		}
	}
	var err error
	if r.position, err = r.server.Position(ctx); err != nil {
		return err
	}
	r.writer.Moved(r.position)
	return r.checkpoint(ctx, false)
}

// queueUnfinished queues the copies that tables still need: those never copied, those cut short, and tables
// that came while nobody followed. The last wait until the stream has caught up, for it may still bring them.
func (r *run) queueUnfinished(ctx context.Context, schema map[string]*catalog.Table) error {
	for _, name := range r.tables.names() {
		t := r.tables[name]
		switch {
		case t.phase == cdcv1.TableState_PHASE_COPYING, t.phase == cdcv1.TableState_PHASE_QUEUED:
			// To describe a small table takes the source longer than to send it, and all were described at once just now.
			r.copies.queueNow(name, t.reason, schema[name])
		case t.phase == cdcv1.TableState_PHASE_QUARANTINED && !t.paused():
			if err := r.copies.queue(ctx, name, t.reason); err != nil {
				return err
			}
		}
	}
	for name := range schema {
		if r.tables[name] == nil && r.follows(name) {
			if err := r.copies.queue(ctx, name, "it came while nobody followed"); err != nil {
				return err
			}
		}
	}
	return nil
}
