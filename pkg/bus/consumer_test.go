package bus

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/chittihq/duckling/pkg/bus/embedded"
)

func TestIdleNext(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 4)...)
	c := consumerAt(t, b, 4, ConsumerOptions{})
	for _, wait := range []time.Duration{0, time.Millisecond} {
		if message, ok, err := c.Next(t.Context(), wait); ok || err != nil {
			t.Fatalf("Next at the stream's end: %v %v", message, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Next(ctx, -1); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next after its context ended: %v", err)
	}
	publishAll(t, b, numbers(4, 6)...)
	wantNumbers(t, read(t, c, 2), 4)
	c.Close()
	if _, _, err := c.Next(t.Context(), 0); !errors.Is(err, ErrClosed) {
		t.Fatalf("Next after Close: %v", err)
	}
	waitForConsumers(t, b, 0)
}

// waitForConsumers waits until the stream has so many consumers at the server.
func waitForConsumers(t *testing.T, b *Bus, want int) {
	t.Helper()
	for {
		stream, err := b.stream(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if stream.CachedInfo().State.Consumers == want {
			return
		}
	}
}

func TestConsume(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 11)...)
	stop := errors.New("enough")
	var got []*Message
	err := b.Consume(t.Context(), "shop", 3, ConsumerOptions{}, func(m *Message) error {
		if got = append(got, m); len(got) == 8 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("Consume returned %v", err)
	}
	wantNumbers(t, got, 3)
	if got[0].Stored.IsZero() || time.Since(got[0].Stored) > time.Hour {
		t.Fatalf("stored at %s", got[0].Stored)
	}
}

func TestPrefetchIsBounded(t *testing.T) {
	b := shopBus(t)
	payload := noise(3 << 20)
	var payloads [][]byte
	for range 40 {
		payloads = append(payloads, payload)
	}
	publishAll(t, b, payloads...)

	reader := connectTo(t, b.nc.ConnectedUrl())
	c := consumerAt(t, reader, 1, ConsumerOptions{PrefetchBytes: 1}) // the least there is
	limit := uint64(2*embedded.MaxPayload + 3*headerRoom)
	read(t, c, 1)
	taken := uint64(len(payload))
	for range 39 {
		if got := reader.nc.Stats().InBytes; got > taken+limit+64<<10 {
			t.Fatalf("%d bytes came with %d taken; %d may be under way", got, taken, limit)
		}
		read(t, c, 1)
		taken += uint64(len(payload))
	}
	if c.pull.bytes > c.pull.maxBytes || c.pull.count > pullMessages {
		t.Fatalf("%d bytes and %d messages are accounted for", c.pull.bytes, c.pull.count)
	}
}

// Messages of mixed sizes, many more than one request holds, exercise the
// accounting of what is under way: an error in it stalls the consumer.
func TestManyMessages(t *testing.T) {
	b := shopBus(t)
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	const n = 30_000
	for i := range n {
		payload := []byte(strconv.Itoa(i))
		if i%31 == 0 {
			payload = append(payload, noise(i%60_000)...)
		}
		if _, err := p.Publish(t.Context(), "m", payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := consumerAt(t, b, 1, ConsumerOptions{PrefetchBytes: 1})
	for i, message := range read(t, c, n) {
		if message.Seq != uint64(i+1) || string(message.Payload[:len(strconv.Itoa(i))]) != strconv.Itoa(i) {
			t.Fatalf("message %d holds %.20q", message.Seq, message.Payload)
		}
	}
	// All that is under way now is what the open requests could still bring.
	if c.pull.bytes > c.pull.maxBytes || c.pull.bytes < c.pull.maxBytes/2 {
		t.Fatalf("%d bytes are accounted for as under way, of %d", c.pull.bytes, c.pull.maxBytes)
	}
}

func TestGapAtTheStart(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 21)...)
	if err := b.Purge(t.Context(), "shop", 11); err != nil {
		t.Fatal(err)
	}
	c := consumerAt(t, b, 5, ConsumerOptions{})
	for range 2 { // the verdict stays
		_, _, err := c.Next(t.Context(), -1)
		var gap *GapError
		if !errors.As(err, &gap) || *gap != (GapError{Want: 5, Got: 11}) {
			t.Fatalf("reading purged messages: %v", err)
		}
	}
}

func TestGapWhileReading(t *testing.T) {
	b := shopBus(t)
	payload := noise(4 << 20)
	var payloads [][]byte
	for range 20 {
		payloads = append(payloads, payload)
	}
	publishAll(t, b, payloads...)
	c := consumerAt(t, b, 1, ConsumerOptions{PrefetchBytes: 1})
	read(t, c, 1)
	if err := b.Purge(t.Context(), "shop", 18); err != nil {
		t.Fatal(err)
	}
	last := uint64(1)
	for {
		message, _, err := c.Next(t.Context(), -1)
		if err == nil {
			last = message.Seq
			continue
		}
		var gap *GapError
		if !errors.As(err, &gap) || *gap != (GapError{Want: last + 1, Got: 18}) {
			t.Fatalf("after message %d: %v", last, err)
		}
		return
	}
}

func TestStreamTooShort(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 4)...)
	c := consumerAt(t, b, 6, ConsumerOptions{})
	_, _, err := c.Next(t.Context(), -1)
	var regressed *RegressedError
	if !errors.As(err, &regressed) || *regressed != (RegressedError{Want: 6, Last: 3}) {
		t.Fatalf("reading from 6 in a stream that ends at 3: %v", err)
	}
}

func TestNoStream(t *testing.T) {
	b := connectTo(t, startServer(t))
	c := consumerAt(t, b, 1, ConsumerOptions{})
	if _, _, err := c.Next(t.Context(), -1); !errors.Is(err, ErrNoStream) {
		t.Fatalf("reading where no stream is: %v", err)
	}
}

func TestRecreatedStream(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 4)...)
	c := consumerAt(t, b, 1, ConsumerOptions{})
	read(t, c, 3)
	if err := b.js.DeleteStream(t.Context(), "CDC_shop"); err != nil {
		t.Fatal(err)
	}
	// The server refuses the name as long as it removes the files of what had it.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err := errors.New("not yet"); err != nil; {
		if err = b.EnsureStream(ctx, "shop", StreamOptions{}); ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	publishAll(t, b, numbers(1, 11)...)
	_, _, err := c.Next(t.Context(), -1)
	var regressed *RegressedError
	if !errors.As(err, &regressed) || !regressed.Recreated {
		t.Fatalf("reading on in a new stream: %v", err)
	}
}

// The server lost messages 11 to 20 and the writer wrote others in their
// place. Their sequences fit, so only their history tells.
func TestLostTail(t *testing.T) {
	server := startProcess(t)
	b := connectTo(t, server.url)
	ensure(t, b, StreamOptions{})
	publishAll(t, b, numbers(1, 11)...)
	server.stop()
	saved := t.TempDir()
	copyDir(t, server.dir, saved)
	server.start()
	waitConnected(t, b)

	publishAll(t, b, numbers(11, 21)...)
	c := consumerAt(t, b, 1, ConsumerOptions{})
	seen := read(t, c, 20)
	ahead := consumerAt(t, b, 1, ConsumerOptions{})
	read(t, ahead, 20)

	server.stop()
	server.dir = saved
	server.start()
	waitConnected(t, b)
	publishAll(t, b, numbers(100, 105)...)
	_, _, err := ahead.Next(t.Context(), -1)
	var regressed *RegressedError
	if !errors.As(err, &regressed) || *regressed != (RegressedError{Want: 21, Last: 15}) {
		t.Fatalf("reading on while the stream is short: %v", err)
	}

	publishAll(t, b, numbers(105, 120)...)
	var diverged *DivergedError
	if _, _, err := c.Next(t.Context(), -1); !errors.As(err, &diverged) || diverged.Seq != 21 {
		t.Fatalf("reading on after the tail was replaced: %v", err)
	}
	restarted := consumerAt(t, b, 21, ConsumerOptions{AfterID: seen[19].ID})
	if _, _, err := restarted.Next(t.Context(), -1); !errors.As(err, &diverged) {
		t.Fatalf("a restarted reader: %v", err)
	}
	// What was read before the loss joins what followed.
	joined := consumerAt(t, b, 11, ConsumerOptions{AfterID: seen[9].ID})
	wantNumbers(t, read(t, joined, 20), 100)
}

func TestConsumerForgottenByTheServer(t *testing.T) {
	b := shopBus(t)
	publishAll(t, b, numbers(1, 6)...)
	c := consumerAt(t, b, 1, ConsumerOptions{})
	read(t, c, 2)
	name := c.pull.consumer.CachedInfo().Name
	if err := b.js.DeleteConsumer(t.Context(), "CDC_shop", name); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, read(t, c, 3), 3)
	publishAll(t, b, numbers(6, 9)...)
	wantNumbers(t, read(t, c, 3), 6)
	if _, err := b.js.Consumer(t.Context(), "CDC_shop", name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Fatalf("the first consumer is still there: %v", err)
	}
}

// A reader that waits at the stream's end when NATS restarts goes on at once,
// not only when it has missed heartbeats.
func TestRestartWhileWaiting(t *testing.T) {
	server := startProcess(t)
	b := connectTo(t, server.url)
	ensure(t, b, StreamOptions{})
	publishAll(t, b, numbers(1, 4)...)
	c := consumerAt(t, b, 1, ConsumerOptions{})
	read(t, c, 3)
	server.kill()
	server.start()
	waitConnected(t, b)
	publishAll(t, b, numbers(4, 6)...)
	wantNumbers(t, readWithin(t, c, 2, pullSilence-2*time.Second), 4)
}
