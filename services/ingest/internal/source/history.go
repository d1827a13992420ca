package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
)

// history is what a stream's end says of the runs before.
type history struct {
	tail bus.Tail
	// epoch is 0 when the stream is empty.
	epoch    uint64
	position *cdcv1.Position
	tables   tables
	// nextCopyID is greater than every copy's.
	nextCopyID uint64
	dates      cdcv1.ZeroDates
	// state is the sequence of the last State; 0 when it is no longer in the stream, so that tables are not known.
	state uint64
	// cut is a statement on several tables of which only the first were sent.
	cut *cutStatement
}

// cutStatement is a statement whose effect on the tables before next is in the stream.
type cutStatement struct {
	what string
	sql  string
	next int
}

// readHistory reads from the stream's last State to its end. The last frame's id says where the State is.
func readHistory(ctx context.Context, b *bus.Bus, source string) (*history, error) {
	tail, err := b.Tail(ctx, source)
	if err != nil {
		return nil, fmt.Errorf("reading the end of the stream: %w", err)
	}
	h := &history{tail: tail, tables: tables{}, nextCopyID: 1}
	if tail.Last == nil {
		return h, nil
	}
	last, err := frame.Unmarshal(tail.Last.Payload)
	if err != nil {
		return nil, fmt.Errorf("reading the end of the stream: %w", err)
	}
	id, err := publish.ParseID(tail.Last.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the end of the stream: %w", err)
	}
	h.epoch, h.position, h.state = last.GetEpoch(), last.GetPosition(), id.State
	if last.GetState() != nil {
		h.state = tail.Last.Seq
	}
	h.cut = cutBy(last, id)
	if h.state < tail.FirstSeq {
		h.state = 0
		return h, nil
	}
	return h, h.replay(ctx, b, source, last, id)
}

// replay reads what happened to tables since the last State. Frames of a
// transaction that is open at the end are left unread, for nothing else comes between them.
func (h *history) replay(ctx context.Context, b *bus.Bus, source string, last *cdcv1.Frame, lastID publish.ID) error {
	for seq := h.state; seq <= h.tail.Last.Seq; seq++ {
		message, err := b.Get(ctx, source, seq)
		if errors.Is(err, bus.ErrNoMessage) {
			continue // part of a message that ends later
		}
		if err != nil {
			return fmt.Errorf("reading the stream since its last checkpoint: %w", err)
		}
		f, err := frame.Unmarshal(message.Payload)
		if err != nil {
			return fmt.Errorf("reading message %d of the stream: %w", seq, err)
		}
		h.apply(f)
		if last.GetChanges().GetOpen() {
			if id, err := publish.ParseID(message.ID); err == nil && id.What == lastID.What && f.GetChanges().GetOpen() {
				return nil
			}
		}
	}
	return nil
}

func (h *history) apply(f *cdcv1.Frame) {
	switch body := f.GetBody().(type) {
	case *cdcv1.Frame_State:
		h.tables = tables{}
		for _, s := range body.State.GetTables() {
			h.tables[s.GetTable()] = fromState(s)
		}
		h.nextCopyID, h.dates = body.State.GetNextCopyId(), body.State.GetZeroDates()
	case *cdcv1.Frame_TableEvent:
		h.tables.apply(body.TableEvent)
	case *cdcv1.Frame_CopyBegin:
		begin := body.CopyBegin
		h.tables[begin.GetTable()] = &table{
			name:        begin.GetTable(),
			phase:       cdcv1.TableState_PHASE_COPYING,
			fingerprint: begin.GetDefinition().GetFingerprint(),
			definition:  begin.GetDefinition(),
			copyID:      begin.GetCopyId(),
			spare:       !begin.GetFreeze() && h.tables[begin.GetTable()].spareable(),
		}
		h.nextCopyID = max(h.nextCopyID, begin.GetCopyId()+1)
	case *cdcv1.Frame_CheckBegin:
		h.nextCopyID = max(h.nextCopyID, body.CheckBegin.GetCheckId()+1)
	case *cdcv1.Frame_CopyRows:
		if t := h.tables[body.CopyRows.GetRows().GetTable()]; t != nil && t.copyID == body.CopyRows.GetCopyId() {
			t.resume, t.rowsSent = body.CopyRows.GetResume(), body.CopyRows.GetRowsSent()
		}
	case *cdcv1.Frame_CopyEnd:
		if t := h.tables[body.CopyEnd.GetTable()]; t != nil && t.copyID == body.CopyEnd.GetCopyId() {
			t.phase, t.resume, t.spare = cdcv1.TableState_PHASE_STREAMING, nil, false
		}
	}
}

// cutBy returns the statement that the last frame is an unfinished part of.
func cutBy(last *cdcv1.Frame, id publish.ID) *cutStatement {
	if last.GetTableEvent() == nil {
		return nil
	}
	part, count, found := strings.Cut(id.Part, "-")
	i, err1 := strconv.Atoi(part)
	n, err2 := strconv.Atoi(count)
	if !found || err1 != nil || err2 != nil || i+1 >= n {
		return nil
	}
	return &cutStatement{what: id.What, sql: last.GetTableEvent().GetStatement(), next: i + 1}
}
