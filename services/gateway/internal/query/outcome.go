package query

import "sync/atomic"

// outcome lets the first of several that know how a statement ended tell its caller.
type outcome struct {
	told atomic.Bool
	done func(Answer)
}

func (o *outcome) tell(a Answer) { o.first(func() { o.done(a) }) }

func (o *outcome) first(tell func()) {
	if o.told.CompareAndSwap(false, true) {
		tell()
	}
}
