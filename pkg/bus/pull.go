package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pullExpires is how long a pull request waits for messages at the server.
	pullExpires = 30 * time.Second
	// pullHeartbeat is how often the server says that a request still waits.
	pullHeartbeat = 5 * time.Second
	// pullSilence without a message or heartbeat means that nothing waits any more.
	pullSilence = 2*pullHeartbeat + 2*time.Second
	// pullMessages bounds how many messages are under way, whatever their size.
	pullMessages = 4096
	// pullStatuses is room for status messages, which no request counts.
	pullStatuses = 256
	// consumerIdle is when the server forgets a consumer that asks for nothing.
	consumerIdle = 5 * time.Minute
)

// errBroken says that a pull has to be opened anew; nothing is known about the stream.
var errBroken = errors.New("the pull was interrupted")

// errIdle says that no message came in time.
var errIdle = errors.New("no message in time")

// pull is one server-side consumer and the requests made to it. It keeps a
// bounded number of bytes under way.
//
// The client library's own iterators do not serve here: the plain one notices
// a vanished consumer late when it is asked with short deadlines, and the
// ordered one goes on trying after its context has ended.
type pull struct {
	bus      *Bus
	consumer jetstream.Consumer
	stream   string
	inbox    string
	sub      *nats.Subscription
	messages chan *nats.Msg
	link     uint64

	maxBytes     int
	leastRequest int // bytes below which a request could not hold a message
	bytes        int // asked for and not yet received
	count        int
	heard        time.Time
	delivered    uint64
}

// openPull makes a consumer that starts at a sequence.
func openPull(ctx context.Context, b *Bus, stream jetstream.Stream, from uint64, maxBytes int) (*pull, error) {
	least := int(b.nc.MaxPayload()) + headerRoom
	p := &pull{
		bus:          b,
		stream:       stream.CachedInfo().Config.Name,
		inbox:        b.nc.NewInbox(),
		messages:     make(chan *nats.Msg, pullMessages+pullStatuses),
		link:         b.links.Load(),
		maxBytes:     max(maxBytes, 2*least),
		leastRequest: least,
	}
	var err error
	p.consumer, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       from,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: consumerIdle,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return nil, b.wrap("creating a consumer", err)
	}
	if p.sub, err = b.nc.ChanSubscribe(p.inbox, p.messages); err != nil {
		p.forget()
		return nil, b.wrap("subscribing to messages", err)
	}
	if err := p.ask(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// close ends the pull and removes the consumer if the server can be reached.
func (p *pull) close() {
	// The subscription is gone already when the connection is closed.
	_ = p.sub.Unsubscribe()
	p.forget()
}

// forget removes the consumer at the server, which otherwise does it by itself after consumerIdle.
func (p *pull) forget() {
	if p.link != p.bus.links.Load() || !p.bus.nc.IsConnected() {
		return
	}
	// The context of whoever read may have ended; this has a limit of its own.
	subject := "$JS.API.CONSUMER.DELETE." + p.stream + "." + p.consumer.CachedInfo().Name
	if _, err := p.bus.nc.Request(subject, nil, requestTimeout); err != nil {
		p.bus.log.Debug("a consumer could not be removed", "stream", p.stream, "error", err)
	}
}

// ask sends a request when half of what may be under way has arrived.
func (p *pull) ask() error {
	bytes, count := p.maxBytes-p.bytes, pullMessages-p.count
	if (bytes < p.maxBytes/2 && count < pullMessages/2) || bytes < p.leastRequest || count < 1 {
		return nil
	}
	request, err := json.Marshal(struct {
		Batch     int           `json:"batch"`
		MaxBytes  int           `json:"max_bytes"`
		Expires   time.Duration `json:"expires"`
		Heartbeat time.Duration `json:"idle_heartbeat"`
	}{count, bytes, pullExpires, pullHeartbeat})
	if err != nil {
		return fmt.Errorf("writing a pull request: %w", err)
	}
	subject := "$JS.API.CONSUMER.MSG.NEXT." + p.stream + "." + p.consumer.CachedInfo().Name
	if err := p.bus.nc.PublishRequest(subject, p.inbox, request); err != nil {
		return p.bus.wrap("asking for messages", err)
	}
	p.bytes += bytes
	p.count += count
	p.heard = time.Now()
	return nil
}

// next returns the next message. It returns errIdle when idle fires first, and
// errBroken when the pull must be opened anew. changed signals that the
// connection may have been lost.
func (p *pull) next(ctx context.Context, idle <-chan time.Time, changed <-chan struct{}) (part, error) {
	for {
		if p.link != p.bus.links.Load() {
			return part{}, errBroken
		}
		msg, err := p.receive(ctx, idle, changed)
		if err != nil {
			return part{}, err
		}
		if msg == nil {
			continue
		}
		p.heard = time.Now()
		if msg.Reply == "" {
			if err := p.status(msg); err != nil {
				return part{}, err
			}
			if err := p.ask(); err != nil {
				return part{}, errBroken
			}
			continue
		}
		p.account(msg.Size(), 1)
		if err := p.ask(); err != nil {
			return part{}, errBroken
		}
		meta, err := msg.Metadata()
		if err != nil || meta.Sequence.Consumer != p.delivered+1 {
			return part{}, errBroken // one was lost on its way
		}
		p.delivered++
		return readPart(meta.Sequence.Stream, meta.Timestamp, msg.Header, msg.Data)
	}
}

// receive takes a message from the channel. It returns nil when there may be
// news about the connection.
func (p *pull) receive(ctx context.Context, idle <-chan time.Time, changed <-chan struct{}) (*nats.Msg, error) {
	select {
	case msg := <-p.messages:
		return msg, nil
	default:
	}
	silence := time.NewTimer(time.Until(p.heard.Add(pullSilence)))
	defer silence.Stop()
	select {
	case msg := <-p.messages:
		return msg, nil
	case <-idle:
		return nil, errIdle
	case <-changed:
		return nil, nil
	case <-silence.C:
		return nil, errBroken
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// account notes that so much less is under way.
func (p *pull) account(bytes, count int) {
	p.bytes = max(0, p.bytes-bytes)
	p.count = max(0, p.count-count)
	if p.bytes == 0 {
		// A request that was used up to the byte ends without saying how many messages it had left.
		p.count = 0
	}
}

// status handles what the server says about a request.
func (p *pull) status(msg *nats.Msg) error {
	switch msg.Header.Get("Status") {
	case "100": // heartbeat
		return nil
	case "404", "408", "409":
	default:
		return errBroken
	}
	// A request ended. Those that end in order say what they leave unused; with
	// the others the consumer is gone or moves to another server.
	bytes, err1 := strconv.Atoi(msg.Header.Get("Nats-Pending-Bytes"))
	count, err2 := strconv.Atoi(msg.Header.Get("Nats-Pending-Messages"))
	if err1 != nil || err2 != nil {
		return errBroken
	}
	p.account(bytes, count)
	return nil
}
