// Package apply turns frames into rows of DuckDB, exactly once.
//
// Frames are staged in temporary tables until a batch is committed: one DuckDB
// transaction that changes the tables and stores how far the stream was
// applied. Whatever happens between two commits is undone by reading the stream
// again from the stored place.
package apply

import (
	"fmt"
	"log/slog"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// JoinError says that a frame does not continue what was applied. Nothing can be
// concluded from it but that the tables have to be copied again.
type JoinError struct{ Reason string }

func (e *JoinError) Error() string { return e.Reason }

// TableError is a failure that belongs to one table; without its rows the batch would have gone through.
type TableError struct {
	Table string
	Err   error
}

func (e *TableError) Error() string { return fmt.Sprintf("table %q: %v", e.Table, e.Err) }
func (e *TableError) Unwrap() error { return e.Err }

// Stats count since the Applier was made.
type Stats struct {
	Batches, Frames uint64
	// Rows were applied to tables that readers see, CopiedRows to copies.
	Rows, CopiedRows uint64
	// IgnoredRows belonged to void copies, or to tables that wait for a copy.
	IgnoredRows uint64
	// Redelivered are frames that came again.
	Redelivered uint64
	// Mismatches are rows to be changed or deleted that were not there exactly once.
	Mismatches uint64
}

// Applier applies the frames of one source to one file. It is for one
// goroutine. After an error other than *JoinError and *TableError nothing is
// known of the connection's state: close it and start again from the file.
type Applier struct {
	conn *duck.Conn
	book *schema.Book
	log  *slog.Logger
	// main is the quoted name of the file's catalog and schema, with a dot.
	main string
	// before is called ahead of each transaction on the file.
	before func()

	staged  map[string]*stage
	shadows map[uint64]*writer
	// broken holds tables of this batch that cannot be followed, and why.
	broken map[string]string
	// next is the progress that the batch will have reached; it moves at the ends of transactions only.
	next schema.Progress
	// seq is the last frame taken.
	seq     uint64
	open    bool
	begun   bool
	rows    int
	changed bool
	stats   Stats
}

// New returns an Applier that goes on from book's progress. before is called
// ahead of each transaction on the file, to wait for a checkpoint that is under way.
func New(conn *duck.Conn, book *schema.Book, catalog string, before func(), log *slog.Logger) *Applier {
	a := &Applier{
		conn: conn, book: book, log: log, before: before,
		main:    duck.Identifier(catalog) + ".main.",
		staged:  map[string]*stage{},
		shadows: map[uint64]*writer{},
	}
	a.reset()
	return a
}

func (a *Applier) reset() {
	a.next = a.book.Progress
	a.seq = a.next.Seq
	a.broken = map[string]string{}
	a.open, a.begun, a.changed = false, false, false
	a.rows = 0
}

// Seq is the last frame taken, committed or not.
func (a *Applier) Seq() uint64 { return a.seq }

// Progress is what the next Commit will store: the end of the last whole transaction taken.
func (a *Applier) Progress() schema.Progress { return a.next }

// Staged is the number of rows taken and not committed, copied ones among them.
func (a *Applier) Staged() int { return a.rows }

// Urgent is true when something is staged that readers wait for.
func (a *Applier) Urgent() bool {
	for _, st := range a.staged {
		if st.rows > 0 {
			return true
		}
	}
	return len(a.broken) > 0
}

// Behind is true when Commit would store a newer progress.
func (a *Applier) Behind() bool {
	return a.next.Seq != a.book.Progress.Seq || a.next.CopyAll != a.book.Progress.CopyAll
}

// Open is true within a transaction of the source, when Commit is not allowed.
func (a *Applier) Open() bool { return a.open }

// Begun is true while a transaction is open on the file.
func (a *Applier) Begun() bool { return a.begun }

// Stats returns the counters.
func (a *Applier) Stats() Stats { return a.stats }

// Add takes the next frame. seq is its place in the stream and id its message's
// id. A frame that changes a table as a whole is applied and committed at once,
// after what was staged before it; others wait for Commit. visible is true when
// something that readers see was committed. A frame that was taken before, in whatever order it comes again, is dropped.
func (a *Applier) Add(seq uint64, id string, f *cdcv1.Frame) (visible bool, err error) {
	if seq <= a.seq {
		a.stats.Redelivered++
		return false, nil
	}
	if a.searching(f) {
		a.seq, a.next.Seq = seq, seq
		return false, nil
	}
	if err := a.check(seq, f); err != nil {
		return false, err
	}
	a.stats.Frames++
	a.seq = seq
	progress := a.next
	progress.Epoch, progress.Seq, progress.MessageID = f.GetEpoch(), seq, id
	if f.GetPosition() != nil {
		progress.Position = f.GetPosition()
		progress.SourceTimeUS = max(progress.SourceTimeUS, f.GetPosition().GetCommitTimeUs())
	}
	switch body := f.GetBody().(type) {
	case *cdcv1.Frame_Changes:
		if err := a.stageChanges(seq, body.Changes); err != nil {
			return false, err
		}
		a.open = body.Changes.GetOpen()
	case *cdcv1.Frame_CopyRows:
		if err := a.copyRows(body.CopyRows); err != nil {
			return false, err
		}
	case *cdcv1.Frame_Definition:
		// It makes the stream readable by itself. What a table's rows follow is said by
		// what created, altered or copied it.
	case *cdcv1.Frame_CheckBegin, *cdcv1.Frame_CheckRows:
		// They are of package resync.
	case *cdcv1.Frame_State:
		if err := a.state(body.State); err != nil {
			return false, err
		}
		progress.SourceTimeUS = max(progress.SourceTimeUS, body.State.GetSourceTimeUs())
	default:
		return a.alone(progress, f)
	}
	if !a.open {
		a.next = progress
	}
	return false, nil
}

// searching is true for frames of older epochs that stand before the first one
// of the epoch to be followed after a Rejoin.
func (a *Applier) searching(f *cdcv1.Frame) bool {
	return a.next.MessageID == "" && a.next.Epoch != 0 && f.GetEpoch() != a.next.Epoch
}

// check makes sure that the frame follows the last one. Its place in the stream
// must: the stream's messages are chained by their ids, so an equal place
// within an epoch means an equal history, and the position in the source that ingest
// resumes from is part of it. A position that goes back all the same would mean
// rows that come twice.
func (a *Applier) check(seq uint64, f *cdcv1.Frame) error {
	if f.GetSource() != a.book.Progress.Source {
		return fmt.Errorf("frame %d is of database %q, not %q: two databases must not share a stream", seq, f.GetSource(), a.book.Progress.Source)
	}
	if a.next.Epoch != 0 && f.GetEpoch() != a.next.Epoch {
		return &JoinError{fmt.Sprintf("frame %d begins epoch %d after epoch %d", seq, f.GetEpoch(), a.next.Epoch)}
	}
	if f.GetChanges() != nil && before(f.GetPosition(), a.next.Position) {
		return &JoinError{fmt.Sprintf("frame %d goes back to %s:%d after %s:%d", seq, f.GetPosition().GetFile(), f.GetPosition().GetOffset(),
			a.next.Position.GetFile(), a.next.Position.GetOffset())}
	}
	return nil
}

// before compares positions of one server's binlog, whose files are numbered;
// positions of different servers have no order that shows in them.
func before(p, q *cdcv1.Position) bool {
	if p.GetServer() != q.GetServer() || p.GetFile() == "" || q.GetFile() == "" {
		return false
	}
	if len(p.GetFile()) != len(q.GetFile()) {
		return len(p.GetFile()) < len(q.GetFile())
	}
	if p.GetFile() != q.GetFile() {
		return p.GetFile() < q.GetFile()
	}
	return p.GetOffset() < q.GetOffset()
}

// state handles a checkpoint of ingest.
func (a *Applier) state(s *cdcv1.State) error {
	if !a.open {
		return nil
	}
	if !s.GetRestart() {
		return &JoinError{"a state frame stands within a transaction"}
	}
	for _, st := range a.staged {
		if err := st.void(a.conn, at(a.next.Seq+1, 0)); err != nil {
			return err
		}
	}
	a.open = false
	return nil
}

// begin opens the transaction on the file that the batch ends with.
func (a *Applier) begin() error {
	if a.begun {
		return nil
	}
	a.before()
	if err := a.conn.Exec("BEGIN TRANSACTION"); err != nil {
		return fmt.Errorf("beginning transaction: %w", err)
	}
	a.begun = true
	return nil
}

// Commit applies what is staged and stores the progress, in one transaction. It
// must not be called within a transaction of the source. visible is true when readers see a difference.
func (a *Applier) Commit() (visible bool, err error) {
	if err := a.flush(); err != nil {
		return false, err
	}
	if err := a.begin(); err != nil {
		return false, err
	}
	if err := a.write(); err != nil {
		return false, a.rollback(err)
	}
	return a.finish(a.next)
}

// finish commits with the given progress.
func (a *Applier) finish(progress schema.Progress) (visible bool, err error) {
	if err := a.book.SaveProgress(progress); err != nil {
		return false, a.rollback(err)
	}
	if err := a.conn.Exec("COMMIT"); err != nil {
		return false, fmt.Errorf("committing batch: %w", err)
	}
	a.stats.Batches++
	visible = a.changed
	for _, st := range a.staged {
		if err := st.clear(a.conn); err != nil {
			return visible, err
		}
	}
	a.reset()
	return visible, nil
}

func (a *Applier) rollback(err error) error {
	if rerr := a.conn.Exec("ROLLBACK"); rerr != nil {
		return fmt.Errorf("%w (and rolling back: %v)", err, rerr) //nolint:errorlint // the first error is the one to act on
	}
	return err
}

// Close frees what the Applier holds of the connection and forgets what was not committed.
func (a *Applier) Close() {
	for _, st := range a.staged {
		st.appender.Close()
	}
	for _, w := range a.shadows {
		w.appender.Close()
	}
}
