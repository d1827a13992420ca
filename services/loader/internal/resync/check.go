package resync

import (
	"errors"
	"fmt"
	"time"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/apply"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

// scratch is a database in memory beside the file, for what a check collects: it is neither logged nor published, DuckDB moves it to
// disk when memory runs short, and, unlike temporary tables, all connections see it.
const scratch = schema.Reserved + "check"

// sum is the column for hashes of keys in tables that have a definition's columns too.
const sum = schema.Reserved + "k"

// Check is one comparison. But for Compare, which runs in a goroutine of its own, its methods are for the goroutine that applies the stream.
type Check struct {
	ID    uint64
	Began time.Time
	// Sent and Estimated are ingest's figures of how far reading the source is.
	Sent, Estimated int64

	def *cdcv1.TableDefinition
	// after and upto bound the part of the table that is compared, by the key's leading columns; nil is no bound.
	after, upto []string
	// mark is where ingest goes on after upto, firstMark where this part began.
	mark, firstMark []byte

	live string // quoted name of the table that readers see
	db   *duck.DB

	collect *duck.Conn // fills the tables of scratch
	read    *duck.Conn // holds the snapshot of the file
	source  *duck.Appender
	changed *duck.Appender
	reload  *duck.Appender
	chunks  []chunk
	rows    int64
	// reloaded counts rows asked for that came.
	reloaded int64
}

type chunk struct {
	mark    []byte
	lastKey string
	rows    int64
}

// Begin starts collecting. live is the quoted name of a table whose rows follow def; the check is of those after the end of an earlier part, or of
// all. No other check may be open on the same instance.
func Begin(db *duck.DB, id uint64, live string, def *cdcv1.TableDefinition, after End) (*Check, error) {
	c := &Check{ID: id, Began: time.Now(), def: def, live: live, db: db, after: after.Bound, firstMark: after.Mark}
	if err := c.begin(); err != nil {
		c.Close()
		return nil, fmt.Errorf("preparing a check: %w", err)
	}
	return c, nil
}

func (c *Check) begin() (err error) {
	if c.collect, err = c.db.Connect(); err != nil {
		return err
	}
	if err = c.collect.Exec(fmt.Sprintf(`ATTACH ':memory:' AS %[1]s;
		CREATE TABLE %[1]s.source (chunk UINTEGER, k UBIGINT, r UBIGINT);
		CREATE TABLE %[1]s.changed (k UBIGINT)`, scratch)); err != nil {
		return err
	}
	if c.source, err = c.collect.NewAppender(scratch, "main", "source"); err != nil {
		return err
	}
	c.changed, err = c.collect.NewAppender(scratch, "main", "changed")
	return err
}

// Changes notes which keys the stream changes in the table.
func (c *Check) Changes(m *cdcv1.TableRows) error {
	view, err := frame.View(m, c.def)
	if err != nil {
		return err
	}
	return appendSums(c.changed, -1, view.KeySums())
}

// appendSums appends columns of sums, after one for the chunk unless that is negative.
func appendSums(a *duck.Appender, chunk int, columns ...frame.Sums) error {
	first := 0
	if chunk >= 0 {
		first = 1
	}
	for from := 0; from < len(columns[0]); from += duck.ChunkRows {
		rows := min(duck.ChunkRows, len(columns[0])-from)
		for i := range rows {
			if chunk >= 0 {
				duck.SetFixed(a.Column(0), i, uint32(chunk))
			}
			for j, sums := range columns {
				duck.SetFixed(a.Column(first+j), i, sums[from+i])
			}
		}
		if err := a.Append(rows); err != nil {
			return err
		}
	}
	return nil
}

// Rows takes a chunk of hashes, or rows that were asked for.
func (c *Check) Rows(m *cdcv1.CheckRows) error {
	if m.GetRows() != nil {
		return c.reloadRows(m.GetRows())
	}
	rows := frame.UnpackSums(m.GetValues())
	keys := frame.UnpackSums(m.GetKeys())
	if len(c.def.GetKey()) == 0 {
		keys = rows
	}
	if len(keys) != len(rows) {
		return fmt.Errorf("chunk %d has %d keys for %d rows", m.GetChunk(), len(keys), len(rows))
	}
	if int(m.GetChunk()) != len(c.chunks) {
		return fmt.Errorf("chunk %d came after %d chunks", m.GetChunk(), len(c.chunks))
	}
	c.chunks = append(c.chunks, chunk{mark: m.GetMark(), lastKey: m.GetLastKey(), rows: int64(len(rows))})
	c.rows += int64(len(rows))
	c.Sent, c.Estimated = int64(m.GetRowsSent()), int64(m.GetRowsEstimated())
	return appendSums(c.source, int(m.GetChunk()), keys, rows)
}

// End is where a part of a table ends: ingest's mark, and the values of the key's leading columns as text. The zero End is the table's.
type End struct {
	Mark  []byte   `json:"mark,omitempty"`
	Bound []string `json:"bound,omitempty"`
}

// End is where the check ended, known after Freeze.
func (c *Check) End() End { return End{c.mark, c.upto} }

// Definition is the fingerprint of what the table's rows follow.
func (c *Check) Definition() uint64 { return c.def.GetFingerprint() }

// Chunks is how many chunks the source sent.
func (c *Check) Chunks() int { return len(c.chunks) }

// Freeze fixes what DuckDB holds at the end of the check. Everything before CheckEnd is committed, and nothing after it.
func (c *Check) Freeze(end *cdcv1.CheckEnd) (err error) {
	if int64(end.GetRows()) != c.rows {
		return fmt.Errorf("the check ended after %d rows of which %d arrived", end.GetRows(), c.rows)
	}
	c.mark, c.upto = end.GetMark(), end.GetBound()
	if len(c.upto) > len(c.def.GetKey()) || len(c.upto) == 0 && len(c.mark) > 0 {
		return fmt.Errorf("the part ended at %q, which is no place in the key", c.upto)
	}
	if err := errors.Join(c.source.Flush(), c.changed.Flush()); err != nil {
		return err
	}
	if c.read, err = c.db.Connect(); err != nil {
		return err
	}
	// The snapshot is taken when the transaction first touches the file.
	for _, sql := range []string{"BEGIN TRANSACTION", fmt.Sprintf("SELECT 1 FROM %s LIMIT 1", c.live)} {
		if err := c.read.Exec(sql); err != nil {
			return fmt.Errorf("opening a snapshot for a check: %w", err)
		}
	}
	return nil
}

// reloadRows keeps rows as the source has them now.
func (c *Check) reloadRows(m *cdcv1.TableRows) error {
	view, err := frame.View(m, c.def)
	if err != nil {
		return err
	}
	if err := apply.CheckText(view); err != nil {
		return err
	}
	if c.reload == nil {
		return errors.New("rows came that nobody asked for")
	}
	sums := view.KeySums()
	for from := 0; from < view.Rows; from += duck.ChunkRows {
		rows := min(duck.ChunkRows, view.Rows-from)
		for i := range rows {
			duck.SetFixed(c.reload.Column(0), i, sums[from+i])
		}
		for i := range view.Columns {
			apply.Fill(c.reload, 1+i, c.def.GetColumns()[i], &view.Columns[i], from, rows)
		}
		if err := c.reload.Append(rows); err != nil {
			return err
		}
	}
	c.reloaded += int64(view.Rows)
	return nil
}

// Close frees everything. Compare must have returned.
func (c *Check) Close() {
	for _, a := range []*duck.Appender{c.source, c.changed, c.reload} {
		if a != nil {
			a.Close()
		}
	}
	if c.read != nil {
		c.read.Close()
	}
	if c.collect != nil {
		// What is in memory goes with it; nothing can be done about a failure, and the next check would tell.
		_ = c.collect.Exec("DETACH DATABASE IF EXISTS " + scratch)
		c.collect.Close()
	}
}
