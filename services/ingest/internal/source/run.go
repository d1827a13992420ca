package source

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/catalog"
	"github.com/chittihq/duckling/services/ingest/internal/preflight"
	"github.com/chittihq/duckling/services/ingest/internal/publish"
	"github.com/chittihq/duckling/services/ingest/internal/server"
)

const (
	// heartbeat is how often an idle source's State goes out.
	heartbeat = time.Second
	// stateEvery bounds how many frames a resuming run reads back.
	stateEvery = 128
	// gather is how long transactions may wait for frames before theirs to be stored.
	gather = 2 * time.Millisecond
)

// run is one attempt: from the stream's end until something fails. Its fields
// belong to the loop's goroutine; the readers of the binlog and of copies only send.
type run struct {
	cfg      Config
	log      *slog.Logger
	metrics  *Metrics
	status   *statusBoard
	requests chan request

	server   *server.Server
	charsets *catalog.Charsets
	reader   *binlog.Reader
	writer   *publish.Writer
	// stored gets a word when a frame is stored; one that is not taken yet stands for several.
	stored chan struct{}

	epoch    uint64
	position binlog.Position // of the last transaction read to its end
	tables   tables
	views    map[*binlog.TableMap]*view
	copies   copies

	transaction []*binlog.Event // of the transaction under way, as long as it is small
	gathered    int             // their bytes
	large       bool            // the transaction under way has outgrown that
	touched     map[string]bool // tables whose rows a large transaction holds
	prepared    map[string]*prepared
	nextCopyID  uint64
	lastState   time.Time
	// dates is what was made of dates that no calendar has in all that was sent.
	dates cdcv1.ZeroDates
}

// runOnce resumes where the stream ends and follows the source until an error.
func (s *Source) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.bus.EnsureStream(ctx, s.cfg.ID, bus.StreamOptions{}); err != nil {
		return err
	}
	h, err := readHistory(ctx, s.bus, s.cfg.ID)
	if err != nil {
		return err
	}
	srv, err := server.Connect(ctx, s.cfg.Server)
	if err != nil {
		return err
	}
	defer srv.Close()
	if err := preflight.Require(ctx, srv); err != nil {
		return err
	}
	charsets, err := catalog.ReadCharsets(ctx, srv)
	if err != nil {
		return err
	}
	stored, measure := make(chan struct{}, 1), s.metrics.acked(s.cfg.ID)
	publisher, err := s.bus.Publisher(s.cfg.ID, h.tail, bus.PublisherOptions{OnAck: func(seq uint64, took time.Duration) {
		measure(seq, took)
		select {
		case stored <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return err
	}
	defer publisher.Close()

	r := &run{
		cfg: s.cfg, log: s.log, metrics: s.metrics, status: &s.status, requests: s.requests,
		server: srv, charsets: charsets, stored: stored,
		epoch: h.epoch, tables: h.tables, nextCopyID: h.nextCopyID, dates: h.dates,
		views: map[*binlog.TableMap]*view{}, touched: map[string]bool{}, prepared: map[string]*prepared{},
	}
	r.copies.init(r, &s.copiesPaused)
	srv.KeepIdle(r.copies.bounds.Connections())
	if err := r.begin(ctx, s, h, publisher); err != nil {
		return err
	}
	r.reader = binlog.NewReader(binlog.Config{
		Flavor: srv.Flavor, Host: s.cfg.Server.Host, Port: s.cfg.Server.Port, User: s.cfg.Server.User,
		Password: s.cfg.Server.Password, TLS: s.cfg.Server.TLS, ServerID: s.cfg.ServerID,
	})
	group, ctx := errgroup.WithContext(ctx)
	from := r.position
	from.GTIDs = from.GTIDs.Clone()
	group.Go(func() error { return r.reader.Run(ctx, from) })
	group.Go(func() error { return r.copies.run(ctx) })
	group.Go(func() error { return r.loop(ctx) })
	return group.Wait()
}

// loop takes whatever comes, the binlog first. What was collected goes out as soon as nothing more is at hand and
// what was sent before is stored. So an idle stream does not wait, and the frames of a busy one grow instead of becoming many: each
// costs the server and us as much as hundreds of rows.
func (r *run) loop(ctx context.Context) error {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	gathered := time.NewTimer(gather)
	defer gathered.Stop()
	waiting := false
	for {
		select {
		case e := <-r.reader.Events():
			if err := r.event(ctx, e); err != nil {
				return err
			}
			continue
		default:
		}
		switch waits := r.writer.Waits(); {
		case waits && !waiting:
			gathered.Reset(gather)
			waiting = true
		case !waits:
			waiting = false
			if err := r.writer.Flush(ctx); err != nil {
				return err
			}
			if err := r.atRest(ctx); err != nil {
				return err
			}
		}
		steps, requests, tick := r.copies.steps, r.requests, ticker.C
		if r.large { // nothing may stand within a transaction
			steps, requests, tick = nil, nil, nil
		}
		select {
		case e := <-r.reader.Events():
			if err := r.event(ctx, e); err != nil {
				return err
			}
		case <-r.stored:
		case <-gathered.C:
			if err := r.writer.Flush(ctx); err != nil {
				return err
			}
		case step := <-steps:
			if err := r.copies.take(ctx, step); err != nil {
				return err
			}
		case q := <-requests:
			q.reply <- r.answer(ctx, q)
		case <-tick:
			if time.Since(r.lastState) >= heartbeat {
				if err := r.checkpoint(ctx, false); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// atRest does what may be done between two transactions, when all that was read has been sent.
func (r *run) atRest(ctx context.Context) error {
	if r.large {
		return nil
	}
	if r.writer.FramesSinceState() >= stateEvery {
		if err := r.checkpoint(ctx, false); err != nil {
			return err
		}
	}
	return r.copies.advance(ctx)
}

// event takes one step of the binlog. A transaction is gathered until its end, so that several small ones share a
// frame; one that outgrows a frame is sent as it comes.
func (r *run) event(ctx context.Context, e *binlog.Event) error {
	switch e.Kind {
	case binlog.Passed:
		defer r.reader.Done(e)
		if len(r.transaction) == 0 && !r.large {
			// Reading from a GTID on, MariaDB begins with the description at the file's beginning, which the stream has long passed.
			if e.File != r.position.File || e.Offset > r.position.Offset {
				r.position.File, r.position.Offset = e.File, e.Offset
				r.writer.Moved(r.position)
			}
			r.status.idle(r.position)
			return r.copies.passed(ctx)
		}
		return nil
	case binlog.Statement:
		if e.Alone {
			defer r.reader.Done(e)
			return r.statement(ctx, e)
		}
	case binlog.End:
		return r.end(ctx, e)
	}
	if r.large {
		defer r.reader.Done(e)
		return r.part(ctx, e)
	}
	r.transaction = append(r.transaction, e)
	r.gathered += len(e.Images)
	if r.gathered < publish.FrameSize {
		return nil
	}
	if e.XA {
		r.forgetRows()
		return nil
	}
	// From here on its rows go out on their own.
	if err := r.writer.Flush(ctx); err != nil {
		return err
	}
	r.large = true
	return r.replay(ctx)
}

// replay appends the rows of the gathered events.
func (r *run) replay(ctx context.Context) error {
	for _, e := range r.transaction {
		err := r.part(ctx, e)
		r.reader.Done(e)
		if err != nil {
			return err
		}
	}
	clear(r.transaction)
	r.transaction, r.gathered = r.transaction[:0], 0
	return nil
}

// part handles one event within a transaction.
func (r *run) part(ctx context.Context, e *binlog.Event) error {
	if e.Kind == binlog.Statement {
		return r.statementWithin(ctx, e)
	}
	if err := r.rows(ctx, e); err != nil {
		return err
	}
	if r.large && r.writer.Full() {
		return r.writer.FlushOpen(ctx, transactionName(e))
	}
	return nil
}

// end completes the transaction under way.
func (r *run) end(ctx context.Context, e *binlog.Event) error {
	defer r.reader.Done(e)
	if e.Prepared != "" {
		return r.prepare(ctx, e)
	}
	if err := r.complete(e); err != nil {
		return err
	}
	if err := r.judge(e); err != nil {
		return err
	}
	if err := r.replay(ctx); err != nil {
		return err
	}
	r.large = false
	clear(r.touched)
	r.reach(e)
	r.writer.EndTransaction(transactionName(e), r.position)
	if r.writer.Open() || r.writer.Full() {
		if err := r.writer.Flush(ctx); err != nil {
			return err
		}
		if err := r.atRest(ctx); err != nil {
			return err
		}
		return r.copies.takeOne(ctx)
	}
	return r.copies.passed(ctx)
}

// reach moves the position to the end of a transaction.
func (r *run) reach(e *binlog.Event) {
	if e.GTID.Valid() && r.position.GTIDs != nil {
		r.position.GTIDs.Add(e.GTID)
	}
	r.position.File, r.position.Offset, r.position.CommitTime = e.File, e.Offset, e.CommitTime
	r.status.reached(r.position)
}

// transactionName is the same for every event of a transaction that has a GTID.
func transactionName(e *binlog.Event) string {
	if e.GTID.Valid() {
		return e.GTID.String()
	}
	return fmt.Sprintf("%s:%d", e.File, e.Offset)
}

// checkpoint sends a State.
func (r *run) checkpoint(ctx context.Context, restart bool) error {
	r.lastState = time.Now()
	r.countTables()
	return r.writer.State(ctx, &cdcv1.State{
		Restart:      restart,
		Tables:       r.tables.states(),
		NextCopyId:   r.nextCopyID,
		SourceTimeUs: r.status.sourceTime(),
		ZeroDates:    r.dates,
	})
}

// countTables tells metrics and status in which phase tables are.
func (r *run) countTables() { r.status.settle(r.metrics.phases(r.cfg.ID, r.tables)) }
