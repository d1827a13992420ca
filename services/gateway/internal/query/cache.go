package query

import (
	"bytes"
	"container/list"
	"encoding/binary"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/services/gateway/internal/encode"
	"github.com/chittihq/duckling/services/gateway/internal/reader"
)

// cache keeps results of the newest generation of each database, by statement. A generation never changes, so nothing is ever
// invalidated: what is not asked for any more makes room, and all of a generation does for the first result of the next one. Equal
// statements that run at the same time run once.
type cache struct {
	size    int // bytes; 0 keeps nothing and lets every statement run
	metrics *Metrics

	mu      sync.Mutex // guards the fields below
	used    int
	results map[string]*list.Element
	order   *list.List        // of *result, the one used last in front
	newest  map[string]uint64 // by database, the generation whose results are kept
	flights map[string]*flight
}

// result is what a statement gave: its rows as JSON, and what they are.
type result struct {
	key     string
	of      string // database
	json    []byte
	columns []duck.Column
}

// overhead is about what a result takes beside its bytes.
const overhead = 256

func (r *result) cost() int { return len(r.key) + len(r.json) + overhead }

// flight is a statement that runs for all who ask for it in the meantime.
type flight struct {
	landed chan struct{}
	result *result // nil after an error
	err    error   // nil also when the error is the first one's own
	shared bool    // others wait for it
}

func newCache(size int, metrics *Metrics) *cache {
	return &cache{size: size, metrics: metrics, results: make(map[string]*list.Element), order: list.New(), newest: make(map[string]uint64), flights: make(map[string]*flight)}
}

// answer answers the ticket's statement with a kept result, with the one of a flight, or by running it. It ends the ticket.
func (c *cache) answer(t *ticket, dst []byte, options encode.Options) Answer {
	if c.size == 0 {
		return t.answer(dst, options)
	}
	p := t.planned()
	if p.err != nil || p.volatile {
		return t.answer(dst, options)
	}
	key := cacheKey(t, options)
	for {
		kept, f, first := c.look(key)
		switch {
		case kept != nil:
			return t.deliver(dst, kept)
		case first:
			return c.fly(t, f, key, dst, options)
		}
		c.metrics.cacheShared.Inc()
		select {
		case <-f.landed:
		case <-t.stopping():
			err := t.reason()
			t.finish(err, 0)
			return Answer{Err: err}
		}
		switch {
		case f.result != nil:
			return t.deliver(dst, f.result)
		case f.err != nil:
			t.finish(f.err, 0)
			return Answer{Err: f.err}
		}
		// The first one was stopped; this is no reason for the others to fail.
	}
}

// look finds a result, or a flight to wait for, or makes the caller the first of a new one.
func (c *cache) look(key string) (kept *result, f *flight, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.results[key]; e != nil {
		c.order.MoveToFront(e)
		c.metrics.cacheHits.Inc()
		return e.Value.(*result), nil, false //nolint:forcetypeassert // the list holds nothing else
	}
	if f := c.flights[key]; f != nil {
		f.shared = true
		return nil, f, false
	}
	c.metrics.cacheMisses.Inc()
	f = &flight{landed: make(chan struct{})}
	c.flights[key] = f
	return nil, f, true
}

// fly runs the statement for all.
func (c *cache) fly(t *ticket, f *flight, key string, dst []byte, options encode.Options) Answer {
	start := len(dst)
	a := t.answer(dst, options)
	c.mu.Lock()
	delete(c.flights, key)
	shared := f.shared
	c.mu.Unlock()
	switch {
	case a.Err == nil:
		r := &result{key: key, of: t.generation.Database, json: a.JSON[start:], columns: a.Columns}
		if keep := r.cost() <= c.size/4; keep || shared {
			r.json = bytes.Clone(r.json) // dst is the caller's
			f.result = r
			if keep {
				c.keep(r, t.generation)
			}
		}
	case t.reason() == nil && !Explain(a.Err).Code.Retryable():
		f.err = a.Err
	}
	close(f.landed)
	return a
}

// keep keeps a result, unless nobody will ask for it again because a newer generation is served.
func (c *cache) keep(r *result, of *reader.Generation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.results[r.key] != nil || !of.Newest() {
		return
	}
	if c.newest[r.of] != of.Number {
		c.newest[r.of] = of.Number
		c.forget(r.of)
	}
	c.results[r.key] = c.order.PushFront(r)
	c.used += r.cost()
	for c.used > c.size {
		c.remove(c.order.Back())
		c.metrics.cacheEvicted.Inc()
	}
}

// forget removes the results of a database.
func (c *cache) forget(database string) {
	var next *list.Element
	for e := c.order.Front(); e != nil; e = next {
		next = e.Next()
		if e.Value.(*result).of == database { //nolint:forcetypeassert // the list holds nothing else
			c.remove(e)
		}
	}
}

func (c *cache) remove(e *list.Element) {
	old := c.order.Remove(e).(*result) //nolint:forcetypeassert // the list holds nothing else
	delete(c.results, old.key)
	c.used -= old.cost()
}

// bytes is what the kept results take.
func (c *cache) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// deliver answers with a result that was there.
func (t *ticket) deliver(dst []byte, r *result) Answer {
	t.span.Event("kept result")
	t.finish(nil, 0)
	return Answer{JSON: append(dst, r.json...), Columns: r.columns}
}

// cacheKey tells apart all that makes a difference to the bytes of a result.
func cacheKey(t *ticket, options encode.Options) string {
	st := &t.statement
	key := make([]byte, 0, len(st.SQL)+64)
	text := func(s string) {
		key = binary.AppendUvarint(key, uint64(len(s)))
		key = append(key, s...)
	}
	text(t.generation.Database)
	key = binary.AppendUvarint(key, t.generation.Number)
	text(string(st.Dialect))
	text(string(options.Numbers))
	text(string(options.Times))
	text(string(options.JSON))
	text(st.SQL)
	for _, p := range st.Params {
		key = appendParam(key, p)
	}
	return string(key)
}

func appendParam(key []byte, p any) []byte {
	switch p := p.(type) {
	case nil:
		return append(key, 'n')
	case bool:
		return strconv.AppendBool(append(key, 'b'), p)
	case int:
		return binary.AppendVarint(append(key, 'i'), int64(p))
	case int64:
		return binary.AppendVarint(append(key, 'i'), p)
	case uint64:
		return binary.AppendUvarint(append(key, 'u'), p)
	case float64:
		return binary.BigEndian.AppendUint64(append(key, 'f'), math.Float64bits(p))
	case string:
		key = binary.AppendUvarint(append(key, 's'), uint64(len(p)))
		return append(key, p...)
	case []byte:
		key = binary.AppendUvarint(append(key, 'B'), uint64(len(p)))
		return append(key, p...)
	case time.Time:
		return binary.AppendVarint(append(key, 't'), p.UnixNano())
	case []any:
		key = binary.AppendUvarint(append(key, 'l'), uint64(len(p)))
		for _, item := range p {
			key = appendParam(key, item)
		}
		return key
	default:
		// Binding refuses what is of no other type.
		return append(key, '?')
	}
}
