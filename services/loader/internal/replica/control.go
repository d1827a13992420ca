package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
)

// everything stands for all tables in what is asked of ingest.
const everything = ""

// askAgain is how long a request for a copy may go without the copy beginning.
const askAgain = 30 * time.Second

// command is a control request, of others to the loader and of the loader to ingest.
type command struct {
	Op string `json:"op"`
	// Table is empty for all tables.
	Table string `json:"table,omitempty"`
	// Tables are those whose copies ingest is to give up.
	Tables []string `json:"tables,omitempty"`
	Reason string   `json:"reason,omitempty"`
	// Slowly has ingest keep to the rate of periodic work.
	Slowly bool `json:"slowly,omitempty"`
	// After and Rows are the part of the table that ingest is to check.
	After []byte `json:"after,omitempty"`
	Rows  int    `json:"rows,omitempty"`
}

type recopy struct {
	table string
	reply chan error
}

// answer is what ingest said to a request for a copy.
type answer struct {
	table string
	err   error
}

// serve answers control requests until ctx ends.
func (r *Replica) serve(ctx context.Context) error {
	err := r.bus.Serve(ctx, bus.LoaderControl(r.cfg.Database), func(ctx context.Context, request []byte) ([]byte, error) {
		var c command
		if err := json.Unmarshal(request, &c); err != nil {
			return nil, &bus.ControlError{Code: "bad-request", Message: "the request is not JSON"}
		}
		switch c.Op {
		case "status":
			return json.Marshal(r.Status())
		case "resync":
			return r.resync(ctx, c.Table)
		case "check", "cancel", "validate":
			return r.order(ctx, c)
		default:
			return nil, &bus.ControlError{Code: "bad-request", Message: fmt.Sprintf("op %q is unknown; there are status, resync, check, cancel and validate", c.Op)}
		}
	})
	if err != nil {
		return fmt.Errorf("serving control requests: %w", err)
	}
	return nil
}

// resync has ingest copy a table, or all of them, and returns when it agreed.
func (r *Replica) resync(ctx context.Context, table string) ([]byte, error) {
	q := recopy{table: table, reply: make(chan error, 1)}
	select {
	case r.resyncs <- q:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case err := <-q.reply:
		if err != nil {
			return nil, err
		}
		return []byte(`{"accepted":true}`), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// request passes a wish for a copy on to ingest.
func (s *session) request(ctx context.Context, q recopy) {
	if q.table != everything && s.book.Table(q.table) == nil {
		q.reply <- &bus.ControlError{Code: "unknown-table", Message: fmt.Sprintf("there is no table %q", q.table)}
		return
	}
	go func() { q.reply <- s.askIngest(ctx, q.table, "it was asked for") }()
}

func (s *session) askIngest(ctx context.Context, table, reason string) error {
	data, err := json.Marshal(command{Op: "copy", Table: table, Reason: reason})
	if err != nil {
		return fmt.Errorf("encoding request: %w", err)
	}
	_, err = s.bus.Request(ctx, bus.IngestControl(s.cfg.Database), data)
	return err
}

// ask has ingest copy what cannot be followed otherwise. It is called when the
// stream has been read to its end, so a copy that ingest began by itself is known.
func (s *session) ask(ctx context.Context) {
	for table, reason := range s.wanted() {
		if time.Since(s.asked[table]) < askAgain {
			continue
		}
		s.asked[table] = time.Now()
		go func() {
			a := answer{table: table, err: s.askIngest(ctx, table, reason)}
			select {
			case s.answers <- a:
			case <-ctx.Done():
			}
		}()
	}
}

// answered notes what ingest said.
func (s *session) answered(a answer) {
	switch {
	case a.err == nil && a.table == everything:
		s.applier.Asked()
	case a.err == nil:
	case errors.Is(a.err, bus.ErrNoResponders), errors.Is(a.err, bus.ErrDisconnected):
		// Ingest is down; it is asked again soon after it can be back.
		s.asked[a.table] = time.Now().Add(2*time.Second - askAgain)
	default:
		s.log.Warn("ingest does not copy a table that has to be copied", "table", a.table, "error", a.err)
	}
}
