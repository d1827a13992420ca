package snapshot

// waitingPieces is how many pieces each connection may have read before they are published.
const waitingPieces = 12

// Bounds are shared by all copies of a source: how many connections read tables at once, and how many pieces wait to be published.
type Bounds struct {
	connections chan struct{}
	pieces      chan struct{}
}

// NewBounds lets that many connections read.
func NewBounds(connections int) *Bounds {
	return &Bounds{connections: make(chan struct{}, connections), pieces: make(chan struct{}, waitingPieces*connections)}
}

// Connections is how many there may be.
func (b *Bounds) Connections() int { return cap(b.connections) }

// Take takes a connection, or returns false where all are taken. Who got one gives it back.
func (b *Bounds) Take() bool {
	select {
	case b.connections <- struct{}{}:
		return true
	default:
		return false
	}
}

// Give gives back a connection.
func (b *Bounds) Give() { <-b.connections }
