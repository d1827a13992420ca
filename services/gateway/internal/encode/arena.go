package encode

// arena hands out memory for one batch of columns.
type arena struct {
	// keep says that what was handed out stays in use after the batch, so that it is not handed out again.
	keep  bool
	block []byte
	used  int
}

const arenaBlock = 256 << 10

// take returns n bytes, aligned to 8 and not cleared.
func (a *arena) take(n int) []byte {
	at := (a.used + 7) &^ 7
	if at+n > len(a.block) {
		a.block, at = make([]byte, max(arenaBlock, 2*len(a.block), n)), 0
		if n > arenaBlock {
			a.block = a.block[:max(n, len(a.block)/2)]
		}
	}
	a.used = at + n
	return a.block[at:a.used:a.used]
}

// reset ends the batch.
func (a *arena) reset() {
	// A block that one wide batch needed is not kept for the narrow ones after it.
	if a.keep || len(a.block) > 16*arenaBlock {
		a.block = nil
	}
	a.used = 0
}
