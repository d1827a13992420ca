package snapshot

import (
	"context"
	"database/sql"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// span is a range of keys: after < key <= upto. The bounds are literals for a
// statement, one for each key column; a nil bound is open.
type span struct {
	after, upto []string
	most        uint64 // rows; 0 is no bound
	*output
}

// output is where the pieces of a span wait for their turn.
type output struct {
	pieces chan Piece
	turn   chan struct{} // closed when the pieces before have been published
	err    error         // set before pieces is closed
}

// spreading is the reading of one table by its own connection and whichever others are free. The own one finds the ranges, too.
//
// Nothing waits for a connection but who has nothing to do without one, and ranges are begun in their order; so the
// first range that is not published yet is being read, or is the next to be, and its pieces wait for nobody.
type spreading struct {
	*Copy
	emit    Emit
	work    chan *span // ranges that nobody reads yet
	order   chan *span // ranges in the order of publishing
	begun   bool       // helpers may come
	holding atomic.Int64
}

// spread reads the ranges after a key.
func (c *Copy) spread(ctx context.Context, conn *sql.Conn, visible binlog.Position, after []string, emit Emit) error {
	helpers := c.Bounds.Connections() - 1
	s := &spreading{Copy: c, emit: emit, work: make(chan *span, helpers+1), order: make(chan *span, 2*helpers+2)}
	// What was read and not published, because of an error, is given up.
	defer func() {
		for range s.holding.Load() {
			<-c.Bounds.pieces
		}
	}()
	group, ctx := errgroup.WithContext(ctx)
	over, end := context.WithCancel(ctx)
	group.Go(func() error { return s.forward(ctx) })
	group.Go(func() error {
		defer end() // nobody needs to wait for a connection any longer
		defer close(s.order)
		defer close(s.work)
		err := c.walk(ctx, conn, after, func(found *span) error {
			if !s.begun && found.upto != nil { // one range is no work for several
				s.begun = true
				for range helpers {
					group.Go(func() error { return s.help(ctx, over, visible) })
				}
			}
			return s.found(ctx, conn, found)
		})
		for err == nil {
			select {
			case next := <-s.work:
				err = s.read(ctx, conn, next)
			default:
				return nil
			}
		}
		return err
	})
	return group.Wait()
}

// found hands a range on, and reads one while there is enough for the others to do.
func (s *spreading) found(ctx context.Context, conn *sql.Conn, found *span) error {
	found.output = &output{pieces: make(chan Piece, waitingPieces), turn: make(chan struct{})}
	select {
	case s.order <- found:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		select {
		case s.work <- found:
			return nil
		default:
		}
		select {
		case next := <-s.work:
			if err := s.read(ctx, conn, next); err != nil {
				return err
			}
		default:
		}
	}
}

// help reads ranges once a connection is free.
func (s *spreading) help(ctx, over context.Context, visible binlog.Position) error {
	select {
	case s.Bounds.connections <- struct{}{}:
		defer s.Bounds.Give()
	case <-over.Done():
		return ctx.Err()
	}
	next, ok := <-s.work
	if !ok {
		return nil
	}
	return s.visibly(ctx, visible, func(conn *sql.Conn) error {
		for ; ok; next, ok = <-s.work {
			if err := s.read(ctx, conn, next); err != nil {
				return err
			}
		}
		return nil
	})
}

// read reads a range. A piece whose turn has not come needs room to wait.
func (s *spreading) read(ctx context.Context, conn *sql.Conn, of *span) error {
	of.err = s.readSpan(ctx, conn, of, func(p Piece) error {
		select {
		case <-of.turn:
		case s.Bounds.pieces <- struct{}{}:
			s.holding.Add(1)
			p.waits = true
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case of.pieces <- p:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(of.pieces)
	return of.err
}

// forward publishes the ranges in their order.
func (s *spreading) forward(ctx context.Context) error {
	for next := range s.order {
		close(next.turn)
		if err := s.publish(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// publish emits the pieces of a range as they come.
func (s *spreading) publish(ctx context.Context, of *span) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case piece, ok := <-of.pieces:
			if !ok {
				return of.err
			}
			if piece.waits {
				<-s.Bounds.pieces
				s.holding.Add(-1)
			}
			if err := s.emit(piece); err != nil {
				return err
			}
		}
	}
}
