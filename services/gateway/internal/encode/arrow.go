package encode

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/chittihq/duckling/pkg/duck"
)

// batches turns chunks into Arrow record batches.
type batches struct {
	schema  *arrow.Schema
	columns []*arrowColumn
	arena   arena
}

func newBatches(columns []duck.Column, parquet bool) (*batches, error) {
	schema, converters, err := newSchema(columns, parquet)
	if err != nil {
		return nil, err
	}
	return &batches{schema: schema, columns: converters, arena: arena{keep: parquet}}, nil
}

// each calls write with the chunk as a batch, or as several where its text is too long for one. A batch is valid during the call.
func (b *batches) each(chunk *duck.Chunk, p part, write func(arrow.RecordBatch) error) error {
	b.arena.reset()
	batch, err := b.batch(chunk, p)
	if errors.Is(err, errWide) {
		if p.n == 1 {
			return &RangeError{Type: "VARCHAR", Hint: "it is longer than 2 GiB"}
		}
		half := p.n / 2
		if err := b.each(chunk, part{first: p.first, n: half}, write); err != nil {
			return err
		}
		return b.each(chunk, part{first: p.first + half, n: p.n - half}, write)
	}
	if err != nil {
		return err
	}
	defer batch.Release()
	return write(batch)
}

func (b *batches) batch(chunk *duck.Chunk, p part) (arrow.RecordBatch, error) {
	arrays := make([]arrow.Array, len(b.columns))
	for i, c := range b.columns {
		data, err := c.build(c, &b.arena, chunk.Column(i), p)
		if err != nil {
			return nil, err
		}
		arrays[i] = array.MakeFromData(data)
	}
	return array.NewRecordBatch(b.schema, arrays, int64(p.n)), nil
}

// arrowWriter writes an Arrow IPC stream. Its end is the end-of-stream mark of the format.
type arrowWriter struct {
	*batches
	out *ipc.Writer
}

func newArrowWriter(w io.Writer, columns []duck.Column) (Writer, error) {
	b, err := newBatches(columns, false)
	if err != nil {
		return nil, err
	}
	return &arrowWriter{batches: b, out: ipc.NewWriter(w, ipc.WithSchema(b.schema))}, nil
}

func (w *arrowWriter) Write(chunk *duck.Chunk) error {
	return w.each(chunk, part{n: chunk.Rows()}, func(batch arrow.RecordBatch) error {
		if err := w.out.Write(batch); err != nil {
			return fmt.Errorf("writing Arrow batch: %w", err)
		}
		return nil
	})
}

func (w *arrowWriter) Close(Summary) error {
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("ending Arrow stream: %w", err)
	}
	return nil
}

const (
	// groupRows and groupBytes bound a Parquet row group, which is held in memory until it is full.
	groupRows  = 128 << 10
	groupBytes = 32 << 20
)

// parquetWriter writes a Parquet file, row group by row group. Without its footer a file is not readable.
type parquetWriter struct {
	*batches
	out *pqarrow.FileWriter
}

func newParquetWriter(w io.Writer, columns []duck.Column) (Writer, error) {
	b, err := newBatches(columns, true)
	if err != nil {
		return nil, err
	}
	properties := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithMaxRowGroupLength(groupRows),
		parquet.WithCreatedBy("duckling"), parquet.WithDictionaryPageSizeLimit(256<<10), parquet.WithVersion(parquet.V2_6))
	// The writer closes what it writes to, if that can be closed; w is the caller's.
	out, err := pqarrow.NewFileWriter(b.schema, struct{ io.Writer }{w}, properties, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return nil, fmt.Errorf("beginning Parquet file: %w", err)
	}
	return &parquetWriter{batches: b, out: out}, nil
}

func (w *parquetWriter) Write(chunk *duck.Chunk) error {
	return w.each(chunk, part{n: chunk.Rows()}, func(batch arrow.RecordBatch) error {
		if err := w.out.WriteBuffered(batch); err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
		if w.out.RowGroupTotalBytesWritten() > groupBytes {
			w.out.NewBufferedRowGroup()
		}
		return nil
	})
}

func (w *parquetWriter) Close(Summary) error {
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("ending Parquet file: %w", err)
	}
	return nil
}
