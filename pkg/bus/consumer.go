package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// defaultPrefetch is what a consumer may have under way and unread.
	defaultPrefetch = 32 << 20
	// reopenWait is the longest pause between attempts to read on.
	reopenWait = 2 * time.Second
	// regressPatience is how long a stream must look too short. A new leader in a
	// cluster may for a moment know less than the old one did.
	regressPatience = 2 * time.Second
)

// ConsumerOptions tune a Consumer; zero values are defaults.
type ConsumerOptions struct {
	// PrefetchBytes bounds what is fetched and not yet returned by Next, default
	// 32 MiB and at least twice the server's max_payload.
	PrefetchBytes int
	// AfterID is the ID of the message at the sequence before the first one to
	// read. If it is known, a stream that was written anew is told from one that
	// was not, also over restarts of the reader.
	AfterID string
}

// Consumer reads a stream from a sequence on, each message once and in order,
// through restarts of NATS. It is not for use by several goroutines at once.
type Consumer struct {
	bus      *Bus
	database string
	opts     ConsumerOptions

	pull      *pull
	changed   chan struct{}
	unwatch   func()
	assembler assembler
	next      uint64 // sequence of the part to come
	afterID   string // id of the part before it, if known
	created   time.Time
	discarded uint64
	failed    error

	pause   time.Duration // before the next attempt to open
	short   time.Time     // since when the stream looks too short
	trouble bool          // a failure to open was logged
}

// Consumer returns a consumer whose first message is the one that starts at
// fromSeq; 0 and 1 both mean the first one ever written. Nothing is asked of
// the server before Next. Close it when it is no longer needed.
func (b *Bus) Consumer(database string, fromSeq uint64, opts ConsumerOptions) *Consumer {
	if opts.PrefetchBytes == 0 {
		opts.PrefetchBytes = defaultPrefetch
	}
	c := &Consumer{
		bus:       b,
		database:  database,
		opts:      opts,
		changed:   make(chan struct{}, 1),
		assembler: assembler{codec: b.codec},
		next:      max(1, fromSeq),
		afterID:   opts.AfterID,
	}
	c.unwatch = b.watch(func() {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	})
	return c
}

// Consume calls handle for each message from fromSeq on until ctx is done,
// handle fails or the stream cannot be followed. It returns the error of
// handle as it is; see Next for the others.
func (b *Bus) Consume(ctx context.Context, database string, fromSeq uint64, opts ConsumerOptions, handle func(*Message) error) error {
	c := b.Consumer(database, fromSeq, opts)
	defer c.Close()
	for {
		message, _, err := c.Next(ctx, -1)
		if err != nil {
			return err
		}
		if err := handle(message); err != nil {
			return err
		}
	}
}

// Next returns the next message. If none comes within wait it returns false;
// with a wait of 0 it returns only what has been fetched already, with a
// negative one it waits until ctx is done. While NATS cannot be reached there
// is no message and no error; Next keeps trying, and may then overrun wait by
// a few seconds.
//
// These errors are final, and Next returns them from then on: *GapError,
// *RegressedError and *DivergedError say that the stream cannot be followed
// from here, ErrNoStream that there never was one, ErrClosed that Close was
// called; any other is a message that cannot be read.
func (c *Consumer) Next(ctx context.Context, wait time.Duration) (*Message, bool, error) {
	var idle <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		idle = timer.C
	}
	for c.failed == nil {
		message, err := c.step(ctx, idle)
		switch {
		case err == nil && message != nil:
			return message, true, nil
		case err == nil:
		case errors.Is(err, errIdle):
			return nil, false, nil
		case ctx.Err() != nil:
			return nil, false, ctx.Err()
		case errors.Is(err, errBroken):
			c.drop()
		default:
			c.drop()
			c.failed = fmt.Errorf("reading stream %s: %w", streamName(c.database), err)
		}
	}
	return nil, false, c.failed
}

// step makes one move: opening the pull, or taking a part from it.
func (c *Consumer) step(ctx context.Context, idle <-chan time.Time) (*Message, error) {
	if c.pull == nil {
		if err := c.open(ctx); err != nil {
			return nil, c.judge(ctx, idle, err)
		}
		c.short = time.Time{}
		if c.trouble {
			c.trouble = false
			c.bus.log.Info("stream is being read again", "stream", streamName(c.database), "from", c.next)
		}
	}
	p, err := c.pull.next(ctx, idle, c.changed)
	if err != nil {
		return nil, err
	}
	c.pause = 0
	if p.seq != c.next {
		return nil, &GapError{Want: c.next, Got: p.seq}
	}
	if c.afterID != "" && p.prev != "" && p.prev != c.afterID {
		return nil, &DivergedError{Seq: p.seq, Want: c.afterID, Got: p.prev}
	}
	c.next, c.afterID = p.seq+1, p.id
	message, dropped, err := c.assembler.add(p)
	c.discarded += uint64(dropped)
	return message, err
}

// open checks that the stream can be followed from c.next and starts a pull.
func (c *Consumer) open(ctx context.Context) error {
	if !c.bus.nc.IsConnected() {
		return fmt.Errorf("%w: %s", ErrDisconnected, c.bus.host)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := c.bus.stream(ctx, c.database)
	if errors.Is(err, ErrNoStream) && !c.created.IsZero() {
		return &RegressedError{Want: c.next}
	}
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	switch {
	case c.created.IsZero():
		c.created = info.Created
	case !c.created.Equal(info.Created):
		return &RegressedError{Want: c.next, Last: info.State.LastSeq, Recreated: true}
	}
	if info.State.LastSeq+1 < c.next {
		return &RegressedError{Want: c.next, Last: info.State.LastSeq}
	}
	if info.State.FirstSeq > c.next {
		return &GapError{Want: c.next, Got: info.State.FirstSeq}
	}
	c.pull, err = openPull(ctx, c.bus, stream, c.next, c.opts.PrefetchBytes)
	return err
}

// judge decides whether a failure to open is final. If not it waits for a
// better moment.
func (c *Consumer) judge(ctx context.Context, idle <-chan time.Time, err error) error {
	var gap *GapError
	var regressed *RegressedError
	switch {
	case errors.As(err, &gap), errors.Is(err, ErrNoStream):
		return err
	case errors.As(err, &regressed):
		if c.short.IsZero() {
			c.short = time.Now()
		}
		if regressed.Recreated || time.Since(c.short) >= regressPatience {
			return err
		}
	default:
		c.short = time.Time{}
		// The loss of the connection has been logged where it was noticed.
		if !c.trouble && !errors.Is(err, ErrDisconnected) && ctx.Err() == nil {
			c.trouble = true
			c.bus.log.Warn("stream cannot be read at the moment", "stream", streamName(c.database), "error", err)
		}
	}
	c.pause = min(max(2*c.pause, 50*time.Millisecond), reopenWait)
	again := time.NewTimer(c.pause)
	defer again.Stop()
	select {
	case <-again.C:
	case <-c.changed:
	case <-idle:
		return errIdle
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Discarded is how many parts were dropped because their message was never completed.
func (c *Consumer) Discarded() uint64 { return c.discarded }

// drop ends the pull; what it had fetched is fetched again by the next one.
func (c *Consumer) drop() {
	if c.pull != nil {
		c.pull.close()
		c.pull = nil
	}
}

// Close frees the consumer at the server if that can be reached.
func (c *Consumer) Close() {
	c.unwatch()
	c.drop()
	if c.failed == nil {
		c.failed = fmt.Errorf("reading stream %s: %w", streamName(c.database), ErrClosed)
	}
}
