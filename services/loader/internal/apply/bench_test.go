package apply_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/filetest"
	"github.com/chittihq/duckling/services/loader/internal/frametest"
	"github.com/chittihq/duckling/services/loader/internal/live"
	"github.com/chittihq/duckling/services/loader/internal/publish"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// bench is a file with an order table of some rows.
type bench struct {
	b    *testing.B
	file *live.File
	conn *duck.Conn
	pub  *publish.Publisher
	def  *cdcv1.TableDefinition
	r    *rand.Rand
	next int64
	seq  uint64
	*apply.Applier
}

func newBench(b *testing.B, rows int) *bench { return newBenchIn(b, b.TempDir(), rows) }

func newBenchIn(b *testing.B, dir string, rows int) *bench {
	file, err := live.Open(dir, source, live.Options{})
	if err != nil {
		b.Fatal(err)
	}
	x := &bench{b: b, file: file, def: frametest.Orders(), r: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // repeatable on purpose
	b.Cleanup(file.Close)
	if x.conn, err = file.DB.Connect(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(x.conn.Close)
	book, err := schema.Open(x.conn, source)
	if err != nil {
		b.Fatal(err)
	}
	x.Applier = apply.New(x.conn, book, file.Catalog(), func() {}, slog.New(slog.DiscardHandler))
	b.Cleanup(x.Applier.Close)
	conn, err := file.DB.Connect()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	if x.pub, err = publish.New(file, conn, dir, source, slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	x.put(&cdcv1.Frame{Body: &cdcv1.Frame_TableEvent{TableEvent: &cdcv1.TableEvent{
		Kind: cdcv1.TableEvent_KIND_CREATE, Table: x.def.GetTable(), Definition: x.def,
	}}})
	if rows > 0 {
		if err := x.conn.Exec(frametest.FillOrders(file.Catalog()+".main", rows)); err != nil {
			b.Fatal(err)
		}
		x.next = int64(rows)
		x.checkpoint()
	}
	return x
}

func (x *bench) put(f *cdcv1.Frame) {
	f.Source, f.Epoch = source, 1
	f.Position = &cdcv1.Position{GtidSet: fmt.Sprint(x.seq)}
	data, err := frame.Marshal(f)
	if err != nil {
		x.b.Fatal(err)
	}
	x.add(data)
}

func (x *bench) add(data []byte) {
	x.seq++
	f, err := frame.Unmarshal(data)
	if err != nil {
		x.b.Fatal(err)
	}
	if _, err := x.Add(x.seq, fmt.Sprint(x.seq), f); err != nil {
		x.b.Fatal(err)
	}
}

func (x *bench) checkpoint() {
	if err := x.pub.Checkpoint(); err != nil {
		x.b.Fatal(err)
	}
}

// mixed makes a frame of changes at random keys: 60 % updates, 30 % inserts, 10 % deletes.
func (x *bench) mixed(rows int) []byte {
	out := frame.NewRows(x.def)
	for i := range rows {
		switch {
		case i%10 < 6:
			frametest.AppendOrder(out, cdcv1.Operation_OPERATION_UPDATE, x.r.Int64N(x.next))
		case i%10 < 9:
			frametest.AppendOrder(out, cdcv1.Operation_OPERATION_INSERT, x.next)
			x.next++
		default:
			frametest.AppendOrder(out, cdcv1.Operation_OPERATION_DELETE, x.r.Int64N(x.next))
		}
	}
	data, err := frame.Marshal(&cdcv1.Frame{
		Source: source, Epoch: 1, Position: &cdcv1.Position{GtidSet: "x"},
		Body: &cdcv1.Frame_Changes{Changes: &cdcv1.Changes{Tables: []*cdcv1.TableRows{out.Message()}, Transactions: 1}},
	})
	if err != nil {
		x.b.Fatal(err)
	}
	return data
}

// Batches of mixed changes on a table of 10M rows, from the bytes of the frames
// to the commit; the checkpoint after each is not in the time.
func BenchmarkBatch(b *testing.B) {
	const frameRows = 4000
	for _, rows := range []int{25, 1000, 20_000, 100_000, 200_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			x := newBench(b, 10_000_000)
			for b.Loop() {
				b.StopTimer()
				var frames [][]byte
				for left := rows; left > 0; left -= frameRows {
					frames = append(frames, x.mixed(min(left, frameRows)))
				}
				b.StartTimer()
				for _, data := range frames {
					x.add(data)
				}
				if _, err := x.Commit(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				x.checkpoint()
				b.StartTimer()
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// A copy of a table, from the bytes of the frames to the swap, checkpoint included.
func BenchmarkCopy(b *testing.B) {
	const frameRows = 5000
	for _, rows := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				x := newBench(b, 0)
				b.StartTimer()
				x.put(&cdcv1.Frame{Body: &cdcv1.Frame_CopyBegin{CopyBegin: &cdcv1.CopyBegin{Table: x.def.GetTable(), CopyId: 1, Definition: x.def}}})
				for done := 0; done < rows; done += frameRows {
					b.StopTimer()
					out := frame.NewRows(x.def)
					for i := range frameRows {
						frametest.AppendOrder(out, cdcv1.Operation_OPERATION_INSERT, int64(done+i))
					}
					data, err := frame.Marshal(&cdcv1.Frame{Source: source, Epoch: 1, Body: &cdcv1.Frame_CopyRows{CopyRows: &cdcv1.CopyRows{CopyId: 1, Rows: out.Message()}}})
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					x.add(data)
					if x.Staged() >= 200_000 {
						if _, err := x.Commit(); err != nil {
							b.Fatal(err)
						}
					}
				}
				x.put(&cdcv1.Frame{Body: &cdcv1.Frame_CopyEnd{CopyEnd: &cdcv1.CopyEnd{Table: x.def.GetTable(), CopyId: 1, Rows: uint64(rows)}}})
				x.checkpoint()
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// Checkpoint and publication after a batch of 1000 mixed changes, beside a copy of the whole file.
func BenchmarkPublish(b *testing.B) {
	for _, rows := range []int{1_000_000, 5_000_000, 10_000_000, 50_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) { publications(b, b.TempDir(), rows) })
	}
}

// The same on two file systems made alike, of which one shares blocks between files.
func BenchmarkClone(b *testing.B) {
	for _, rows := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("%d/shared", rows), func(b *testing.B) { publications(b, filetest.XFS(b, true), rows) })
		b.Run(fmt.Sprintf("%d/copied", rows), func(b *testing.B) { publications(b, filetest.XFS(b, false), rows) })
	}
}

func publications(b *testing.B, dir string, rows int) {
	x := newBenchIn(b, dir, rows)
	var copied, blocks int64
	full := 0.0
	var checkpoints time.Duration
	publish := func() {
		r, err := x.pub.Publish(publish.Content{})
		if err != nil {
			b.Fatal(err)
		}
		if r.Full {
			full = float64(r.Took.Microseconds()) / 1000
		}
		copied, blocks = copied+r.Copied, r.Blocks
	}
	batch := func() {
		x.add(x.mixed(1000))
		if _, err := x.Commit(); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		x.checkpoint()
		checkpoints += time.Since(start)
	}
	for range 4 {
		batch()
		publish()
	}
	copied, checkpoints = 0, 0
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch()
		b.StartTimer()
		publish()
		n++
	}
	b.ReportMetric(float64(checkpoints.Microseconds())/1000/float64(n), "checkpoint-ms")
	b.ReportMetric(float64(copied)/float64(n), "blocks/op")
	b.ReportMetric(float64(blocks), "blocks")
	b.ReportMetric(full, "full-copy-ms")
}
