package replica

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/publish"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// share is the part of its time that the loader may spend on publishing: one in so many.
const share = 4

// retry is how long a failed publication waits for its next attempt.
const retry = time.Second

// patience is how long readers may keep a publication waiting before that is said: long queries that come one after the other do so for moments.
const patience = 5 * time.Second

// heldAtMost is how long a comparison's snapshot may keep checkpoints from being written before that is a failure like others.
const heldAtMost = time.Minute

// publisher runs publications beside the loop. The loop waits for the
// checkpoint only, and only with its next transaction on the file.
type publisher struct {
	*Replica
	*publish.Publisher
	conn *duck.Conn

	// dirty is true when readers would see more than the newest generation shows.
	dirty     bool
	next      time.Time
	refreshed time.Time
	verified  time.Time
	began     time.Time
	ended     time.Time
	failing   bool
	running   bool
	// crowded is since when a publication waits for readers, zero when none does; told is true once that was said.
	crowded time.Time
	told    bool
	// held is since when a comparison's snapshot keeps checkpoints from being written, zero when none does.
	held time.Time
	// seq is the progress that the newest generation of this session holds, starting that of the one on its way.
	seq, starting uint64
	results       chan result
	// checkpoint is closed when the running publication needs the file no more.
	checkpoint chan struct{}
}

type result struct {
	publish.Result
	checkpoint time.Duration
	err        error
}

func newPublisher(r *Replica, p *publish.Publisher, conn *duck.Conn) *publisher {
	return &publisher{Replica: r, Publisher: p, conn: conn, results: make(chan result, 1)}
}

func (p *publisher) busy() bool { return p.running }

// checkpointed is closed at the end of a running checkpoint; without one it never is.
func (p *publisher) checkpointed() <-chan struct{} {
	if p.checkpointing() {
		return p.checkpoint
	}
	return nil
}

func (p *publisher) checkpointing() bool {
	if !p.running {
		return false
	}
	select {
	case <-p.checkpoint:
		return false
	default:
		return true
	}
}

func (p *publisher) waitCheckpoint() {
	if p.running {
		<-p.checkpoint
	}
}

// start begins a publication of what is committed now, which is the stream up to seq.
func (p *publisher) start(content publish.Content, seq uint64) {
	p.dirty, p.running, p.began, p.starting = false, true, time.Now(), seq
	checkpoint := make(chan struct{})
	p.checkpoint = checkpoint
	go func() {
		start := time.Now()
		r := result{err: p.Checkpoint()}
		r.checkpoint = time.Since(start)
		close(checkpoint)
		if r.err == nil {
			r.Result, r.err = p.Publish(content)
		}
		p.results <- r
	}()
}

// finished takes the result of a publication. The next one waits until
// publishing took no more than its share of the time.
func (p *publisher) finished(r result) {
	p.running, p.failing = false, r.err != nil
	now := time.Now()
	var crowded *publish.CrowdedError
	switch {
	case errors.As(r.err, &crowded):
		p.dirty, p.next = true, now.Add(retry)
		p.wait(crowded)
		return
	case duck.CheckpointHeld(r.err) && (p.held.IsZero() || now.Sub(p.held) < heldAtMost):
		if p.held.IsZero() {
			p.held = now
		}
		p.dirty, p.next = true, now.Add(retry)
		p.log.Debug("publishing waits for a comparison to end, as a table changed as a whole since it began")
		return
	case r.err != nil:
		p.dirty, p.next = true, now.Add(retry)
		p.unpublished(r.err)
		return
	}
	p.held = time.Time{}
	p.waited()
	p.ended, p.seq = now, p.starting
	took := now.Sub(p.began)
	p.next = later(p.began.Add(p.cfg.PublishInterval), now.Add((share-1)*took))
	p.refreshed = now
	p.metrics.published(p.cfg.Database, r, p.Generations())
	p.published(r.Generation)
}

// wait notes that readers hold too many generations. Rows go on being applied, and readers keep the newest generation there is.
func (p *publisher) wait(crowded *publish.CrowdedError) {
	if p.crowded.IsZero() {
		p.crowded = time.Now()
		p.metrics.waiting.WithLabelValues(p.cfg.Database).Set(1)
	}
	if p.told || time.Since(p.crowded) < patience {
		return
	}
	p.told = true
	p.log.Warn("publishing waits for readers; what is committed meanwhile is safe and is shown to nobody", "reason", crowded)
	p.condition("publishing waits: " + crowded.Error())
	if err := p.Wait(); err != nil { // readers that are not told let go when their queries end
		p.log.Warn("readers cannot be told that a publication waits for them", "error", err)
	}
}

// waited notes the end of a wait, if there was one.
func (p *publisher) waited() {
	if p.told {
		p.log.Info("publishing goes on", "waited", time.Since(p.crowded))
	}
	p.crowded, p.told = time.Time{}, false
	p.metrics.waiting.WithLabelValues(p.cfg.Database).Set(0)
}

// look ends the wait for readers as soon as there is room.
func (p *publisher) look() {
	if !p.crowded.IsZero() && !p.busy() && p.Room() {
		p.next = time.Now()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// refresh tells readers that nothing was committed at the source since.
func (p *publisher) refresh(progress schema.Progress) {
	p.refreshed = time.Now()
	if err := p.Refresh(position(progress), time.UnixMicro(progress.SourceTimeUS).UTC()); err != nil {
		p.unpublished(err)
	}
}

// verifyEvery is how soon a generation that was damaged on disk is replaced.
const verifyEvery = 5 * time.Second

// verify has the newest generation published again when it was damaged.
func (p *publisher) verify() {
	if p.busy() || p.dirty || time.Since(p.verified) < verifyEvery {
		return
	}
	p.verified = time.Now()
	if err := p.Verify(); err != nil {
		p.log.Error("newest generation is not what was published and is replaced", "error", err)
		p.dirty = true
	}
}

// unpublished shows a failure to publish as the condition it is: rows are safe, readers wait.
func (p *publisher) unpublished(err error) {
	text := "publishing fails: " + err.Error()
	if errors.Is(err, unix.ENOSPC) {
		text = "publishing fails for want of space in DATA_DIR: " + err.Error()
	}
	if p.status.Load().Condition != text {
		p.log.Error("generation cannot be published; it is tried again", "error", err)
	}
	p.condition(text)
}

func (p *publisher) close() {
	if p.running {
		<-p.results
	}
	p.conn.Close()
}

func position(p schema.Progress) generation.Position {
	return generation.Position{
		GTIDSet: p.Position.GetGtidSet(), File: p.Position.GetFile(), Offset: p.Position.GetOffset(), Server: p.Position.GetServer(),
		CommitTime: time.UnixMicro(p.Position.GetCommitTimeUs()).UTC(),
	}
}
