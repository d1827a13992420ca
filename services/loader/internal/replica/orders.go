package replica

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/chittihq/duckling/pkg/bus"
)

// order is a control request about comparisons, on its way to the loop.
type order struct {
	command
	reply chan orderReply
}

type orderReply struct {
	data []byte
	err  error
}

// order passes a request to the loop and returns its answer.
func (r *Replica) order(ctx context.Context, c command) ([]byte, error) {
	o := order{command: c, reply: make(chan orderReply, 1)}
	select {
	case r.orders <- o:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case a := <-o.reply:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// obey does what was asked for and sees to it that it is answered.
func (r *reconciler) obey(ctx context.Context, o order) {
	var answer orderReply
	switch {
	case o.Table != everything && r.book.Table(o.Table) == nil:
		answer.err = &bus.ControlError{Code: "unknown-table", Message: "there is no table '" + o.Table + "'"}
	case o.Op == "check":
		for _, t := range r.book.Tables() {
			if o.Table == everything || t.Source == o.Table {
				r.want(wish{table: t.Source, asked: true})
			}
		}
		r.next(ctx)
		answer.data = []byte(`{"accepted":true}`)
	case o.Op == "cancel":
		c := r.cancelled(ctx, o.Table)
		go func() { o.reply <- c.copies(ctx, r.Replica) }()
		r.snapshot()
		return
	default:
		answer.data, answer.err = json.Marshal(r.validation())
	}
	r.snapshot() // who is answered sees in the status what it led to
	o.reply <- answer
}

// Cancelled is the answer to cancel.
type Cancelled struct {
	// Count is of comparisons and copies.
	Count int `json:"cancelled"`
	// Copies are the tables whose copies were cancelled, waiting or under way.
	Copies []string `json:"copies,omitempty"`
	// Needed are the tables whose copies go on, and why they cannot do without.
	Needed map[string]string `json:"needed,omitempty"`
}

// cancelling is a cancel of which the copies are still to be cancelled, where they are spare.
type cancelling struct {
	Cancelled
	table string
	spare []string
}

// cancelled forgets the comparisons of a table, waiting or under way, and tells which copies may be given up.
func (r *reconciler) cancelled(ctx context.Context, table string) cancelling {
	c := cancelling{table: table, Cancelled: Cancelled{Count: r.stop(ctx, table), Needed: map[string]string{}}}
	for _, t := range r.book.Tables() {
		needs := cmp.Or(t.Needs(), r.toCopy[t.Source])
		switch {
		case table != everything && table != t.Source || t.Gone:
		case needs == "":
			c.spare = append(c.spare, t.Source)
		default:
			c.Needed[t.Source] = needs
		}
	}
	return c
}

// copies has ingest give up the copies, which of those that wait it alone knows. What it agrees to is in the stream already.
func (c cancelling) copies(ctx context.Context, r *Replica) orderReply {
	if needs := c.Needed[c.table]; needs != "" && c.Count == 0 {
		return orderReply{err: &bus.ControlError{
			Code: "bad-request", Message: fmt.Sprintf("table '%s' cannot do without its copy: %s; POST /sync/pause stops copies for a while", c.table, needs),
		}}
	}
	if len(c.spare) > 0 {
		done, err := r.cancelCopies(ctx, c.spare)
		if err != nil {
			return orderReply{err: err}
		}
		c.Copies = done
		c.Count += len(done)
	}
	data, err := json.Marshal(c.Cancelled)
	return orderReply{data: data, err: err}
}

func (r *Replica) cancelCopies(ctx context.Context, tables []string) ([]string, error) {
	request, err := json.Marshal(command{Op: "cancel-copies", Tables: tables})
	if err != nil {
		return nil, fmt.Errorf("encoding request: %w", err)
	}
	answer, err := r.bus.Request(ctx, bus.IngestControl(r.cfg.Database), request)
	switch {
	case errors.Is(err, bus.ErrNoResponders), errors.Is(err, bus.ErrDisconnected):
		return nil, &bus.ControlError{Code: "unavailable", Message: "comparisons were cancelled, and copies were not: ingest does not answer"}
	case err != nil:
		return nil, err
	}
	var status struct {
		Cancelled []string `json:"cancelled"`
	}
	if err := json.Unmarshal(answer, &status); err != nil {
		return nil, fmt.Errorf("reading ingest's answer: %w", err)
	}
	return status.Cancelled, nil
}

// stop forgets comparisons, waiting or under way, and returns how many.
func (r *reconciler) stop(ctx context.Context, table string) int {
	is := func(w wish) bool { return table == everything || w.table == table }
	for name := range r.partial {
		if table == everything || table == name {
			r.forget(name)
		}
	}
	n := len(r.wishes)
	r.wishes = slices.DeleteFunc(r.wishes, is)
	n -= len(r.wishes)
	if r.stage != resting && is(r.now) {
		r.request(ctx, r.now.table, command{Op: "cancel", Table: r.now.table})
		r.drop()
		n++
	}
	return n
}
