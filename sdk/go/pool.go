package duckling

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
)

// Pool is several connections to one database. Each request goes to the connection with the
// fewest in flight, of those that are up. It is safe for concurrent use.
type Pool struct {
	clients []*Client
	turn    atomic.Uint64
}

// NewPool returns a pool of size clients, each of which connects at its first request.
// Config.OnEvent is called by each of them, possibly at the same time.
func NewPool(cfg Config, size int) (*Pool, error) {
	if size < 1 {
		return nil, &Error{Code: CodeConfig, Message: fmt.Sprintf("a pool of %d clients cannot work; it needs 1 or more", size)}
	}
	p := &Pool{clients: make([]*Client, size)}
	for i := range p.clients {
		var err error
		if p.clients[i], err = New(cfg); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// OpenPool is NewPool with every client connected. When one cannot connect, none stays open.
func OpenPool(ctx context.Context, cfg Config, size int) (*Pool, error) {
	p, err := NewPool(cfg, size)
	if err != nil {
		return nil, err
	}
	if err := p.each(func(c *Client) error { return c.Connect(ctx) }); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Client is the one a request would go to now. Use it for what needs one connection, such as Prepare.
func (p *Pool) Client() *Client {
	// Starting elsewhere each time spreads requests over clients that are equally busy.
	first := p.turn.Add(1)
	var best *Client
	least := int64(0)
	for i := range uint64(len(p.clients)) {
		c := p.clients[(first+i)%uint64(len(p.clients))]
		load := c.inFlight.Load()
		if !c.Connected() {
			load += 1 << 40 // comes last, however idle
		}
		if best == nil || load < least {
			best, least = c, load
		}
	}
	return best
}

// Query is Client.Query on the least busy connection.
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (*Result, error) {
	return p.Client().Query(ctx, sql, args...)
}

// Do is Client.Do on the least busy connection.
func (p *Pool) Do(ctx context.Context, request Request) (*Result, error) {
	return p.Client().Do(ctx, request)
}

// QueryBatch is Client.QueryBatch on the least busy connection: a batch is never split, since
// its results belong to one generation.
func (p *Pool) QueryBatch(ctx context.Context, statements ...Statement) ([]*Result, error) {
	return p.Client().QueryBatch(ctx, statements...)
}

// DoBatch is Client.DoBatch on the least busy connection.
func (p *Pool) DoBatch(ctx context.Context, batch Batch) ([]*Result, error) {
	return p.Client().DoBatch(ctx, batch)
}

// Stream is Client.Stream on the connection that is least busy when the loop begins.
func (p *Pool) Stream(ctx context.Context, sql string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { p.Client().Stream(ctx, sql, args...)(yield) }
}

// Subscribe is Client.Subscribe on the connection that is least busy when the loop begins.
func (p *Pool) Subscribe(ctx context.Context, s Subscription) iter.Seq2[*Update, error] {
	return func(yield func(*Update, error) bool) { p.Client().Subscribe(ctx, s)(yield) }
}

// Ping pings over every connection, connecting those that are not, and joins the errors.
func (p *Pool) Ping(ctx context.Context) error {
	return p.each(func(c *Client) error { return c.Ping(ctx) })
}

// InFlight is how many requests wait for an answer over all connections.
func (p *Pool) InFlight() int {
	n := 0
	for _, c := range p.clients {
		n += c.InFlight()
	}
	return n
}

// Close closes every connection, as Client.Close does.
func (p *Pool) Close() {
	var all sync.WaitGroup
	for _, c := range p.clients {
		all.Go(c.Close)
	}
	all.Wait()
}

// each runs do for all clients at once and joins the errors.
func (p *Pool) each(do func(*Client) error) error {
	errs := make([]error, len(p.clients))
	var all sync.WaitGroup
	for i, c := range p.clients {
		all.Go(func() { errs[i] = do(c) })
	}
	all.Wait()
	return errors.Join(errs...)
}
