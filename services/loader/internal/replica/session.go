package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/publish"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// session is the work on one open file.
type session struct {
	*Replica
	file    *live.File
	conn    *duck.Conn
	book    *schema.Book
	applier *apply.Applier
	pub     *publisher
	sync    *reconciler

	// lastState is the newest State frame, which ingest resumes from.
	lastState uint64
	purged    time.Time
	marks     marks
	measured  time.Time
	asked     map[string]time.Time
	answers   chan answer
	copies    map[uint64]copyStart
}

func (r *Replica) open(file *live.File) (*session, error) {
	s := &session{Replica: r, file: file, asked: map[string]time.Time{}, answers: make(chan answer, 16), copies: map[uint64]copyStart{}}
	var err error
	if s.conn, err = file.DB.Connect(); err != nil {
		return nil, err
	}
	if s.book, err = schema.Open(s.conn, r.cfg.Database); err != nil {
		s.conn.Close()
		if errors.Is(err, schema.ErrForeign) {
			err = &foreignError{err}
		}
		return nil, err
	}
	conn, err := file.DB.Connect()
	if err != nil {
		s.conn.Close()
		return nil, err
	}
	p, err := publish.New(file, conn, r.cfg.DataDir, r.cfg.Database, r.log)
	if err != nil {
		conn.Close()
		s.conn.Close()
		return nil, err
	}
	s.pub = newPublisher(r, p, conn)
	s.pub.dirty = s.book.Progress.Seq > 0
	s.restart()
	if s.sync, err = newReconciler(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) restart() {
	s.applier = apply.New(s.conn, s.book, s.file.Catalog(), s.pub.waitCheckpoint, s.log)
}

func (s *session) close() {
	if s.sync != nil {
		s.sync.close()
	}
	s.pub.close()
	s.applier.Close()
	s.conn.Close()
}

// run follows the stream, and mends what of that can be mended without reopening the file.
func (s *session) run(ctx context.Context) error {
	for {
		err := s.follow(ctx)
		var unjoined *apply.JoinError
		var table *apply.TableError
		switch {
		case errors.As(err, &table):
			err = s.renew(func() error { return s.applier.GiveUp(table.Table, table.Err.Error()) })
		case errors.As(err, &unjoined), unfollowable(err):
			err = s.rejoin(ctx, err)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// renew drops what is not committed and runs fn on a new Applier.
func (s *session) renew(fn func() error) error {
	s.sync.void()
	s.applier.Close()
	if err := s.book.Load(); err != nil {
		return err
	}
	s.restart()
	if err := fn(); err != nil {
		return err
	}
	s.pub.dirty = true
	return nil
}

// unfollowable is true for a stream that is not the one whose frames were applied, or has lost some.
func unfollowable(err error) bool {
	var gap *bus.GapError
	var regressed *bus.RegressedError
	var diverged *bus.DivergedError
	var damaged *damagedFrame
	return errors.As(err, &gap) || errors.As(err, &regressed) || errors.As(err, &diverged) || errors.As(err, &damaged)
}

// rejoin decides where to go on when what was applied and the stream do not
// meet, and has every table copied again. Nothing is inferred about rows: the
// tables stay as they are, stale, until a copy replaces them. Of a stream with a new epoch every
// frame of that epoch counts, for it holds the copies that its ingest began. Of
// one with the old epoch what is in it is skipped: copies that began before are void.
func (s *session) rejoin(ctx context.Context, cause error) error {
	s.log.Error("stream does not continue what was applied; every table will be copied again", "reason", cause)
	epoch, seq, err := s.joint(ctx, cause)
	if err != nil {
		return err
	}
	return s.renew(func() error {
		return s.applier.Rejoin(epoch, seq, "the stream did not continue what was applied: "+cause.Error())
	})
}

// joint returns the epoch to follow and the sequence after which to read on.
func (s *session) joint(ctx context.Context, cause error) (epoch, seq uint64, err error) {
	var gap *bus.GapError
	if errors.As(cause, &gap) {
		return 0, gap.Got - 1, nil
	}
	tail, err := s.bus.Tail(ctx, s.cfg.Database)
	if err != nil || tail.Last == nil {
		return 0, tail.LastSeq, err
	}
	last, err := frame.Unmarshal(tail.Last.Payload)
	if err != nil {
		return 0, tail.LastSeq, nil //nolint:nilerr // a damaged last frame is skipped like the others
	}
	if last.GetEpoch() == s.book.Progress.Epoch {
		return last.GetEpoch(), tail.LastSeq, nil
	}
	return last.GetEpoch(), max(1, tail.FirstSeq) - 1, nil
}

// item is a frame read ahead.
type item struct {
	seq   uint64
	id    string
	bytes int
	frame *cdcv1.Frame
	err   error
}

// damagedFrame is a message that is no frame. The rows it held are not known.
type damagedFrame struct {
	seq uint64
	err error
}

func (e *damagedFrame) Error() string { return fmt.Sprintf("frame %d: %v", e.seq, e.err) }
func (e *damagedFrame) Unwrap() error { return e.err }

// readAhead decodes frames beside the loop that applies them.
const readAhead = 32

// prefetch is what NATS may send ahead of those. A backlog fills it, and the collector doubles it.
const prefetch = 8 << 20

// read sends frames from the place after progress on, and an error at the end.
func (s *session) read(ctx context.Context, from schema.Progress, out chan<- item) {
	defer close(out)
	consumer := s.bus.Consumer(s.cfg.Database, from.Seq+1, bus.ConsumerOptions{AfterID: from.MessageID, PrefetchBytes: prefetch})
	defer consumer.Close()
	for {
		it := item{}
		message, ok, err := consumer.Next(ctx, -1)
		switch {
		case err != nil:
			it.err = err
		case !ok:
			continue
		default:
			it.seq, it.id, it.bytes = message.Seq, message.ID, len(message.Payload)
			if it.frame, err = frame.Unmarshal(message.Payload); err != nil {
				it.err = broken(message.Seq, err)
			}
		}
		select {
		case out <- it:
		case <-ctx.Done():
			return
		}
		if it.err != nil {
			return
		}
	}
}

// broken tells a frame of another release, which must not be skipped, from damage.
func broken(seq uint64, err error) error {
	var format *frame.FormatError
	if errors.As(err, &format) {
		return fmt.Errorf("reading frame %d: %w", seq, err)
	}
	return &damagedFrame{seq: seq, err: err}
}
