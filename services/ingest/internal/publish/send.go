package publish

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

// ID names a frame: the run of numbers by which it can be found again, and what it is.
type ID struct {
	Epoch uint64
	// State is the sequence of the last State before this frame, 0 where there is none.
	State uint64
	// What is the transaction, or the kind of frame.
	What string
	// Part counts the frames of one transaction; of a statement on several tables it is "i-n"; else it may be a table's name.
	Part string
}

// String keeps to what the bus takes as an id. A long name is cut: the bus makes ids differ by itself.
func (id ID) String() string {
	const most = 64
	part := url.PathEscape(id.Part)
	return fmt.Sprintf("%d/%d/%s/%s", id.Epoch, id.State, url.PathEscape(id.What), part[:min(len(part), most)])
}

// ParseID reads the id of a message of the stream. A name in Part stays as it was escaped, and what the bus added at its end is ignored.
func ParseID(text string) (ID, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 4 {
		return ID{}, fmt.Errorf("message id %q is not of this program's making", text)
	}
	var id ID
	var errs [3]error
	id.Epoch, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	id.State, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	id.What, errs[2] = url.PathUnescape(parts[2])
	id.Part = parts[3]
	for _, err := range errs {
		if err != nil {
			return ID{}, fmt.Errorf("message id %q is not of this program's making", text)
		}
	}
	return id, nil
}

// send publishes a frame at the writer's position.
func (w *Writer) send(ctx context.Context, what, part string, f *cdcv1.Frame) (uint64, error) {
	f.Source, f.Epoch, f.Position = w.source, w.epoch, w.position
	data, err := frame.Marshal(f)
	if err != nil {
		return 0, err
	}
	id := ID{Epoch: w.epoch, State: w.state, What: what, Part: part}
	seq, err := w.publisher.Publish(ctx, id.String(), data)
	if err != nil {
		return 0, fmt.Errorf("publishing: %w", err)
	}
	w.last = seq
	w.frames++
	w.countPublish(kindOf(f), len(data))
	return seq, nil
}

func (w *Writer) message(p binlog.Position) *cdcv1.Position {
	return &cdcv1.Position{
		GtidSet:      p.GTIDs.String(),
		File:         p.File,
		Offset:       p.Offset,
		CommitTimeUs: p.CommitTime,
		Server:       w.server,
	}
}

func kindOf(f *cdcv1.Frame) string {
	switch f.Body.(type) {
	case *cdcv1.Frame_Changes:
		return "changes"
	case *cdcv1.Frame_CopyRows:
		return "copy"
	case *cdcv1.Frame_CheckRows:
		return "check"
	default:
		return "other"
	}
}

// State sends a checkpoint.
func (w *Writer) State(ctx context.Context, state *cdcv1.State) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	seq, err := w.send(ctx, "state", "0", &cdcv1.Frame{Body: &cdcv1.Frame_State{State: state}})
	if err == nil {
		w.state, w.frames = seq, 0
	}
	return err
}

// Event sends a change to a table. At is the position that the stream has with it; a statement on
// several tables gives each its part, so that a run that was cut between them can be completed.
func (w *Writer) Event(ctx context.Context, event *cdcv1.TableEvent, what, part string, at binlog.Position) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	w.position = w.message(at)
	_, err := w.send(ctx, what, part, &cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: event}})
	return err
}

// CopyBegin sends the mark from which a table is copied.
func (w *Writer) CopyBegin(ctx context.Context, begin *cdcv1.CopyBegin) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	_, err := w.send(ctx, copyName(begin.GetCopyId()), "begin", &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: begin}})
	return err
}

// CopyRows sends a piece of a copy. sent and estimated are rows of the whole copy.
func (w *Writer) CopyRows(ctx context.Context, copyID uint64, piece snapshot.Piece, sent, estimated uint64) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	_, err := w.send(ctx, copyName(copyID), strconv.FormatUint(sent, 10), &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{
		CopyId:        copyID,
		Rows:          piece.Rows.Message(),
		RowsSent:      sent,
		RowsEstimated: estimated,
		Resume:        piece.Resume,
	}}})
	return err
}

// CopyCut says that the copied rows hold what the stream changed up to here.
func (w *Writer) CopyCut(ctx context.Context, table string, copyID uint64) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	_, err := w.send(ctx, copyName(copyID), "cut", &cdcv1.Frame{Body: &cdcv1.Frame_CopyCut{CopyCut: &cdcv1.CopyCut{Table: table, CopyId: copyID}}})
	return err
}

// CopyEnd says that all rows were sent and that the stream has passed where the last was read.
func (w *Writer) CopyEnd(ctx context.Context, table string, copyID, rows uint64) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	_, err := w.send(ctx, copyName(copyID), "end", &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: table, CopyId: copyID, Rows: rows}}})
	return err
}

// CopyVoid says that a copy comes to nothing, and why.
func (w *Writer) CopyVoid(ctx context.Context, table string, copyID uint64, reason string) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	end := &cdcv1.CopyEnd{Table: table, CopyId: copyID, Rows: math.MaxUint64, Void: reason}
	_, err := w.send(ctx, copyName(copyID), "void", &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: end}})
	return err
}

// Stored returns when everything sent is in the stream for good.
func (w *Writer) Stored(ctx context.Context) error { return w.publisher.Flush(ctx) }

// CheckBegin sends the mark from which a table is checked.
func (w *Writer) CheckBegin(ctx context.Context, begin *cdcv1.CheckBegin) error {
	return w.checkFrame(ctx, begin.GetCheckId(), "begin", &cdcv1.Frame{Body: &cdcv1.Frame_CheckBegin{CheckBegin: begin}})
}

// Chunk is a piece of a check.
type Chunk struct {
	Rows *cdcv1.CheckRows
	// Count is how many rows it is of.
	Count int
}

// CheckRows sends a chunk of a check.
func (w *Writer) CheckRows(ctx context.Context, rows *cdcv1.CheckRows) error {
	part := strconv.FormatUint(rows.GetRowsSent(), 10)
	if rows.GetRows() != nil {
		part += "r"
	}
	return w.checkFrame(ctx, rows.GetCheckId(), part, &cdcv1.Frame{Body: &cdcv1.Frame_CheckRows{CheckRows: rows}})
}

// CheckEnd says that all of a check was sent and that the stream has passed where the last row was read, or that there is no result.
func (w *Writer) CheckEnd(ctx context.Context, end *cdcv1.CheckEnd) error {
	part := "end"
	switch {
	case end.GetVoid() != "":
		part = "void"
	case end.GetReload():
		part = "end-reload"
	}
	return w.checkFrame(ctx, end.GetCheckId(), part, &cdcv1.Frame{Body: &cdcv1.Frame_CheckEnd{CheckEnd: end}})
}

func (w *Writer) checkFrame(ctx context.Context, id uint64, part string, f *cdcv1.Frame) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	_, err := w.send(ctx, "check-"+strconv.FormatUint(id, 10), part, f)
	return err
}

func copyName(id uint64) string { return "copy-" + strconv.FormatUint(id, 10) }
