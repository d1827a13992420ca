// Package publish makes frames of what was read and sends them to the
// source's stream, in order, each with the position to resume from.
package publish

import (
	"context"
	"fmt"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// FrameSize is how many bytes of rows a frame holds before it is sent, before compression.
const FrameSize = 384 << 10

// Writer is the one writer of a source's stream during one run. Not safe for concurrent use.
//
// Rows of whole transactions collect until Flush. Rows of one large transaction go out with FlushOpen as they come, alone in
// their frames: what was collected before must be flushed first.
type Writer struct {
	publisher *bus.Publisher
	source    string
	server    string
	epoch     uint64

	// position is the end of the last transaction that is complete in the stream. It is kept as it
	// travels, for the set of GTIDs grows while the next ones are collected.
	position *cdcv1.Position
	last     uint64 // sequence of the last frame sent
	state    uint64 // sequence of the last State
	frames   int    // sent since

	pending      pending
	open         bool // frames of the transaction under way were sent
	part         int  // of them
	defined      map[uint64]bool
	countPublish func(kind string, bytes int)
}

// pending is the Changes frame being filled.
type pending struct {
	tables       map[uint64]*tableRows
	order        []*tableRows
	transactions uint32
	firstCommit  int64
	name         string // of its first transaction
	end          binlog.Position
}

type tableRows struct {
	def  *cdcv1.TableDefinition
	rows *frame.Rows
}

// Config says what a Writer writes to.
type Config struct {
	Publisher *bus.Publisher
	// Source is the database's id, Server the id of the server read.
	Source, Server string
	Epoch          uint64
	// Position is where the stream stands; State is the sequence of its last State frame.
	Position binlog.Position
	State    uint64
	// OnPublish is told of each frame's kind and size.
	OnPublish func(kind string, bytes int)
}

// NewWriter returns a writer that goes on where the stream stands.
func NewWriter(cfg Config) *Writer {
	w := &Writer{
		publisher:    cfg.Publisher,
		source:       cfg.Source,
		server:       cfg.Server,
		epoch:        cfg.Epoch,
		state:        cfg.State,
		pending:      pending{tables: map[uint64]*tableRows{}},
		defined:      map[uint64]bool{},
		countPublish: cfg.OnPublish,
	}
	w.position = w.message(cfg.Position)
	return w
}

// Rows returns where to append rows that follow def, as part of the transaction under way.
func (w *Writer) Rows(def *cdcv1.TableDefinition) *frame.Rows {
	t, ok := w.pending.tables[def.GetFingerprint()]
	if !ok {
		t = &tableRows{def: def, rows: frame.NewRows(def)}
		w.pending.tables[def.GetFingerprint()] = t
		w.pending.order = append(w.pending.order, t)
	}
	return t.rows
}

// Full says that it is time for Flush or FlushOpen.
func (w *Writer) Full() bool {
	size := 0
	for _, t := range w.pending.order {
		size += t.rows.Size()
	}
	return size >= FrameSize
}

// EndTransaction marks the rows appended since the last call as a transaction that ends at a position.
func (w *Writer) EndTransaction(name string, end binlog.Position) {
	if w.pending.transactions == 0 {
		w.pending.firstCommit = end.CommitTime
		w.pending.name = name
	}
	w.pending.transactions++
	w.pending.end = end
}

// Empty says that no rows wait for Flush.
func (w *Writer) Empty() bool {
	for _, t := range w.pending.order {
		if t.rows.Len() > 0 {
			return false
		}
	}
	return true
}

// Waits says that transactions wait for Flush while frames sent before are not stored yet: to wait on costs nothing, for
// they would be stored after those anyway.
func (w *Writer) Waits() bool {
	return w.pending.transactions > 0 && w.publisher.Acked() < w.last
}

// Flush sends the transactions that have ended. Where they had no rows only the position moves, and goes
// out with whatever comes next.
func (w *Writer) Flush(ctx context.Context) error {
	if w.pending.transactions == 0 {
		return nil
	}
	if w.Empty() && !w.open {
		w.position = w.message(w.pending.end)
		w.pending.reset()
		return nil
	}
	if err := w.define(ctx); err != nil {
		return err
	}
	w.position = w.message(w.pending.end)
	changes := w.pending.changes()
	name, part := w.pending.name, w.part
	w.open, w.part = false, 0
	_, err := w.send(ctx, name, fmt.Sprint(part), &cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: changes}})
	w.pending.reset()
	return err
}

// FlushOpen sends rows of a transaction that goes on.
func (w *Writer) FlushOpen(ctx context.Context, name string) error {
	if err := w.define(ctx); err != nil {
		return err
	}
	changes := w.pending.changes()
	changes.Open = true
	_, err := w.send(ctx, name, fmt.Sprint(w.part), &cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: changes}})
	w.pending.reset()
	w.open = true
	w.part++
	return err
}

func (p *pending) changes() *cdcv1.Changes {
	c := &cdcv1.Changes{Transactions: p.transactions, FirstCommitTimeUs: p.firstCommit}
	for _, t := range p.order {
		if t.rows.Len() > 0 {
			c.Tables = append(c.Tables, t.rows.Message())
		}
	}
	return c
}

// reset keeps the memory of tables that had rows, for they will have more.
func (p *pending) reset() {
	kept := p.order[:0]
	for _, t := range p.order {
		if t.rows.Len() == 0 {
			delete(p.tables, t.def.GetFingerprint())
			continue
		}
		t.rows.Reset()
		kept = append(kept, t)
	}
	clear(p.order[len(kept):])
	p.order = kept
	p.transactions, p.firstCommit, p.name = 0, 0, ""
}

// define sends the definitions that pending rows follow and that this run has not sent yet.
func (w *Writer) define(ctx context.Context) error {
	for _, t := range w.pending.order {
		if t.rows.Len() == 0 || w.defined[t.def.GetFingerprint()] {
			continue
		}
		f := &cdcv1.Frame{Body: &cdcv1.Frame_Definition{Definition: t.def}}
		if _, err := w.send(ctx, "definition", fmt.Sprintf("%x", t.def.GetFingerprint()), f); err != nil {
			return err
		}
		w.defined[t.def.GetFingerprint()] = true
	}
	return nil
}

// Moved notes that the binlog was read up to a place without anything to send.
func (w *Writer) Moved(to binlog.Position) {
	if w.pending.transactions > 0 {
		w.pending.end = to
		return
	}
	w.position = w.message(to)
}

// Open says that a transaction has been sent in part, so that nothing else may be sent.
func (w *Writer) Open() bool { return w.open }

// FramesSinceState tells how far back the last State is.
func (w *Writer) FramesSinceState() int { return w.frames }
