package source

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

// step is what the reading goroutine of a copy sends to the loop. Exactly one of its meanings is set; over comes
// last and together with err, or with the place where the last row was read.
type step struct {
	job       *copying
	described bool
	known     *catalog.Table // with described; nil if the table is gone
	hold      bool
	frozen    bool // at is the place of the snapshot
	piece     *snapshot.Piece
	chunk     *publish.Chunk
	at        *place
	over      bool
	err       error
}

// run reads copies, each with a connection that the loop has taken for it.
func (c *copies) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for range c.bounds.Connections() {
		group.Go(func() error { return c.readAll(ctx) })
	}
	return group.Wait()
}

func (c *copies) readAll(ctx context.Context) error {
	for {
		select {
		case job := <-c.jobs:
			at, err := c.read(job)
			c.bounds.Give()
			if err := c.send(ctx, step{job: job, over: true, at: at, err: err}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *copies) send(ctx context.Context, s step) error {
	select {
	case c.steps <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads one table and returns where the binlog stood after its last row.
func (c *copies) read(job *copying) (*place, error) {
	ctx, server := job.ctx, c.r.server
	known, err := c.describe(job)
	if err != nil {
		return nil, err
	}
	if job.refused != nil && known != nil && known.Unsupported == nil {
		if err := (&snapshot.Copy{Server: server, Table: known, Definition: known.Definition()}).Again(ctx, job.refused); err != nil {
			return nil, err
		}
	}
	if err := c.send(ctx, step{job: job, described: true, known: known}); err != nil {
		return nil, err
	}
	var begin beginning
	select {
	case begin = <-job.begun:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	table := &snapshot.Copy{Server: server, Table: known, Definition: begin.definition}
	if job.check != nil {
		return c.readCheck(ctx, job, table, begin)
	}
	table.Bounds = c.bounds
	emit := func(p snapshot.Piece) error {
		if err := c.keepPace(ctx, job, p.Rows.Len()); err != nil {
			return err
		}
		return c.send(ctx, step{job: job, piece: &p})
	}
	if len(known.Key) > 0 {
		err = table.Keyed(ctx, begin.position, begin.resume, emit)
	} else {
		err = c.readFrozen(ctx, job, table, emit)
	}
	if err != nil {
		return nil, err
	}
	return c.head(ctx, known, known.Transactional || len(known.Key) == 0)
}

// describe returns the table as the source has it, nil where it is gone.
func (c *copies) describe(job *copying) (*catalog.Table, error) {
	if job.known != nil {
		return job.known, nil
	}
	found, err := c.r.schema(job.ctx, job.table)
	return found[job.table], err
}

// readFrozen reads a table without a key: at one place, which is found while the stream stands still.
func (c *copies) readFrozen(ctx context.Context, job *copying, table *snapshot.Copy, emit snapshot.Emit) error {
	if err := c.send(ctx, step{job: job, hold: true}); err != nil {
		return err
	}
	var passed binlog.Position
	select {
	case passed = <-job.held:
	case <-ctx.Done():
		return ctx.Err()
	}
	frozen, err := table.Freeze(ctx, passed)
	if err != nil {
		return err
	}
	defer frozen.Close()
	if err := c.send(ctx, step{job: job, frozen: true, at: &place{frozen.File, frozen.Offset}}); err != nil {
		return err
	}
	return frozen.Read(ctx, emit)
}

// head is where the binlog stands when every row read so far is in it. Engines without transactions show rows
// before they are logged; a lock waits for that, unless logged says that it need not.
func (c *copies) head(ctx context.Context, known *catalog.Table, logged bool) (*place, error) {
	var at place
	read := func() (err error) {
		at.file, at.offset, err = c.r.server.Head(ctx)
		return err
	}
	if logged {
		return &at, read()
	}
	conn, err := c.r.server.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	err = errors.Join(c.r.server.Locked(ctx, conn, known.Name, read), conn.Close())
	return &at, err
}
