package reader

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// Generation is one published state of a database, opened for reading. Whoever
// has pinned it may use it until the release; it never changes in that time.
type Generation struct {
	// Number and Database are the manifest's; SQL may name the database.
	Number   uint64
	Database string

	// manifest is the newest one of this generation: the loader renews its times while the source is idle.
	manifest atomic.Pointer[generation.Manifest]
	db       *duck.DB
	served   *Database
	lease    *lease
	// pins counts the users; the Database that serves it is one of them.
	pins atomic.Int64
	// ended is called once, after the instance was closed.
	ended func()

	mu   sync.Mutex // guards idle
	idle []*Conn
}

// lease keeps instances that have the same file open from being closed one by one: closing any descriptor of a file gives
// up all locks that the process has on it, and the loader could take the file from under the others.
type lease struct {
	mu      sync.Mutex // guards the fields below
	users   int
	waiting []*Generation
}

func (l *lease) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

// leave returns what may be closed now.
func (l *lease) leave(g *Generation) []*Generation {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users--
	l.waiting = append(l.waiting, g)
	if l.users > 0 {
		return nil
	}
	return l.waiting
}

// Manifest describes the generation.
func (g *Generation) Manifest() *generation.Manifest { return g.manifest.Load() }

// Wanted tells whether the loader waits for readers to let go of generations such as this one.
func (g *Generation) Wanted() bool {
	newest := g.served.current.Load()
	return newest != nil && newest.Number > g.Number && newest.Manifest().Waiting
}

// Newest tells whether this generation is the one that new users get.
func (g *Generation) Newest() bool { return g.served.current.Load() == g }

// Retain pins a generation once more, for another user than the one that has pinned it already.
func (g *Generation) Retain() { g.pins.Add(1) }

// Retire stops new statements from using this instance: its database opens the same generation anew and serves that.
// It is for an instance in which a statement can no longer be stopped.
func (g *Generation) Retire() { g.served.retire(g) }

// Renew opens the generation anew when DuckDB has given up its instance, so that new users get another one. It returns that one, pinned, or nil: when
// this instance is sound, or a newer generation is served, or it cannot be opened.
func (g *Generation) Renew() *Generation { return g.served.renew(g) }

// Instances is how many instances there are of the generation: those that were given up stay open until none is used any more.
func (g *Generation) Instances() int {
	g.lease.mu.Lock()
	defer g.lease.mu.Unlock()
	return g.lease.users + len(g.lease.waiting)
}

// sound tells whether the instance still takes statements.
func (g *Generation) sound() bool { return g.warm(context.Background()) == nil }

// pin adds a user, unless the last one has gone.
func (g *Generation) pin() bool {
	for {
		n := g.pins.Load()
		if n == 0 {
			return false
		}
		if g.pins.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release ends the use of a pinned generation. The last user's release closes it, beside the caller.
func (g *Generation) Release() {
	if g.pins.Add(-1) > 0 {
		return
	}
	go func() {
		for _, closing := range g.lease.leave(g) {
			for _, c := range closing.idle {
				c.close()
			}
			closing.db.Close()
			closing.ended()
		}
	}()
}

// Conn takes an idle connection or opens one. It must go back by Put before the generation is released.
func (g *Generation) Conn() (*Conn, error) {
	g.mu.Lock()
	if n := len(g.idle); n > 0 {
		c := g.idle[n-1]
		g.idle = g.idle[:n-1]
		g.mu.Unlock()
		return c, nil
	}
	g.mu.Unlock()
	conn, err := g.db.Connect()
	if err != nil {
		return nil, err
	}
	path := duck.Identifier(g.Database) + ".main," + companionSchema
	if err := conn.Exec("SET search_path = " + duck.Literal(path)); err != nil {
		conn.Close()
		return nil, fmt.Errorf("setting search path: %w", err)
	}
	return &Conn{conn: conn, generation: g}, nil
}

// Put gives a connection back. One that was stopped in the middle of a statement is closed rather than used again.
func (g *Generation) Put(c *Conn, stopped bool) {
	if stopped {
		c.close()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, c)
}

// Conn is a connection to one generation, with the statements it has prepared. It serves one query at a time.
type Conn struct {
	conn       *duck.Conn
	generation *Generation
	stmts      map[string]*prepared
}

// prepared is a statement, and whether it is one that a client has used on this connection.
type prepared struct {
	stmt *duck.Stmt
	took time.Duration
	used bool
}

// maxPrepared bounds the statements one connection keeps.
const maxPrepared = 64

// Prepare returns the prepared form of sql, made now or earlier. It belongs to the connection.
func (c *Conn) Prepare(sql string) (*duck.Stmt, error) {
	p, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	if !p.used && p.took < quick {
		p.used = true // once a connection is often enough
		c.generation.served.recent.note(sql, time.Now())
	}
	return p.stmt, nil
}

func (c *Conn) prepare(sql string) (*prepared, error) {
	if p, ok := c.stmts[sql]; ok {
		return p, nil
	}
	began := time.Now()
	s, err := c.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if c.stmts == nil || len(c.stmts) >= maxPrepared {
		c.forget()
		c.stmts = make(map[string]*prepared)
	}
	p := &prepared{stmt: s, took: time.Since(began)}
	c.stmts[sql] = p
	return p, nil
}

// Interrupt asks the statement that runs on the connection to stop. It may be called beside it, but not after Put.
func (c *Conn) Interrupt() { c.conn.Interrupt() }

func (c *Conn) forget() {
	for _, p := range c.stmts {
		p.stmt.Close()
	}
}

func (c *Conn) close() {
	c.forget()
	c.conn.Close()
}

// warm runs the least query there is and prepares the statements used lately, so that the first client does not pay for what DuckDB
// sets up late.
func (g *Generation) warm(ctx context.Context) error {
	c, err := g.Conn()
	if err != nil {
		return err
	}
	p, err := c.prepare("SELECT 1")
	if err == nil {
		var res *duck.Result
		if res, err = p.stmt.Query(ctx); err == nil {
			res.Close()
		}
	}
	if err == nil {
		g.prepareAhead(c)
	}
	g.Put(c, err != nil)
	return err
}

// prepareAhead prepares the statements used lately. One that fails now, as its table is gone, tells so when it is asked.
func (g *Generation) prepareAhead(c *Conn) {
	for _, sql := range g.served.recent.list(time.Now()) {
		if _, err := c.prepare(sql); err != nil {
			g.served.recent.forget(sql)
			continue
		}
		g.served.metrics.ahead.Inc()
	}
}
