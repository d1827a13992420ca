package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestAcksComeInOrder(t *testing.T) {
	b := shopBus(t)
	var mu sync.Mutex
	var acked []uint64
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{OnAck: func(seq uint64, took time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		acked = append(acked, seq)
	}})
	var want []uint64
	for i := range 500 {
		payload := []byte("x")
		if i%100 == 50 {
			payload = noise(9 << 20) // two parts
		}
		seq, err := p.Publish(t.Context(), fmt.Sprint(i), payload)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, seq)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(acked) != fmt.Sprint(want) {
		t.Fatalf("acknowledged %v, published %v", acked, want)
	}
	if p.Acked() != want[len(want)-1] || want[len(want)-1] != 505 {
		t.Fatalf("last acknowledged %d, last published %d", p.Acked(), want[len(want)-1])
	}
}

func TestInFlightIsBounded(t *testing.T) {
	server := startProcess(t)
	b := connectTo(t, server.url)
	ensure(t, b, StreamOptions{})
	const limit = 1 << 20
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{MaxInFlightBytes: limit})
	thaw := server.freeze()
	defer thaw()
	payload := noise(10_000)
	sent := limit / (len(payload) + headerRoom)
	for i := range sent {
		if _, err := p.Publish(t.Context(), fmt.Sprint(i), payload); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Publish(ctx, "no-room", payload); !errors.Is(err, context.Canceled) {
		t.Fatalf("publishing beyond the limit: %v", err)
	}
	thaw()
	// What was not sent has not failed the publisher.
	if _, err := p.Publish(t.Context(), "after", noise(2*limit)); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last := tailOf(t, b).LastSeq; last != uint64(sent)+1 {
		t.Fatalf("the stream ends at %d, %d were sent", last, sent+1)
	}
}

// Two writers start from the same tail. The one that comes second must not get
// a single message in, and above all none behind the other's: the sequence its
// second message names is right again once the other has written one.
func TestSecondWriterIsFenced(t *testing.T) {
	b := shopBus(t)
	other := connectTo(t, b.nc.ConnectedUrl())
	for round := range 50 {
		tail := tailOf(t, b)
		first := publisherAt(t, b, tail, PublisherOptions{})
		second := publisherAt(t, other, tail, PublisherOptions{})
		if _, err := first.Publish(t.Context(), "frame", []byte(fmt.Sprint("first", round))); err != nil {
			t.Fatal(err)
		}
		if err := first.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := second.Publish(t.Context(), "frame", []byte("second")); err != nil {
				break
			}
		}
		if err := second.Flush(t.Context()); !errors.Is(err, ErrFenced) {
			t.Fatalf("the second writer got %v", err)
		}
		if _, err := second.Publish(t.Context(), "frame", []byte("second")); !errors.Is(err, ErrFenced) {
			t.Fatalf("the failure did not stay: %v", err)
		}
		if now := tailOf(t, b); now.LastSeq != tail.LastSeq+1 {
			t.Fatalf("round %d: the stream grew by %d, want 1", round, now.LastSeq-tail.LastSeq)
		}
		// The first goes on as if nothing had been.
		if _, err := first.Publish(t.Context(), "frame", []byte("more")); err != nil {
			t.Fatal(err)
		}
		if err := first.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		first.Close()
		second.Close()
	}
}

// What the server does with a message id it has seen: a message with a stale
// expected sequence is refused before ids are looked at; one with the right
// sequence is a duplicate and gets the old one's sequence. This is why an id
// holds the sequence: a payload sent again at its proper new place must be stored.
func TestDuplicatesAndExpectedSequence(t *testing.T) {
	b := shopBus(t)
	send := func(id string, after uint64) (*jetstream.PubAck, error) {
		msg := nats.NewMsg(frameSubject("shop"))
		return b.js.PublishMsg(t.Context(), msg, jetstream.WithMsgID(id), jetstream.WithExpectLastSequence(after))
	}
	for after, id := range []string{"a", "b"} {
		if _, err := send(id, uint64(after)); err != nil {
			t.Fatal(err)
		}
	}
	var refused *jetstream.APIError
	if _, err := send("a", 0); !errors.As(err, &refused) || refused.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		t.Fatalf("known id, stale sequence: %v", err)
	}
	ack, err := send("a", 2)
	if err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Fatalf("known id, right sequence: %+v %v", ack, err)
	}

	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	for range 3 {
		if _, err := p.Publish(t.Context(), "again", []byte("same")); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last := tailOf(t, b).LastSeq; last != 5 {
		t.Fatalf("the stream ends at %d, want 5", last)
	}
}

func TestReadAck(t *testing.T) {
	for _, c := range []struct {
		data string
		want error
	}{
		{`{"stream":"S","seq":7}`, nil},
		{`{"stream":"S","seq":7,"duplicate":true}`, nil},
		{`{"stream":"S","seq":3,"duplicate":true}`, ErrFenced},
		{`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 9"}}`, ErrFenced},
		{`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"}}`, ErrFenced},
		{`{"error":{"code":400,"err_code":10070,"description":"wrong last msg ID: x"}}`, ErrFenced},
		{`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`, ErrStreamFull},
		{`{"error":{"code":503,"err_code":10023,"description":"insufficient resources"}}`, ErrStreamFull},
	} {
		if err := readAck(&nats.Msg{Data: []byte(c.data)}, 7); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.data, err, c.want)
		}
	}
	for _, data := range []string{``, `{`, `{"error":{"code":503,"err_code":10077,"description":"disk on fire"}}`} {
		err := readAck(&nats.Msg{Data: []byte(data)}, 7)
		if err == nil || errors.Is(err, ErrFenced) || errors.Is(err, ErrStreamFull) {
			t.Errorf("%q: got %v", data, err)
		}
	}
}

func TestStreamFull(t *testing.T) {
	b := connectTo(t, startServer(t))
	ensure(t, b, StreamOptions{MaxBytes: 1 << 20})
	payload := noise(100_000)
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	var err error
	for i := 0; err == nil && i < 20; i++ {
		_, err = p.Publish(t.Context(), fmt.Sprint(i), payload)
	}
	if err = p.Flush(t.Context()); !errors.Is(err, ErrStreamFull) {
		t.Fatalf("after 2 MB into a stream of 1 MiB: %v", err)
	}
	tail := tailOf(t, b)
	if tail.LastSeq != p.Acked() || tail.FirstSeq != 1 {
		t.Fatalf("the stream goes from %d to %d, acknowledged were %d", tail.FirstSeq, tail.LastSeq, p.Acked())
	}
	if err := b.Purge(t.Context(), "shop", tail.LastSeq); err != nil {
		t.Fatal(err)
	}
	publishAll(t, b, payload, payload)
}

func TestPublisherFailsWithTheConnection(t *testing.T) {
	server := startProcess(t)
	b := connectTo(t, server.url)
	ensure(t, b, StreamOptions{})
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	thaw := server.freeze()
	if _, err := p.Publish(t.Context(), "x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	server.kill()
	thaw()
	if err := p.Flush(t.Context()); !errors.Is(err, ErrDisconnected) {
		t.Fatalf("flush: %v", err)
	}
	if _, err := p.Publish(t.Context(), "y", []byte("y")); !errors.Is(err, ErrDisconnected) {
		t.Fatalf("publish: %v", err)
	}
	if _, err := b.Tail(t.Context(), "shop"); !errors.Is(err, ErrDisconnected) {
		t.Fatalf("tail: %v", err)
	}
	server.start()
}

func TestClosedPublisher(t *testing.T) {
	b := shopBus(t)
	p := publisherAt(t, b, tailOf(t, b), PublisherOptions{})
	p.Close()
	p.Close()
	if _, err := p.Publish(t.Context(), "x", nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("publish: %v", err)
	}
	if err := p.Flush(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("flush: %v", err)
	}
}

func TestPublishWithoutAStream(t *testing.T) {
	b := connectTo(t, startServer(t))
	p := publisherAt(t, b, Tail{}, PublisherOptions{})
	if _, err := p.Publish(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); !errors.Is(err, ErrNoStream) {
		t.Fatalf("flush: %v", err)
	}
}
