package bus

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chittihq/duckling/pkg/bus/embedded"
)

func TestPayloadsOfAllSizes(t *testing.T) {
	b := shopBus(t)
	payloads := [][]byte{
		{},
		[]byte("small"),
		bytes.Repeat([]byte("compressible "), 100_000),
		noise(embedded.MaxPayload),
		noise(20 << 20),
		bytes.Repeat([]byte("x"), 64<<20),
		[]byte("last"),
	}
	publishAll(t, b, payloads...)

	got := read(t, consumerAt(t, b, 1, ConsumerOptions{}), len(payloads))
	next := uint64(1)
	for i, message := range got {
		if !bytes.Equal(message.Payload, payloads[i]) {
			t.Fatalf("payload %d of %d bytes came back as another of %d", i, len(payloads[i]), len(message.Payload))
		}
		if message.FirstSeq != next {
			t.Fatalf("payload %d starts at %d, want %d", i, message.FirstSeq, next)
		}
		next = message.Seq + 1
		again, err := b.Get(t.Context(), "shop", message.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Payload, payloads[i]) || again.FirstSeq != message.FirstSeq || again.ID != message.ID {
			t.Fatalf("Get(%d) differs from what was consumed", message.Seq)
		}
	}
	parts := got[4]
	if parts.Seq == parts.FirstSeq {
		t.Fatal("the 20 MiB payload travelled in one part, so the test shows nothing about parts")
	}
	if _, err := b.Get(t.Context(), "shop", parts.FirstSeq); !errors.Is(err, ErrNoMessage) {
		t.Fatalf("Get of an inner part: %v", err)
	}
	if _, err := b.Get(t.Context(), "shop", next); !errors.Is(err, ErrNoMessage) {
		t.Fatalf("Get beyond the end: %v", err)
	}
	tail := tailOf(t, b)
	if tail.LastSeq != next-1 || string(tail.Last.Payload) != "last" {
		t.Fatalf("tail is %d %q", tail.LastSeq, tail.Last.Payload)
	}
}

// A writer that dies amid the parts of a payload leaves parts that are no
// message. The next writer sends the same payload again, under the same id.
func TestIncompleteParts(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, []byte("before"))
	payload := noise(20 << 20)
	for range 2 {
		tail := tailOf(t, b)
		parts, err := b.codec.split(frameSubject("shop"), "big", payload, b.nc.MaxPayload(), tail.LastSeq+1, tail.lastID)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts[:len(parts)-1] {
			if _, err := b.js.PublishMsg(t.Context(), part); err != nil {
				t.Fatal(err)
			}
		}
	}
	tail := tailOf(t, b)
	if tail.LastSeq != 5 || tail.Last.Seq != 1 || string(tail.Last.Payload) != "before" {
		t.Fatalf("tail is %d with the message %d", tail.LastSeq, tail.Last.Seq)
	}
	p := publisherAt(t, b, tail, PublisherOptions{})
	if _, err := p.Publish(t.Context(), "big", payload); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := consumerAt(t, b, 1, ConsumerOptions{})
	got := read(t, c, 2)
	if !bytes.Equal(got[1].Payload, payload) || got[1].FirstSeq != 6 {
		t.Fatalf("the payload came back from %d to %d with %d bytes", got[1].FirstSeq, got[1].Seq, len(got[1].Payload))
	}
	if c.Discarded() != 4 {
		t.Fatalf("%d parts discarded, want 4", c.Discarded())
	}
}

func TestEmptyStreamTail(t *testing.T) {
	b := connectTo(t, startServer(t))
	if _, err := b.Tail(t.Context(), "shop"); !errors.Is(err, ErrNoStream) {
		t.Fatalf("tail without a stream: %v", err)
	}
	ensure(t, b, StreamOptions{})
	if tail := tailOf(t, b); tail.FirstSeq != 0 || tail.LastSeq != 0 || tail.Last != nil || tail.Created.IsZero() {
		t.Fatalf("tail of a new stream: %+v", tail)
	}
}

func TestPurgeAndBacklog(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 101)...)
	whole, err := b.Backlog(t.Context(), "shop", 0)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Messages != 100 || whole.Bytes == 0 {
		t.Fatalf("backlog of everything: %+v", whole)
	}
	if err := b.Purge(t.Context(), "shop", 61); err != nil {
		t.Fatal(err)
	}
	if tail := tailOf(t, b); tail.FirstSeq != 61 || tail.LastSeq != 100 {
		t.Fatalf("after the purge the stream goes from %d to %d", tail.FirstSeq, tail.LastSeq)
	}
	for after, want := range map[uint64]uint64{0: 40, 60: 40, 90: 10, 100: 0, 200: 0} {
		got, err := b.Backlog(t.Context(), "shop", after)
		if err != nil {
			t.Fatal(err)
		}
		if got.Messages != want {
			t.Errorf("backlog after %d is %d messages, want %d", after, got.Messages, want)
		}
	}
	wantNumbers(t, read(t, consumerAt(t, b, 61, ConsumerOptions{}), 40), 61)
	// The last message holds the position that the next writer needs.
	if err := b.Purge(t.Context(), "shop", 1000); err != nil {
		t.Fatal(err)
	}
	if tail := tailOf(t, b); tail.FirstSeq != 100 || string(tail.Last.Payload) != "100" {
		t.Fatalf("after purging all: %+v", tail)
	}
}

func TestEnsureStream(t *testing.T) {
	b := shopBus(t)
	ensure(t, b, StreamOptions{MaxBytes: 1 << 20})
	ensure(t, b, StreamOptions{}) // the reader, which knows no limit, leaves it
	stream, err := b.stream(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	if config.MaxBytes != 1<<20 {
		t.Errorf("max bytes is %d", config.MaxBytes)
	}
	if config.Discard != jetstream.DiscardNew || config.Storage != jetstream.FileStorage || !config.DenyDelete {
		t.Errorf("stream made with %+v", config)
	}
}

func TestEnsureStreamRefuses(t *testing.T) {
	b := connectTo(t, startServer(t))
	good := jetstream.StreamConfig{Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew}
	number := 0
	for want, spoil := range map[string]func(*jetstream.StreamConfig){
		"storage is Memory":     func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"discard is DiscardOld": func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"retention is Interest": func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"max age is 1h0m0s":     func(c *jetstream.StreamConfig) { c.MaxAge = 3600e9 },
		"purge is denied":       func(c *jetstream.StreamConfig) { c.DenyPurge = true },
		"subjects are":          func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "other") },
		"duplicate window is":   func(c *jetstream.StreamConfig) { c.Duplicates = 1e9 },
	} {
		number++ // a name is not used again: the server may still be removing the files of what had it
		database := fmt.Sprint("shop", number)
		config := good
		config.Name, config.Subjects = "CDC_"+database, []string{"cdc." + database + ".frames"}
		spoil(&config)
		if _, err := b.js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		err := b.EnsureStream(t.Context(), database, StreamOptions{})
		var refused *ConfigError
		if !errors.As(err, &refused) || len(refused.Problems) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q and no more", err, want)
		}
	}
}

func TestNamesNeverClash(t *testing.T) {
	for _, id := range []string{"shop", "shop-1", "a_b"} {
		if token(id) != id {
			t.Errorf("%q became %q", id, token(id))
		}
	}
	seen := map[string]string{}
	for _, id := range []string{"a.b", "a_b", "a b", "a=2eb", "a*", "a>", "ä", "A.b"} {
		name := token(id)
		if strings.ContainsAny(name, ".*> \t") {
			t.Errorf("%q gives the unusable token %q", id, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q both give %q", id, other, name)
		}
		seen[name] = id
	}
}
