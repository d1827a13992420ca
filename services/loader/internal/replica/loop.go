package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

const (
	// copyDelay is how long copied rows may wait for more where no change of the stream waits: nobody sees them yet.
	copyDelay = time.Second
	// progressDelay is how long progress without rows may go unstored; what it costs is reading some frames twice.
	progressDelay = 5 * time.Second
	// refreshEvery is how often readers learn that an idle source is still idle.
	refreshEvery = time.Second
	tick         = 250 * time.Millisecond
)

// follow applies the stream until it fails or ctx ends; then it commits what is whole.
func (s *session) follow(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	frames := make(chan item, readAhead)
	go s.read(reading, s.book.Progress, frames)
	defer func() {
		stop()
		for range frames { //nolint:revive // waits for the reader's end
		}
	}()
	l := loop{session: s, stored: time.Now()}
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		l.idle = len(frames) == 0
		wait, err := l.work()
		if err != nil {
			return err
		}
		in := frames
		if l.full() {
			in = nil
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case it, ok := <-in:
			if ctx.Err() != nil { // the reader's end is this loop's
				return l.finish()
			}
			known := it.seq <= s.applier.Seq()
			if err := l.take(it, ok); err != nil {
				return s.trouble(ctx, err)
			}
			if !known {
				s.sync.frame(ctx, it.frame)
				s.sync.next(ctx)
			}
		case <-s.pub.checkpointed():
		case result := <-s.pub.results:
			s.pub.finished(result)
			s.snapshot()
		case a := <-s.answers:
			s.answered(a)
		case q := <-s.resyncs:
			s.request(ctx, q)
		case o := <-s.orders:
			s.sync.obey(ctx, o)
		case c := <-s.sync.compared:
			s.sync.judge(ctx, c)
			s.sync.next(ctx)
			if err := s.sync.store(); err != nil {
				return err
			}
			s.snapshot()
		case a := <-s.sync.replies:
			s.sync.refused(a)
		case <-due:
		case <-timer.C:
			s.chores(ctx, l.idle)
			if err := s.sync.store(); err != nil {
				return err
			}
			if err := l.compactDue(); err != nil {
				return err
			}
		case <-ctx.Done():
			return l.finish()
		}
	}
}

// trouble tells the end of the context, and a stream that is not there yet, from failures.
func (s *session) trouble(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, bus.ErrNoStream) {
		return fmt.Errorf("the stream does not exist yet; ingest makes it when it starts: %w", err)
	}
	return err
}

// loop is the state of the batch being collected.
type loop struct {
	*session
	// first is when the batch got its first row, stored when the last commit was.
	first  time.Time
	stored time.Time
	// took is what the last commit cost.
	took time.Duration
	idle bool
}

func (l *loop) take(it item, ok bool) error {
	if !ok {
		return context.Canceled
	}
	if it.err != nil {
		return it.err
	}
	l.metrics.frame(l.cfg.Database, it.bytes)
	visible, err := l.applier.Add(it.seq, it.id, it.frame)
	if err != nil {
		return err
	}
	if l.applier.Staged() == 0 {
		l.first = time.Time{}
	} else if l.first.IsZero() {
		l.first = time.Now()
	}
	if visible {
		l.pub.dirty = true
	}
	if state := it.frame.GetState(); state != nil {
		l.lastState = it.seq
		// A source without tables has nothing to copy, and readers are to see just that.
		if len(state.GetTables()) == 0 && l.status.Load().Generation == 0 {
			l.pub.dirty = true
		}
		l.refresh()
	}
	return nil
}

// refresh tells readers how fresh the newest generation still is, when it holds
// all that was applied.
func (l *loop) refresh() {
	if l.applier.Staged() > 0 || l.applier.Open() || l.pub.dirty || l.pub.busy() || time.Since(l.pub.refreshed) < refreshEvery {
		return
	}
	l.pub.refresh(l.applier.Progress())
}

// full is true when no more may be staged before the next commit.
func (l *loop) full() bool {
	return !l.applier.Open() && l.applier.Staged() >= l.cfg.BatchRows
}

// work commits and publishes what is due, and returns how long until something will be, or 0.
func (l *loop) work() (time.Duration, error) {
	wait := l.commitDue()
	if wait <= 0 {
		// The end of a checkpoint wakes the loop.
		if !l.pub.checkpointing() {
			if err := l.commit(); err != nil {
				return 0, err
			}
		}
		wait = never
	}
	if l.pub.dirty && !l.pub.busy() {
		next := time.Until(l.publishAt())
		if next <= 0 && l.settled() {
			l.pub.start(l.content(), l.book.Progress.Seq)
			next = never
		}
		wait = min(wait, next)
	}
	if wait == never {
		return 0, nil
	}
	return max(wait, time.Millisecond), nil
}

// idleWait bounds how long publishing rests while the loop keeps up with the stream.
const idleWait = 500 * time.Millisecond

// publishAt is when what is dirty may be published. Publishing keeps to its share of the
// time while there is a backlog. While the loop keeps up it rests for as long as the last publication took, a moment at most, and
// not at all once the stream has been quiet: there is no other work that it could delay.
func (l *loop) publishAt() time.Time {
	if !l.idle || l.pub.failing {
		return l.pub.next
	}
	rest := min(l.pub.ended.Sub(l.pub.began), idleWait)
	at := earlier(l.pub.next, later(l.pub.ended.Add(rest), l.pub.began.Add(l.cfg.PublishInterval)))
	if l.applier.Staged() > 0 {
		return at
	}
	return earlier(at, later(l.stored, l.pub.began).Add(l.cfg.PublishInterval))
}

// settled is true when no transaction is open on the file.
func (l *loop) settled() bool { return !l.applier.Begun() }

const never = time.Duration(1<<63 - 1)

// commitDue says in how long the batch is to be committed. A batch that readers
// wait for is committed in time for the next publication when nothing more is coming;
// else it collects, for a commit costs a scan of the keys of the tables it changes.
func (l *loop) commitDue() time.Duration {
	a := l.applier
	switch {
	case a.Open():
		return never
	case a.Staged() >= l.cfg.BatchRows:
		return 0
	case a.Urgent():
		if !l.idle || l.pub.busy() {
			return time.Until(l.first.Add(l.collect()))
		}
		return time.Until(earlier(l.publishAt().Add(-l.took), l.first.Add(longestCollect)))
	case a.Staged() > 0 || a.Begun():
		return time.Until(l.first.Add(copyDelay))
	case a.Behind():
		return time.Until(l.stored.Add(progressDelay))
	default:
		return never
	}
}

// longestCollect bounds how long a batch collects rows of a backlog.
const longestCollect = time.Second

// collect is how long a batch collects while more frames wait: so long that commits take a
// third of the time at most.
func (l *loop) collect() time.Duration {
	return max(l.cfg.BatchDelay, min(2*l.took, longestCollect))
}

func (l *loop) commit() error {
	start := time.Now()
	rows := l.applier.Staged()
	visible, err := l.applier.Commit()
	if err != nil {
		return err
	}
	if visible {
		l.pub.dirty = true
	}
	l.first, l.stored, l.took = time.Time{}, time.Now(), time.Since(start)
	l.metrics.batch(l.cfg.Database, rows, l.took)
	l.snapshot()
	return l.sync.store()
}

// finish commits what is whole when the process is to end, and publishes it.
func (l *loop) finish() error {
	if l.applier.Open() {
		return nil
	}
	if l.applier.Behind() || l.applier.Staged() > 0 {
		if err := l.commit(); err != nil {
			return err
		}
	}
	if l.pub.busy() {
		l.pub.finished(<-l.pub.results)
	}
	if l.pub.dirty && l.settled() {
		l.pub.start(l.content(), l.book.Progress.Seq)
		l.pub.finished(<-l.pub.results)
	}
	return nil
}

// chores are done now and then, beside the frames.
func (s *session) chores(ctx context.Context, idle bool) {
	s.snapshot()
	s.sync.chores(ctx)
	if idle {
		s.ask(ctx)
	}
	s.purge(ctx)
	s.pub.verify()
	s.pub.look()
	if !s.pub.ended.IsZero() {
		s.metrics.generationAge(s.cfg.Database, time.Since(s.pub.ended))
	}
}

// purgeMargin is how many frames stay behind what is let go, for people.
const (
	purgeMargin = 1000
	purgeEvery  = 30 * time.Second
)

// purge lets the stream forget what was published StreamKeep ago: a generation that takes the place of a damaged file, or
// a backup, can go on from there. Ingest resumes from the last State frame, so that one stays.
func (s *session) purge(ctx context.Context) {
	if time.Since(s.purged) < purgeEvery || s.lastState == 0 {
		return
	}
	s.purged = time.Now()
	below := s.marks.note(s.purged, min(s.pub.seq, s.lastState), s.cfg.StreamKeep)
	if below <= purgeMargin {
		return
	}
	go func() {
		if err := s.bus.Purge(ctx, s.cfg.Database, below-purgeMargin); err != nil && ctx.Err() == nil {
			s.log.Warn("stream cannot be purged of what is committed", "error", err)
		}
	}()
}

// wanted tells which tables ingest is to copy, and why.
func (s *session) wanted() map[string]string {
	if reason := s.book.Progress.CopyAll; reason != "" {
		return map[string]string{everything: reason}
	}
	out := map[string]string{}
	for _, t := range s.book.Tables() {
		if t.Ask != "" && t.Copy == nil {
			out[t.Source] = t.Ask
		}
	}
	return out
}

// staleness is what readers are told of a table.
func staleness(t *schema.Table) string {
	if t.Stale == "" && t.Frozen {
		return "it is being copied again"
	}
	return t.Stale
}
