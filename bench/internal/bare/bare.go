// Package bare exchanges frames with a gateway as cheaply as a WebSocket library allows, without looking at the answers: the floor
// that a client is measured against.
package bare

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// Conn is an authenticated connection.
type Conn struct{ ws *websocket.Conn }

// Dial connects and sends the key.
func Dial(ctx context.Context, url, key string) (*Conn, error) {
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("dialing: %w", err)
	}
	ws.SetReadLimit(-1)
	c := &Conn{ws}
	if _, _, err := ws.Read(ctx); err != nil { // welcome
		return nil, fmt.Errorf("reading: %w", err)
	}
	if _, err := c.Exchange(ctx, fmt.Appendf(nil, `{"id":"auth","type":"auth","apiKey":%q}`, key)); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends the connection.
func (c *Conn) Close() { _ = c.ws.CloseNow() }

// Exchange sends a frame and returns the next one from the server.
func (c *Conn) Exchange(ctx context.Context, frame []byte) ([]byte, error) {
	if err := c.ws.Write(ctx, websocket.MessageText, frame); err != nil {
		return nil, fmt.Errorf("writing: %w", err)
	}
	return c.read(ctx)
}

func (c *Conn) read(ctx context.Context) ([]byte, error) {
	_, answer, err := c.ws.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	if !bytes.Contains(answer[:min(len(answer), 200)], []byte(`"success":true`)) {
		return nil, fmt.Errorf("an answer that is no success: %.200s", answer)
	}
	return answer, nil
}

// Query is the frame of a query; more are further fields, each with a comma before it.
func Query(id int, sql, more string) []byte {
	return fmt.Appendf(nil, `{"id":"%d","type":"query","sql":"%s"%s}`, id, strings.ReplaceAll(sql, `"`, `\"`), more)
}

// Load is a number of queries kept in flight.
type Load struct {
	Connections, InFlight int
	For                   time.Duration
}

// Throughput keeps queries in flight and returns how many a second are answered.
func (l Load) Throughput(ctx context.Context, url, key, sql string) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	counts := make([]int, l.Connections)
	conns := make([]*Conn, l.Connections)
	for i := range conns {
		var err error
		if conns[i], err = Dial(ctx, url, key); err != nil {
			return 0, err
		}
		defer conns[i].Close()
	}
	began := time.Now()
	for i, c := range conns {
		group.Go(func() (err error) {
			counts[i], err = c.drive(ctx, l.InFlight/l.Connections, began.Add(l.For), sql)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	took, all := time.Since(began), 0
	for _, n := range counts {
		all += n
	}
	return float64(all) / took.Seconds(), nil
}

// drive sends a new query for each answer until the end, and then takes the answers that are left. The connection is of no use after it.
func (c *Conn) drive(ctx context.Context, depth int, end time.Time, sql string) (int, error) {
	ctx, stop := context.WithCancelCause(ctx)
	free := make(chan struct{}, depth) // holds one for each query in flight
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := c.read(ctx); err != nil {
				stop(err)
				return
			}
			<-free
		}
	}()
	defer func() { stop(nil); <-ended }()
	take := func() error {
		select {
		case free <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	n := 0
	for ; time.Now().Before(end); n++ {
		if err := take(); err != nil {
			return n, err
		}
		if err := c.ws.Write(ctx, websocket.MessageText, Query(n, sql, "")); err != nil {
			return n, fmt.Errorf("writing: %w", err)
		}
	}
	for range depth {
		if err := take(); err != nil {
			return n, err
		}
	}
	return n, nil
}
