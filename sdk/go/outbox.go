package duckling

import "sync"

// outbox holds frames until the writer takes them. Putting never blocks, so a caller whose
// context ends is never stuck behind a slow socket; requests in flight bound its size.
type outbox struct {
	mu     sync.Mutex
	frames []outgoing
	ready  chan struct{} // holds a token while frames may be waiting
}

type outgoing struct {
	id    uint64 // of the request, or noRequest
	frame []byte
}

// noRequest marks a frame that is never withdrawn. Requests have ids from 1.
const noRequest = 0

func newOutbox() *outbox { return &outbox{ready: make(chan struct{}, 1)} }

func (o *outbox) put(id uint64, frame []byte) {
	o.mu.Lock()
	o.frames = append(o.frames, outgoing{id, frame})
	o.mu.Unlock()
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take returns everything that waits, in order. The caller gives back the slice it had
// before, to be filled again.
func (o *outbox) take(spent []outgoing) []outgoing {
	clear(spent)
	o.mu.Lock()
	defer o.mu.Unlock()
	waiting := o.frames
	o.frames = spent[:0]
	return waiting
}

// withdraw removes the frame with this id and reports whether it was still waiting.
func (o *outbox) withdraw(id uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.frames {
		if o.frames[i].id == id && o.frames[i].frame != nil {
			o.frames[i].frame = nil
			return true
		}
	}
	return false
}
