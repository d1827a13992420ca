// Package feed stands for ingest where a benchmark is about the loader alone: it writes frames of one
// order table into the stream, which the real loader reads.
package feed

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/testkit/stack"
)

// Table is the name of the order table, Database that of its database.
const (
	Table    = "Order"
	Database = "default"
)

const frameRows = 4000

// Feed is a NATS server, a loader that can be started and stopped, and the loader's source.
type Feed struct {
	Stack *stack.Stack

	bus    *bus.Bus
	pub    *bus.Publisher
	def    *cdcv1.TableDefinition
	random *rand.Rand
	copies uint64
	// next is the id of the next new row. Ids are never used twice; live tells which of them exist.
	next   int64
	live   []bool
	offset uint64
}

// New starts NATS with an empty stream. env is added to the loader's environment.
func New(ctx context.Context, env ...string) (*Feed, error) {
	s, err := stack.New(stack.Options{Source: "mysql://nobody:nothing@127.0.0.1:1/orders", Env: env})
	if err != nil {
		return nil, err
	}
	f := &Feed{Stack: s, def: definition(), random: rand.New(rand.NewPCG(1, 2))}
	if err := f.open(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Feed) open(ctx context.Context) error {
	if err := f.Stack.NATS.Start(); err != nil {
		return err
	}
	for {
		var err error
		f.bus, err = bus.Connect(ctx, bus.Config{URL: f.Stack.NATSURL(), Name: "bench", Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			break
		}
		if ctx.Err() != nil || !f.Stack.NATS.Running() {
			return err
		}
		time.Sleep(pause)
	}
	if err := f.bus.EnsureStream(ctx, Database, bus.StreamOptions{}); err != nil {
		return err
	}
	tail, err := f.bus.Tail(ctx, Database)
	if err != nil {
		return err
	}
	f.pub, err = f.bus.Publisher(Database, tail, bus.PublisherOptions{})
	return err
}

// Close ends everything.
func (f *Feed) Close() {
	if f.pub != nil {
		f.pub.Close()
	}
	if f.bus != nil {
		f.bus.Close()
	}
	_ = f.Stack.Close() // the temporary folder may stay behind; nothing can be done about it here
}

func definition() *cdcv1.TableDefinition {
	def := &cdcv1.TableDefinition{Table: Table, Key: []uint32{0}, Columns: []*cdcv1.Column{
		{Name: "id", Type: cdcv1.Type_TYPE_INT64}, {Name: "userId", Type: cdcv1.Type_TYPE_INT32},
		{Name: "status", Type: cdcv1.Type_TYPE_TEXT}, {Name: "total", Type: cdcv1.Type_TYPE_DECIMAL, Precision: 10, Scale: 2},
		{Name: "createdAt", Type: cdcv1.Type_TYPE_TIMESTAMP}, {Name: "note", Type: cdcv1.Type_TYPE_TEXT, Nullable: true},
	}}
	def.Fingerprint = frame.Fingerprint(def)
	return def
}

func (f *Feed) put(ctx context.Context, m *cdcv1.Frame) error {
	m.Source, m.Epoch = Database, 1
	m.Position = &cdcv1.Position{File: "binlog.000001", Offset: f.offset, Server: "bench", CommitTimeUs: time.Now().UnixMicro()}
	data, err := frame.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding frame: %w", err)
	}
	_, err = f.pub.Publish(ctx, fmt.Sprint(f.offset), data)
	f.offset++
	return err
}

// Fill sends a copy of the table with the given number of rows.
func (f *Feed) Fill(ctx context.Context, rows int) error {
	f.copies++
	if err := f.put(ctx, &cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: Table, CopyId: f.copies, Definition: f.def}}}); err != nil {
		return err
	}
	f.live = make([]bool, rows)
	out := frame.NewRows(f.def)
	for f.next = 0; f.next < int64(rows); {
		out.Reset()
		for ; out.Len() < frameRows && f.next < int64(rows); f.next++ {
			f.row(out, cdcv1.Operation_OPERATION_INSERT, f.next)
			f.live[f.next] = true
		}
		err := f.put(ctx, &cdcv1.Frame{Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{
			CopyId: f.copies, Rows: out.Message(), RowsSent: uint64(f.next), RowsEstimated: uint64(rows),
		}}})
		if err != nil {
			return err
		}
	}
	if err := f.put(ctx, &cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: Table, CopyId: f.copies, Rows: uint64(rows)}}}); err != nil {
		return err
	}
	return f.pub.Flush(ctx)
}

// Mixed sends changes at random keys, 60 % updates, 30 % inserts, 10 % deletes, in transactions of so many rows.
func (f *Feed) Mixed(ctx context.Context, changes, transaction int) error {
	out := frame.NewRows(f.def)
	pending := uint32(0)
	send := func() error {
		err := f.put(ctx, &cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Tables: []*cdcv1.TableRows{out.Message()}, Transactions: pending}}})
		out.Reset()
		pending = 0
		return err
	}
	for done := range changes {
		f.change(out)
		if (done+1)%transaction == 0 {
			pending++
		}
		if pending > 0 && out.Len() >= frameRows {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if out.Len() > 0 {
		pending = max(pending, 1)
		if err := send(); err != nil {
			return err
		}
	}
	return f.pub.Flush(ctx)
}

// Giant sends one transaction of so many inserts.
func (f *Feed) Giant(ctx context.Context, rows int) error {
	out := frame.NewRows(f.def)
	for done := 0; done < rows; {
		out.Reset()
		for ; out.Len() < frameRows && done < rows; done++ {
			f.row(out, cdcv1.Operation_OPERATION_INSERT, f.next)
			f.live = append(f.live, true)
			f.next++
		}
		m := &cdcv1.Changes{Tables: []*cdcv1.TableRows{out.Message()}, Open: done < rows}
		if !m.GetOpen() {
			m.Transactions = 1
		}
		if err := f.put(ctx, &cdcv1.Frame{Body: &cdcv1.Frame_Changes{Changes: m}}); err != nil {
			return err
		}
	}
	return f.pub.Flush(ctx)
}

func (f *Feed) change(out *frame.Rows) {
	switch p := f.random.IntN(10); {
	case p < 6:
		f.row(out, cdcv1.Operation_OPERATION_UPDATE, f.existing())
	case p < 9:
		f.row(out, cdcv1.Operation_OPERATION_INSERT, f.next)
		f.live = append(f.live, true)
		f.next++
	default:
		id := f.existing()
		f.live[id] = false
		f.row(out, cdcv1.Operation_OPERATION_DELETE, id)
	}
}

// existing picks a row that exists; most do.
func (f *Feed) existing() int64 {
	for {
		if id := f.random.Int64N(f.next); f.live[id] {
			return id
		}
	}
}

var statuses = []string{"pending", "paid", "shipped", "delivered"}

func (f *Feed) row(out *frame.Rows, op cdcv1.Operation, id int64) {
	out.Column(0).Int(id)
	if op != cdcv1.Operation_OPERATION_DELETE {
		h := f.random.Uint64()
		out.Column(1).Int(int64(h % 100_000))
		out.Column(2).String(statuses[h>>60&3])
		out.Column(3).Int(int64(h >> 30 % 100_000_000))
		out.Column(4).Int(1_735_689_600_000_000 + id*1_000_000)
		out.Column(5).String(fmt.Sprintf("note %d", h))
	}
	out.EndRow(op)
}

const pause = 5 * time.Millisecond

// Await waits until the newest generation holds everything that was sent, and returns its manifest.
func (f *Feed) Await(ctx context.Context) (*generation.Manifest, error) {
	dir := generation.Dir(f.Stack.DataDir(), Database)
	for {
		m, err := generation.Read(dir)
		if err == nil && m.Position.Offset == f.offset-1 {
			return m, nil
		}
		if !f.Stack.Loader.Running() {
			return nil, fmt.Errorf("the loader ended: %s", f.Stack.Loader.Tail())
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the loader: %w (%w)", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// Rows is how many rows the table has at the source.
func (f *Feed) Rows() int64 {
	n := int64(0)
	for _, live := range f.live {
		if live {
			n++
		}
	}
	return n
}
