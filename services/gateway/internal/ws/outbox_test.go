package ws

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// Frames that are held go out with the next that is sent, or when that is asked for, in their order; and they do not pile up.
func TestHeldFrames(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	var writes []int
	o := outbox{net: server, budget: 10_000, wait: time.Minute, broken: func(err error) { t.Error(err) }, sent: func(frames, _ int) { writes = append(writes, frames) }}
	frame := func(size int, with byte) *buffer {
		b := newBuffer()
		b.bytes = append(b.bytes, bytes.Repeat([]byte{with}, size)...)
		return b
	}
	done := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		done <- all
	}()
	o.hold(frame(1, 'a'))
	o.hold(frame(1, 'b'))
	if !o.holds() || len(writes) > 0 {
		t.Error("two small frames need not be sent yet")
	}
	o.send(frame(1, 'c'))
	if o.holds() {
		t.Error("what was held has been sent")
	}
	o.hold(frame(1, 'd'))
	o.release()
	o.release()
	held := 0
	for o.hold(frame(8000, 'e')); o.holds(); o.hold(frame(8000, 'e')) {
		if held++; held > together/8000 {
			t.Fatalf("%d frames of 8000 bytes are held", held)
		}
	}
	o.hold(frame(1, 'f'))
	o.send(frame(20_000, 'g')) // that others are held says nothing of the client
	server.Close()
	got := <-done
	if !bytes.HasPrefix(got, []byte("\x81\x01a\x81\x01b\x81\x01c\x81\x01d\x81")) || bytes.Count(got, []byte("e")) != 8000*(held+1) || bytes.Count(got, []byte("g")) != 20_000 {
		t.Errorf("%d bytes have come: %.40q", len(got), got)
	}
	if len(writes) != 4 || writes[0] != 3 || writes[1] != 1 {
		t.Errorf("the frames of each write: %v", writes)
	}
}
