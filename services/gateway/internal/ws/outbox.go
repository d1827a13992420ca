package ws

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gofiber/contrib/websocket"
)

// headroom is what a frame's header may take before its payload.
const headroom = 10

// buffer holds one frame: room for the header, then the payload.
type buffer struct {
	bytes  []byte
	opcode byte
}

var buffers = sync.Pool{New: func() any { return &buffer{bytes: make([]byte, headroom, 512)} }}

func newBuffer() *buffer {
	b := buffers.Get().(*buffer) //nolint:forcetypeassert // the pool holds nothing else
	b.bytes, b.opcode = b.bytes[:headroom], websocket.TextMessage
	return b
}

// recycle keeps the buffer for another frame, unless it has grown large.
func (b *buffer) recycle() {
	const keep = 64 << 10
	if cap(b.bytes) <= keep {
		buffers.Put(b)
	}
}

// frame is the whole frame, unmasked as a server's are, with its header in the room before the payload (RFC 6455, 5.2).
func (b *buffer) frame() []byte {
	n := len(b.bytes) - headroom
	start := headroom - 2
	switch {
	case n > 0xffff:
		start = headroom - 10
		b.bytes[start+1] = 127
		binary.BigEndian.PutUint64(b.bytes[start+2:], uint64(n))
	case n > 125:
		start = headroom - 4
		b.bytes[start+1] = 126
		binary.BigEndian.PutUint16(b.bytes[start+2:], uint16(n))
	default:
		b.bytes[start+1] = byte(n)
	}
	const final = 0x80
	b.bytes[start] = final | b.opcode
	return b.bytes[start:]
}

const (
	// compressFrom is the size from which a frame is compressed, if the client offered to take such frames.
	compressFrom = 32 << 10
	// together is up to how many bytes of small frames go out in one write.
	together = 64 << 10
)

var errSlowReader = errors.New("the client reads too slowly")

// outbox sends a connection's frames in order. There is no goroutine for it: whoever puts a frame into an idle outbox
// writes it, and what others have put in the meantime, or holds it for the next. Frames are bounded by bytes, not counting those that
// are being written.
type outbox struct {
	conn   *websocket.Conn
	net    net.Conn
	budget int
	wait   time.Duration // how long one write may take
	broken func(error)   // is told once that nothing can be sent any more
	sent   func(frames, bytes int)

	mu      sync.Mutex // guards the fields below
	queue   []*buffer
	queued  int // bytes in queue and in writing
	writing bool
	closed  bool // nothing more comes in
	dead    bool // nothing more goes out
	waiters []drain
}

// drain waits for no more than limit bytes to be left.
type drain struct {
	limit int
	done  chan struct{}
}

// put queues a frame. When it returns true the caller must call flush.
func (o *outbox) put(b *buffer) (flush bool) { return o.add(b, false) }

// hold queues a frame that is to be sent with the next one, or by release, unless there is enough for a write.
func (o *outbox) hold(b *buffer) {
	if o.add(b, true) {
		o.flush()
	}
}

// holds tells whether there are frames that nobody writes.
func (o *outbox) holds() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0 && !o.writing
}

// release writes what is held.
func (o *outbox) release() {
	o.mu.Lock()
	flush := len(o.queue) > 0 && !o.writing
	o.writing = o.writing || flush
	o.mu.Unlock()
	if flush {
		o.flush()
	}
}

func (o *outbox) add(b *buffer, hold bool) (flush bool) {
	o.mu.Lock()
	n := len(b.bytes)
	if o.closed {
		o.mu.Unlock()
		b.recycle()
		return false
	}
	if o.writing && len(o.queue) > 0 && o.queued+n > o.budget {
		o.mu.Unlock()
		o.fail(errSlowReader, false)
		return false
	}
	o.queue = append(o.queue, b)
	o.queued += n
	flush = !o.writing && (!hold || o.queued > together/2)
	o.writing = o.writing || flush
	o.mu.Unlock()
	return flush
}

// send queues a frame and sees to it that it is written.
func (o *outbox) send(b *buffer) {
	if o.put(b) {
		o.flush()
	}
}

// flush writes until nothing is queued.
func (o *outbox) flush() {
	var spare []*buffer
	for {
		o.mu.Lock()
		batch := o.queue
		if len(batch) == 0 || o.dead {
			o.writing = false
			o.mu.Unlock()
			return
		}
		o.queue = spare[:0]
		o.mu.Unlock()
		bytes := 0
		for _, b := range batch {
			bytes += len(b.bytes)
		}
		if err := o.write(batch); err != nil {
			o.fail(err, true)
		} else {
			o.sent(len(batch), bytes)
		}
		for i, b := range batch {
			b.recycle()
			batch[i] = nil
		}
		spare = batch
		o.mu.Lock()
		o.queued -= bytes
		o.wake()
		o.mu.Unlock()
	}
}

// write sends frames, the small ones that follow each other with one call.
func (o *outbox) write(batch []*buffer) error {
	if len(batch) == 1 && len(batch[0].bytes) < compressFrom {
		return o.raw(batch[0].frame())
	}
	b := newBuffer()
	defer b.recycle()
	out := b.bytes[:0]
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		err := o.raw(out)
		b.bytes = out
		out = out[:0]
		return err
	}
	for _, one := range batch {
		if len(one.bytes) >= compressFrom {
			if err := flush(); err != nil {
				return err
			}
			if err := o.large(one.bytes[headroom:]); err != nil {
				return err
			}
			continue
		}
		if out = append(out, one.frame()...); len(out) >= together {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// raw writes whole frames. Nothing else writes to the connection.
func (o *outbox) raw(frames []byte) error {
	if err := o.net.SetWriteDeadline(time.Now().Add(o.wait)); err != nil {
		return err
	}
	_, err := o.net.Write(frames)
	return err
}

// large lets the library write a frame, which compresses it if the client offered that.
func (o *outbox) large(payload []byte) error {
	if err := o.conn.SetWriteDeadline(time.Now().Add(o.wait)); err != nil {
		return err
	}
	o.conn.EnableWriteCompression(true)
	return o.conn.WriteMessage(websocket.TextMessage, payload)
}

// fail drops what is queued and lets nothing more in. A dead connection takes no close frame either.
func (o *outbox) fail(err error, dead bool) {
	o.mu.Lock()
	first := !o.closed
	o.closed, o.dead = true, o.dead || dead
	for _, b := range o.queue {
		o.queued -= len(b.bytes)
		b.recycle()
	}
	o.queue = nil
	o.wake()
	o.mu.Unlock()
	if first {
		o.broken(err)
	}
}

// last queues a close frame. Nothing is taken after it.
func (o *outbox) last(payload []byte) {
	b := newBuffer()
	b.opcode = websocket.CloseMessage
	b.bytes = append(b.bytes, payload...)
	o.mu.Lock()
	o.closed = true
	o.queue = append(o.queue, b)
	o.queued += len(b.bytes)
	flush := !o.writing
	o.writing = true
	o.mu.Unlock()
	if flush {
		o.flush()
	}
}

func (o *outbox) wake() {
	kept := o.waiters[:0]
	for _, w := range o.waiters {
		if o.closed || o.queued <= w.limit {
			close(w.done)
		} else {
			kept = append(kept, w)
		}
	}
	o.waiters = kept
}

// below returns a channel that is closed when no more than limit bytes are left to send, or nil when that is so.
func (o *outbox) below(limit int) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.queued <= limit {
		return nil
	}
	w := drain{limit: limit, done: make(chan struct{})}
	o.waiters = append(o.waiters, w)
	return w.done
}

// control queues a ping or a pong.
func (o *outbox) control(opcode byte, payload string) {
	b := newBuffer()
	b.opcode = opcode
	b.bytes = append(b.bytes, payload...)
	o.send(b)
}
