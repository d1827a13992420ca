package reader

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
)

// Generation is one published state of a database, opened for reading. Whoever
// has pinned it may use it until the release; it never changes in that time.
type Generation struct {
	Manifest *generation.Manifest
	// Database is the id by which SQL may name it.
	Database string

	db *duck.DB
	// pins counts the users; the Database that serves it is one of them.
	pins atomic.Int64
	// ended is called once, after the instance was closed.
	ended func()

	mu   sync.Mutex // guards idle
	idle []*Conn
}

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
		for _, c := range g.idle {
			c.close()
		}
		g.db.Close()
		g.ended()
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
	return &Conn{conn: conn}, nil
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
	conn  *duck.Conn
	stmts map[string]*duck.Stmt
}

// maxPrepared bounds the statements one connection keeps.
const maxPrepared = 64

// Prepare returns the prepared form of sql, made now or earlier. It belongs to the connection.
func (c *Conn) Prepare(sql string) (*duck.Stmt, error) {
	if s, ok := c.stmts[sql]; ok {
		return s, nil
	}
	s, err := c.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if c.stmts == nil || len(c.stmts) >= maxPrepared {
		c.forget()
		c.stmts = make(map[string]*duck.Stmt)
	}
	c.stmts[sql] = s
	return s, nil
}

func (c *Conn) forget() {
	for _, s := range c.stmts {
		s.Close()
	}
}

func (c *Conn) close() {
	c.forget()
	c.conn.Close()
}

// warm runs the least query there is, so that the first client does not pay for what DuckDB sets up late.
func (g *Generation) warm(ctx context.Context) error {
	c, err := g.Conn()
	if err != nil {
		return err
	}
	s, err := c.Prepare("SELECT 1")
	if err == nil {
		var res *duck.Result
		if res, err = s.Query(ctx); err == nil {
			res.Close()
		}
	}
	g.Put(c, err != nil)
	return err
}
