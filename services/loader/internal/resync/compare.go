package resync

import (
	"context"
	"fmt"
	"strings"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

	"github.com/chittihq/duckling/pkg/duck"
)

const (
	// mostFindings and mostRanges bound what a report names.
	mostFindings = 20
	mostRanges   = 20
	// partRows is how many hashes of either side are joined at once.
	partRows = 4 << 20
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
			q.err = c.remember(ctx, o)
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
		`CREATE TABLE %[1]s.keys AS SELECT k, coalesce(s.n, 0) AS there, coalesce(h.n, 0) AS here, s.chunk, h.row,
			CASE WHEN coalesce(h.n, 0) = 0 THEN 'lost' WHEN coalesce(s.n, 0) = 0 THEN 'extra' WHEN h.n > s.n THEN 'doubled' WHEN h.n < s.n THEN 'lost' ELSE 'changed' END AS kind
			FROM %[1]s.diff
			LEFT JOIN (SELECT k, count(*) AS n, min(chunk)::BIGINT AS chunk FROM %[1]s.source WHERE k IN (SELECT k FROM %[1]s.diff) GROUP BY k) AS s USING (k)
			LEFT JOIN (SELECT k, count(*) AS n, min(row) AS row FROM %[1]s.here WHERE k IN (SELECT k FROM %[1]s.diff) GROUP BY k) AS h USING (k)`)
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
	q.each(fmt.Sprintf("SELECT kind, coalesce(chunk, -1), k, coalesce(row, -1) FROM %s.keys ORDER BY chunk NULLS LAST, row LIMIT %d", scratch, mostFindings), func(chunk *duck.Chunk, i int) {
		o.Findings = append(o.Findings, Finding{
			Kind: Kind(chunk.Column(0).Bytes(i)), Chunk: int(duck.Slice[int64](chunk.Column(1))[i]),
			sum: duck.Slice[uint64](chunk.Column(2))[i], row: duck.Slice[int64](chunk.Column(3))[i],
		})
	})
}

// remember keeps the keys of DuckDB's rows that differ, and names those of the findings.
func (c *Check) remember(ctx context.Context, o *Outcome) error {
	if c.hidden() {
		return nil
	}
	read := query{ctx: ctx, conn: c.read}
	for i := range o.Findings {
		if f := &o.Findings[i]; f.row >= 0 {
			read.each(fmt.Sprintf("SELECT %s FROM %s WHERE rowid = %d", text(c.def), c.live, f.row), func(chunk *duck.Chunk, i int) {
				f.Key = string(chunk.Column(0).Bytes(i))
			})
		}
	}
	if read.err != nil || len(c.def.GetKey()) == 0 {
		return read.err
	}
	var keys []string
	for _, k := range c.def.GetKey() {
		keys = append(keys, "t."+duck.Identifier(c.def.GetColumns()[k].GetName()))
	}
	return c.read.Run(ctx, fmt.Sprintf("CREATE TABLE %[1]s.wrong AS SELECT h.k AS %[2]s, %[3]s FROM %[4]s AS t JOIN %[1]s.here AS h ON t.rowid = h.row WHERE h.k IN (SELECT k FROM %[1]s.keys)",
		scratch, sum, strings.Join(keys, ", "), c.live))
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
