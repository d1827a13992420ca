package bus

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// ackTimeout is how long an acknowledgement may take; a leader election in a cluster fits in.
	ackTimeout = 30 * time.Second
	// defaultInFlight is what may be sent and not yet acknowledged.
	defaultInFlight = 16 << 20
)

// PublisherOptions tune a Publisher; zero values are defaults.
type PublisherOptions struct {
	// MaxInFlightBytes bounds what is sent and not yet acknowledged, default 16 MiB.
	// A single payload may exceed it when nothing else is under way.
	MaxInFlightBytes int
	// OnAck is called for each payload once it is stored, in order, with its
	// sequence and the time since Publish sent it. It must not block.
	OnAck func(seq uint64, took time.Duration)
}

// Publisher writes payloads to one stream, in order and without a gap, as long
// as it is the only one to do so. Each message names the sequence it must
// follow, so the server refuses it when another writer came between, and it
// refuses all that was sent after one it refused: while its predecessor is not
// yet acknowledged a message names that one's id too. Without the id a message
// sent behind a refused one would be let in after a foreign message that took
// the refused one's sequence.
//
// The first failure is final: Publish and Flush return it from then on. The
// owner then closes the publisher, reads Tail and goes on from there with a
// new one. Losing the connection is such a failure.
//
// An acknowledgement that calls the message a duplicate counts if it names the
// sequence the message was to get, for then it is stored where it belongs;
// any other is a failure.
type Publisher struct {
	bus       *Bus
	opts      PublisherOptions
	subject   string
	inbox     string
	acks      *nats.Subscription
	unwatch   func()
	publishMu sync.Mutex

	mu      sync.Mutex
	last    uint64 // sequence given to the latest part
	lastID  string
	pending []pending
	bytes   int
	acked   uint64
	err     error
	changed chan struct{} // closed and replaced when pending shrinks or err is set
	timeout *time.Timer
}

// pending is a part under way.
type pending struct {
	seq   uint64
	bytes int
	sent  time.Time
	whole bool // the last part of its payload
}

// Publisher returns a publisher that goes on after the given tail of the
// database's stream. Close it when it is no longer needed.
func (b *Bus) Publisher(database string, after Tail, opts PublisherOptions) (*Publisher, error) {
	if opts.MaxInFlightBytes == 0 {
		opts.MaxInFlightBytes = defaultInFlight
	}
	p := &Publisher{
		bus:     b,
		opts:    opts,
		subject: frameSubject(database),
		inbox:   b.nc.NewInbox(),
		last:    after.LastSeq,
		lastID:  after.lastID,
		acked:   after.LastSeq,
		changed: make(chan struct{}),
	}
	p.timeout = time.AfterFunc(ackTimeout, p.overdue)
	p.timeout.Stop()
	acks, err := b.nc.Subscribe(p.inbox+".*", p.onAck)
	if err != nil {
		return nil, b.wrap("subscribing to acknowledgements", err)
	}
	p.acks = acks
	p.unwatch = b.watch(func() { p.fail(fmt.Errorf("%w: %s", ErrDisconnected, b.host)) })
	return p, nil
}

// Publish sends one payload and returns the sequence its last part will have.
// It does not wait for the acknowledgement, only for room. The id names the
// payload for people and tells duplicates apart; it has at most 256 printable
// ASCII characters and no space, and the same payload must always get the
// same one. Payloads are stored in the order of the calls. The caller may
// change the payload once Publish has returned. When ctx ends before the payload was
// sent nothing has happened and the publisher remains usable.
func (p *Publisher) Publish(ctx context.Context, id string, payload []byte) (uint64, error) {
	p.publishMu.Lock()
	defer p.publishMu.Unlock()
	p.mu.Lock()
	first, prev := p.last+1, p.lastID
	p.mu.Unlock()
	parts, err := p.bus.codec.split(p.subject, id, payload, p.bus.nc.MaxPayload(), first, prev)
	if err != nil {
		return 0, fmt.Errorf("publishing %q: %w", id, err)
	}
	size := 0
	for _, part := range parts {
		size += len(part.Data) + headerRoom
	}
	if err := p.waitForRoom(ctx, size); err != nil {
		return 0, err
	}
	for i, part := range parts {
		if err := p.send(part, i == len(parts)-1); err != nil {
			return 0, err
		}
	}
	return first + uint64(len(parts)) - 1, nil
}

func (p *Publisher) waitForRoom(ctx context.Context, size int) error {
	return p.await(ctx, "waiting for acknowledgements", func() bool {
		return p.bytes == 0 || p.bytes+size <= p.opts.MaxInFlightBytes
	})
}

// Flush waits until everything published is stored.
func (p *Publisher) Flush(ctx context.Context) error {
	return p.await(ctx, "waiting for acknowledgements", func() bool { return len(p.pending) == 0 })
}

// await blocks until done, the publisher's failure or the end of ctx.
func (p *Publisher) await(ctx context.Context, doing string, done func() bool) error {
	for {
		p.mu.Lock()
		err, ok, changed := p.err, done(), p.changed
		p.mu.Unlock()
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
	}
}

// send gives one part to the connection.
func (p *Publisher) send(msg *nats.Msg, whole bool) error {
	p.mu.Lock()
	if p.err != nil {
		defer p.mu.Unlock()
		return p.err
	}
	seq := p.last + 1
	msg.Header.Set(nats.ExpectedLastSeqHdr, strconv.FormatUint(p.last, 10))
	// The server knows the last id only until it restarts, so it is named only
	// where it is needed: while the message before this one is under way.
	if len(p.pending) > 0 {
		msg.Header.Set(nats.ExpectedLastMsgIdHdr, p.lastID)
	}
	msg.Reply = p.inbox + "." + strconv.FormatUint(seq, 10)
	entry := pending{seq: seq, bytes: len(msg.Data) + headerRoom, sent: time.Now(), whole: whole}
	if len(p.pending) == 0 {
		p.timeout.Reset(ackTimeout)
	}
	p.pending = append(p.pending, entry)
	p.bytes += entry.bytes
	p.last, p.lastID = seq, msg.Header.Get(nats.MsgIdHdr)
	p.mu.Unlock()

	if err := p.bus.nc.PublishMsg(msg); err != nil {
		p.fail(p.bus.wrap("publishing", err))
		return p.Err()
	}
	return nil
}

// Acked is the last sequence known to be stored, at first that of the tail.
func (p *Publisher) Acked() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked
}

// Err is the publisher's failure, nil while it works.
func (p *Publisher) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Close ends the publisher without waiting; Flush first to wait.
func (p *Publisher) Close() {
	p.fail(fmt.Errorf("publishing: %w", ErrClosed))
	p.unwatch()
	// The subscription is gone already when the connection is closed.
	_ = p.acks.Unsubscribe()
}

// fail records the first failure.
func (p *Publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		p.timeout.Stop()
		p.broadcast()
	}
}

// broadcast wakes all who await a change. The lock is held.
func (p *Publisher) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Publisher) overdue() {
	p.fail(fmt.Errorf("publishing: no acknowledgement for %s", ackTimeout))
}

// onAck takes acknowledgements, which come in the order of the messages.
func (p *Publisher) onAck(msg *nats.Msg) {
	seq, err := strconv.ParseUint(msg.Subject[len(p.inbox)+1:], 10, 64)
	if err != nil {
		return // not of ours: the inbox is a random name, but anyone may write to it
	}
	if err := readAck(msg, seq); err != nil {
		p.fail(err)
		return
	}
	p.mu.Lock()
	if p.err != nil || len(p.pending) == 0 {
		p.mu.Unlock()
		return
	}
	head := p.pending[0]
	if head.seq != seq {
		p.mu.Unlock()
		p.fail(fmt.Errorf("publishing: the acknowledgement of message %d is missing, that of %d has come", head.seq, seq))
		return
	}
	p.pending = p.pending[1:]
	p.bytes -= head.bytes
	p.acked = seq
	if len(p.pending) == 0 {
		p.timeout.Stop()
	} else {
		p.timeout.Reset(ackTimeout)
	}
	p.broadcast()
	p.mu.Unlock()
	if head.whole && p.opts.OnAck != nil {
		p.opts.OnAck(seq, time.Since(head.sent))
	}
}
