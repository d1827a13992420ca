package query

import (
	"container/list"
	"sync"
	"time"
)

// admission gives out the places for running statements. Those who wait are served in the order in which they came
// within a key, and the keys take turns, so that one with a thousand statements waiting costs another one turn and not a thousand.
//
// A key never holds the last quarter of the places while others may come, and when the queue is full, room for a
// key that has less than its share is made at the expense of the longest line.
type admission struct {
	limit, perKey, queue int
	metrics              *Metrics

	mu      sync.Mutex // guards the fields below
	running int
	waiting int
	keys    map[string]*line
	turns   *list.List // of *line: those with statements waiting, the next one in front
}

// line is what is known of one key while it runs or waits for anything.
type line struct {
	key     string
	running int
	waiters list.List // of *waiter
	turn    *list.Element
}

// waiter waits for a place. granted receives nil with the place, or why there is none.
type waiter struct {
	line    *line
	since   time.Time
	element *list.Element // nil when it waits no more
	granted chan error
}

func newAdmission(limit, queue int, metrics *Metrics) *admission {
	return &admission{
		limit: limit, perKey: limit - limit/4, queue: queue, metrics: metrics,
		keys: make(map[string]*line), turns: list.New(),
	}
}

// enter takes a place at once or returns a waiter to wait with. The error is of type *Error.
func (a *admission) enter(key string) (*waiter, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.keys[key]
	if l == nil {
		l = &line{key: key}
		a.keys[key] = l
	}
	if a.running < a.limit && l.running < a.perKey {
		a.running++
		l.running++
		return nil, nil
	}
	if a.waiting >= a.queue && !a.makeRoom(l) {
		a.forget(l)
		return nil, a.full()
	}
	w := &waiter{line: l, since: time.Now(), granted: make(chan error, 1)}
	w.element = l.waiters.PushBack(w)
	if l.turn == nil {
		l.turn = a.turns.PushBack(l)
	}
	a.waiting++
	return w, nil
}

// makeRoom turns away the last of the longest line, if that one is longer than l would be.
func (a *admission) makeRoom(l *line) bool {
	longest := l
	for e := a.turns.Front(); e != nil; e = e.Next() {
		if other := e.Value.(*line); other.waiters.Len() > longest.waiters.Len() { //nolint:forcetypeassert // the list holds nothing else
			longest = other
		}
	}
	if longest.waiters.Len() <= l.waiters.Len()+1 {
		return false
	}
	last := longest.waiters.Back().Value.(*waiter) //nolint:forcetypeassert // the list holds nothing else
	a.remove(last)
	last.granted <- a.full()
	return true
}

func (a *admission) full() error {
	a.metrics.rejected(rejectedQueue)
	return queueFull(a.waiting)
}

// abandon takes a waiter out of the queue. It is false when the waiter has been answered already.
func (a *admission) abandon(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w.element == nil {
		return false
	}
	a.remove(w)
	a.forget(w.line)
	return true
}

func (a *admission) remove(w *waiter) {
	w.line.waiters.Remove(w.element)
	w.element = nil
	a.waiting--
	if w.line.waiters.Len() == 0 {
		a.turns.Remove(w.line.turn)
		w.line.turn = nil
	}
}

// leave gives a place back. It goes to the next statement in turn.
func (a *admission) leave(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.keys[key]
	a.running--
	l.running--
	for e := a.turns.Front(); e != nil; e = e.Next() {
		next := e.Value.(*line) //nolint:forcetypeassert // the list holds nothing else
		if next.running >= a.perKey {
			continue
		}
		w := next.waiters.Front().Value.(*waiter) //nolint:forcetypeassert // the list holds nothing else
		a.remove(w)
		if next.turn != nil {
			a.turns.MoveToBack(next.turn)
		}
		a.running++
		next.running++
		a.metrics.waited.Observe(time.Since(w.since).Seconds())
		w.granted <- nil
		break
	}
	a.forget(l)
}

func (a *admission) forget(l *line) {
	if l.running == 0 && l.waiters.Len() == 0 {
		delete(a.keys, l.key)
	}
}

// load tells how many statements hold a place and how many wait for one.
func (a *admission) load() (running, waiting int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running, a.waiting
}
