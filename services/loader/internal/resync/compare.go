package resync

import (
	"context"
	"fmt"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/frame"
	"github.com/chittihq/duckling/services/loader/internal/schema"
)

const (
	// mostFindings and mostRanges bound what a report names.
	mostFindings = 20
	mostRanges   = 20
	// partRows is how many hashes of either side are joined at once.
	partRows = 1 << 20
)

// Outcome is what Compare found.
type Outcome struct {
	Report
	// Chunks are the numbers of the source's chunks that have rows to be mended, in order.
	Chunks []int
}

// Compare reads DuckDB's side in the snapshot, and joins both. What differs is left in scratch for Mend.
func (c *Check) Compare(ctx context.Context) (*Outcome, error) {
	write, err := c.db.Connect()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	o := &Outcome{}
	o.SourceRows = c.rows
	if o.Rows, err = c.scan(ctx, write); err != nil {
		return nil, fmt.Errorf("reading the table for a check: %w", err)
	}
	if err := c.join(ctx, write, max(o.SourceRows, o.Rows)); err != nil {
		return nil, fmt.Errorf("comparing hashes: %w", err)
	}
	q := query{ctx: ctx, conn: write}
	o.Skipped = q.number("SELECT count(DISTINCT k) FROM " + scratch + ".changed")
	c.count(&q, o)
	if q.err == nil && o.Differing > 0 {
		c.describe(&q, o)
		if q.err == nil {
			q.err = c.remember(ctx, write, o)
		}
	}
	if q.err != nil {
		return nil, fmt.Errorf("describing what differs: %w", q.err)
	}
	// The snapshot is not needed any more, and would keep old rows alive.
	return o, c.read.Exec("COMMIT")
}

// join finds the keys that differ: those of rows that one side has more often than the other. Keys that the stream changed are left out.
func (c *Check) join(ctx context.Context, write *duck.Conn, rows int64) error {
	parts := rows/partRows + 1
	statements := []string{"CREATE TABLE %[1]s.diff (k UBIGINT)"}
	for part := range parts {
		statements = append(statements, fmt.Sprintf(`INSERT INTO %%[1]s.diff SELECT DISTINCT k FROM (
			SELECT k, r FROM (SELECT k, r, 1 AS n FROM %%[1]s.source WHERE k %%%% %[1]d = %[2]d UNION ALL SELECT k, r, -1 FROM %%[1]s.here WHERE k %%%% %[1]d = %[2]d)
			GROUP BY k, r HAVING sum(n) <> 0)`, parts, part))
	}
	statements = append(statements,
		"DELETE FROM %[1]s.diff WHERE k IN (SELECT k FROM %[1]s.changed)",
		`CREATE TABLE %[1]s.keys AS SELECT k, coalesce(s.n, 0) AS there, coalesce(h.n, 0) AS here, s.chunk,
			CASE WHEN coalesce(h.n, 0) = 0 THEN 'lost' WHEN coalesce(s.n, 0) = 0 THEN 'extra' WHEN h.n > s.n THEN 'doubled' WHEN h.n < s.n THEN 'lost' ELSE 'changed' END AS kind
			FROM %[1]s.diff
			LEFT JOIN (SELECT k, count(*) AS n, min(chunk)::BIGINT AS chunk FROM %[1]s.source WHERE k IN (SELECT k FROM %[1]s.diff) GROUP BY k) AS s USING (k)
			LEFT JOIN (SELECT k, count(*) AS n FROM %[1]s.here WHERE k IN (SELECT k FROM %[1]s.diff) GROUP BY k) AS h USING (k)`)
	for _, sql := range statements {
		if err := write.Run(ctx, fmt.Sprintf(sql, scratch)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Check) count(q *query, o *Outcome) {
	of := func(kind Kind) int64 {
		return q.number(fmt.Sprintf("SELECT count(*) FROM %s.keys WHERE kind = '%s'", scratch, kind))
	}
	o.Changed, o.Lost, o.Extra, o.Doubled = of(Changed), of(Lost), of(Extra), of(Doubled)
	o.Differing = o.Changed + o.Lost + o.Extra + o.Doubled
}

// describe fills in where the differences are, and the first of them.
func (c *Check) describe(q *query, o *Outcome) {
	q.each("SELECT chunk, count(*) FROM "+scratch+".keys WHERE chunk IS NOT NULL GROUP BY chunk ORDER BY chunk", func(chunk *duck.Chunk, i int) {
		n := int(duck.Slice[int64](chunk.Column(0))[i])
		o.Chunks = append(o.Chunks, n)
		if len(o.Ranges) == mostRanges || len(c.def.GetKey()) == 0 {
			return
		}
		r := Range{Chunk: n, Upto: c.chunks[n].lastKey, Rows: c.chunks[n].rows, Differing: duck.Slice[int64](chunk.Column(1))[i]}
		if n > 0 {
			r.After = c.chunks[n-1].lastKey
		} else if c.after != nil {
			r.After = strings.Join(c.after, ", ")
		}
		o.Ranges = append(o.Ranges, r)
	})
	q.each(fmt.Sprintf("SELECT kind, coalesce(chunk, -1), k FROM %s.keys ORDER BY chunk NULLS LAST, k LIMIT %d", scratch, mostFindings), func(chunk *duck.Chunk, i int) {
		o.Findings = append(o.Findings, Finding{
			Kind: Kind(chunk.Column(0).Bytes(i)), Chunk: int(duck.Slice[int64](chunk.Column(1))[i]),
			sum: duck.Slice[uint64](chunk.Column(2))[i],
		})
	})
}

// remember keeps the keys of DuckDB's rows that differ, and names those of the findings. It reads the rows once more: a rowid of the first reading may
// be another row's by now, for a checkpoint takes deleted rows out, and takes no care of snapshots that do not see them.
func (c *Check) remember(ctx context.Context, write *duck.Conn, o *Outcome) error {
	names := map[uint64]*Finding{}
	for i := range o.Findings {
		names[o.Findings[i].sum] = &o.Findings[i]
	}
	wanted, extra := map[uint64]bool{}, ", "+text(c.def)
	var out *duck.Appender
	if len(c.def.GetKey()) > 0 && o.Differing <= mostMended {
		columns := sum + " UBIGINT"
		for i := range c.def.GetKey() {
			columns += fmt.Sprintf(", k%d VARCHAR", i)
			extra += ", " + c.keyColumn(i) + "::VARCHAR"
		}
		if err := write.Run(ctx, fmt.Sprintf("CREATE TABLE %s.wrong (%s)", scratch, columns)); err != nil {
			return err
		}
		var err error
		if out, err = write.NewAppender(scratch, "main", "wrong"); err != nil {
			return err
		}
		defer out.Close()
		keys := query{ctx: ctx, conn: write}
		keys.each("SELECT k FROM "+scratch+".keys", func(chunk *duck.Chunk, i int) { wanted[duck.Slice[uint64](chunk.Column(0))[i]] = true })
		if keys.err != nil {
			return keys.err
		}
	}
	first := len(c.def.GetColumns())
	err := c.stream(ctx, extra, func(chunk *duck.Chunk, keys, _ frame.Sums) error {
		n := 0
		for i, k := range keys {
			if f := names[k]; f != nil && f.Key == "" {
				f.Key = string(chunk.Column(first).Bytes(i))
			}
			if !wanted[k] {
				continue
			}
			duck.SetFixed(out.Column(0), n, k)
			for j := range c.def.GetKey() {
				if v := chunk.Column(first + 1 + j); v.Null(i) {
					out.Column(1 + j).SetNull(n)
				} else {
					out.Column(1+j).SetBytes(n, v.Bytes(i))
				}
			}
			n++
		}
		if n == 0 {
			return nil
		}
		return out.Append(n)
	})
	if err != nil || out == nil {
		return err
	}
	return out.Flush()
}

// wrongKeys is SQL for the keys that remember kept, as the table's own types.
func (c *Check) wrongKeys() string {
	columns := make([]string, len(c.def.GetKey()))
	for i, k := range c.def.GetKey() {
		columns[i] = fmt.Sprintf("k%d::%s AS %s", i, schema.Type(c.def.GetColumns()[k]), c.keyColumn(i))
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s.wrong", sum, strings.Join(columns, ", "), scratch)
}

// text is SQL that writes a row's key for people as frame.Table.KeyText does, or the row where there is no key.
func text(def *cdcv1.TableDefinition) string {
	columns := def.GetKey()
	if len(columns) == 0 {
		for i := range def.GetColumns() {
			columns = append(columns, uint32(i))
		}
	}
	parts := make([]string, len(columns))
	for i, k := range columns {
		c := def.GetColumns()[k]
		parts[i] = fmt.Sprintf("coalesce(%s::VARCHAR, 'NULL')", duck.Identifier(c.GetName()))
		if c.GetType() == cdcv1.Type_TYPE_TEXT {
			parts[i] = fmt.Sprintf(`coalesce('"' || %s || '"', 'NULL')`, duck.Identifier(c.GetName()))
		}
	}
	return "concat_ws(', ', " + strings.Join(parts, ", ") + ")"
}

// query runs statements until one fails.
type query struct {
	ctx  context.Context //nolint:containedctx // lives as long as the statements
	conn *duck.Conn
	err  error
}

func (q *query) each(sql string, row func(chunk *duck.Chunk, i int)) {
	if q.err != nil {
		return
	}
	res, err := q.conn.Query(q.ctx, sql)
	if err != nil {
		q.err = err
		return
	}
	defer res.Close()
	for {
		chunk, err := res.Next()
		if err != nil || chunk == nil {
			q.err = err
			return
		}
		for i := range chunk.Rows() {
			row(chunk, i)
		}
	}
}

func (q *query) number(sql string) (n int64) {
	q.each(sql, func(chunk *duck.Chunk, i int) { n = duck.Slice[int64](chunk.Column(0))[i] })
	return n
}
