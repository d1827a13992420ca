package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Tail is the end of a stream: what a writer resumes from.
type Tail struct {
	// FirstSeq and LastSeq are the first and last sequence in the stream. In one
	// that was emptied FirstSeq is LastSeq+1; in a new one both are 0.
	FirstSeq, LastSeq uint64
	// Last is the last complete message, nil if there is none. It may end before
	// LastSeq when a writer died amid the parts of a large one.
	Last *Message
	// Created is when the stream was made; another value means another stream.
	Created time.Time

	// lastID is the id of the part at LastSeq.
	lastID string
}

// Tail reads the end of the database's stream.
func (b *Bus) Tail(ctx context.Context, database string) (Tail, error) {
	stream, err := b.stream(ctx, database)
	if err != nil {
		return Tail{}, err
	}
	info := stream.CachedInfo()
	tail := Tail{FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq, Created: info.Created}
	if info.State.Msgs == 0 {
		return tail, nil
	}
	for seq := tail.LastSeq; seq >= tail.FirstSeq && seq > 0; {
		p, err := b.part(ctx, stream, seq)
		if err != nil {
			return Tail{}, err
		}
		if seq == tail.LastSeq {
			tail.lastID = p.id
		}
		tail.Last, err = b.endingWith(ctx, stream, p)
		if err == nil {
			return tail, nil
		}
		if !errors.Is(err, ErrNoMessage) {
			return Tail{}, err
		}
		seq--
	}
	return tail, nil
}

// Get reads the message whose last part has the given sequence. It returns
// ErrNoMessage when none ends there.
func (b *Bus) Get(ctx context.Context, database string, seq uint64) (*Message, error) {
	stream, err := b.stream(ctx, database)
	if err != nil {
		return nil, err
	}
	if state := stream.CachedInfo().State; seq < state.FirstSeq || seq > state.LastSeq {
		return nil, fmt.Errorf("reading message %d of %d to %d: %w", seq, state.FirstSeq, state.LastSeq, ErrNoMessage)
	}
	p, err := b.part(ctx, stream, seq)
	if err != nil {
		return nil, err
	}
	return b.endingWith(ctx, stream, p)
}

// endingWith returns the message whose last part is p, or ErrNoMessage if p is
// not the last or those before it are missing.
func (b *Bus) endingWith(ctx context.Context, stream jetstream.Stream, p part) (*Message, error) {
	notHere := fmt.Errorf("reading message %d: %w", p.seq, ErrNoMessage)
	first := p.seq - uint64(p.count) + 1
	if p.index != p.count || uint64(p.count) > p.seq || first < stream.CachedInfo().State.FirstSeq {
		return nil, notHere
	}
	run := make([]part, p.count)
	run[p.count-1] = p
	for i := p.count - 2; i >= 0; i-- {
		q, err := b.part(ctx, stream, first+uint64(i))
		if err != nil {
			return nil, err
		}
		if q.index != i+1 || q.count != p.count {
			return nil, notHere
		}
		run[i] = q
	}
	return b.codec.assemble(run)
}

// part reads one message of the stream as NATS knows it. The server that
// answers may lag behind the one that gave the stream's state, so a message
// that must be there is asked for again.
func (b *Bus) part(ctx context.Context, stream jetstream.Stream, seq uint64) (part, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		raw, err := stream.GetMsg(ctx, seq)
		if err == nil {
			return readPart(seq, raw.Time, raw.Header, raw.Data)
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return part{}, b.wrap(fmt.Sprintf("reading message %d", seq), err)
		}
		select {
		case <-ctx.Done():
			return part{}, fmt.Errorf("reading message %d: %w", seq, ErrNoMessage)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
