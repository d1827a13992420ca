package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// duplicateWindow is how long the server remembers message ids. Order and
// single delivery rest on expected sequences; the window only has to outlast
// the acknowledgements that are under way, see Publisher.
const duplicateWindow = 2 * time.Minute

// StreamOptions are limits of a stream. A zero value means: one replica and no
// size limit when the stream is made, no change when it exists.
type StreamOptions struct {
	// MaxBytes is the size at which the stream takes no more messages.
	MaxBytes int64
	// Replicas is how many servers of a cluster keep the stream, 1, 3 or 5.
	Replicas int
}

// EnsureStream makes the database's stream, or checks that the existing one
// keeps every message until it is purged and brings its limits up to date. An
// existing stream that could lose messages is refused with a ConfigError.
func (b *Bus) EnsureStream(ctx context.Context, database string, opts StreamOptions) error {
	name := streamName(database)
	stream, err := b.stream(ctx, database)
	if errors.Is(err, ErrNoStream) {
		return b.createStream(ctx, database, opts)
	}
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	if problems := streamProblems(config, frameSubject(database)); len(problems) > 0 {
		return &ConfigError{Stream: name, Problems: problems}
	}
	if (opts.MaxBytes == 0 || opts.MaxBytes == config.MaxBytes) && (opts.Replicas == 0 || opts.Replicas == config.Replicas) {
		return nil
	}
	if opts.MaxBytes != 0 {
		config.MaxBytes = opts.MaxBytes
	}
	if opts.Replicas != 0 {
		config.Replicas = opts.Replicas
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := b.js.UpdateStream(ctx, config); err != nil {
		return b.wrap("updating stream "+name, err)
	}
	return nil
}

func (b *Bus) createStream(ctx context.Context, database string, opts StreamOptions) error {
	config := jetstream.StreamConfig{
		Name:        streamName(database),
		Description: "changes of the database " + database,
		Subjects:    []string{frameSubject(database)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgs:     -1,
		MaxBytes:    -1,
		MaxMsgSize:  -1,
		Replicas:    max(1, opts.Replicas),
		Duplicates:  duplicateWindow,
		AllowDirect: true,
		// Messages go by Purge, from the front, and not one by one out of the middle.
		DenyDelete: true,
	}
	if opts.MaxBytes > 0 {
		config.MaxBytes = opts.MaxBytes
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// Two services may get here at once; both ask for a stream of the same kind.
	_, err := b.js.CreateStream(ctx, config)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return b.wrap("creating stream "+config.Name, err)
	}
	return nil
}

func streamProblems(config jetstream.StreamConfig, subject string) []string {
	var out []string
	complain := func(bad bool, format string, args ...any) {
		if bad {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	complain(config.Storage != jetstream.FileStorage, "storage is %s and must be File", config.Storage)
	complain(config.Discard != jetstream.DiscardNew, "discard is %s and must be DiscardNew", config.Discard)
	complain(config.Retention != jetstream.LimitsPolicy, "retention is %s and must be Limits", config.Retention)
	complain(!slices.Equal(config.Subjects, []string{subject}), "subjects are %q and must be %q alone", config.Subjects, subject)
	complain(config.MaxAge != 0, "max age is %s and must be unlimited", config.MaxAge)
	complain(config.MaxMsgsPerSubject > 0, "messages for each subject are limited to %d and must be unlimited", config.MaxMsgsPerSubject)
	complain(config.DenyPurge, "purge is denied and must be allowed")
	complain(config.Sealed, "it is sealed")
	complain(config.NoAck, "acknowledgements are off and must be on")
	complain(config.Duplicates < ackTimeout, "the duplicate window is %s and must be at least %s", config.Duplicates, ackTimeout)
	return out
}

// Purge removes the messages below a sequence, which their reader has no more
// use for. The last complete message stays in any case, for it holds the
// position from which a writer goes on.
func (b *Bus) Purge(ctx context.Context, database string, below uint64) error {
	tail, err := b.Tail(ctx, database)
	if err != nil {
		return err
	}
	if tail.Last == nil {
		return nil
	}
	below = min(below, tail.Last.FirstSeq)
	if below <= tail.FirstSeq {
		return nil
	}
	stream, err := b.stream(ctx, database)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(below)); err != nil {
		return b.wrap("purging stream "+streamName(database), err)
	}
	return nil
}

// Backlog is what a stream holds beyond a reader's place.
type Backlog struct {
	Messages uint64
	// Bytes is an estimate from the stream's mean message size.
	Bytes uint64
}

// Backlog tells how much of the stream comes after a sequence.
func (b *Bus) Backlog(ctx context.Context, database string, after uint64) (Backlog, error) {
	stream, err := b.stream(ctx, database)
	if err != nil {
		return Backlog{}, err
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 || after >= state.LastSeq {
		return Backlog{}, nil
	}
	messages := min(state.Msgs, state.LastSeq-after)
	return Backlog{
		Messages: messages,
		Bytes:    uint64(float64(state.Bytes) / float64(state.Msgs) * float64(messages)),
	}, nil
}

// stream asks the server for the database's stream and its present state.
func (b *Bus) stream(ctx context.Context, database string) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := b.js.Stream(ctx, streamName(database))
	if err != nil {
		return nil, b.wrap("reading the state of stream "+streamName(database), err)
	}
	return stream, nil
}
