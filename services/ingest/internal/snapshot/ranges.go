package snapshot

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/services/ingest/internal/mysqltype"
)

// statedRows is from how many rows on the source's estimates are asked for ranges. Below, and where the source does not know yet
// how large the table is, stepping along the index is cheap or the only way.
const statedRows = 100_000

// ranges bisects the numbers of a key of one integer until the source estimates that a range is small enough.
// The source answers each question by looking at two leaves of the index, where stepping along would read every row once more.
type ranges struct {
	copy   *Copy
	conn   *sql.Conn
	column *mysqltype.Column
	found  func(*span) error

	limit uint64 // rows of a span
	// after is the end of the last span found; what lies between it and upto holds about rows.
	after []string
	upto  uint64
	rows  uint64
}

// divide finds ranges of a key that is one integer. It returns false, and has found none, where the key is another or the
// source's estimates are of no use.
func (c *Copy) divide(ctx context.Context, conn *sql.Conn, after []string, rows uint64, found func(*span) error) (bool, error) {
	columns := c.keyColumns()
	if len(columns) != 1 || !columns[0].Integer() || c.Table.Rows < statedRows {
		return false, nil
	}
	r := &ranges{copy: c, conn: conn, column: columns[0], found: found, limit: rows + rows/2, after: after}
	name := mysqltype.QuoteName(columns[0].Name)
	var first, last sql.NullString
	statement := fmt.Sprintf("SELECT MIN(%s), MAX(%s) FROM %s FORCE INDEX (%s)%s", name, name,
		c.Server.Name(c.Table.Name), mysqltype.QuoteName(c.Table.Index), where([]string{name}, after, nil))
	if err := conn.QueryRowContext(ctx, statement).Scan(&first, &last); err != nil {
		return false, fmt.Errorf("reading key ranges of %q: %w", c.Table.Name, err)
	}
	low, ok1 := ordinal(first.String)
	high, ok2 := ordinal(last.String)
	if !ok1 || !ok2 { // no rows, or numbers beyond BIGINT
		return false, nil
	}
	if err := r.split(ctx, low, high); err != nil {
		return false, err
	}
	// What is beyond the last key by now is read with the last range.
	return true, found(&span{after: r.after})
}

// split finds the spans of low to high, both included.
func (r *ranges) split(ctx context.Context, low, high uint64) error {
	rows, err := r.estimate(ctx, low, high)
	if err != nil {
		return err
	}
	if rows > r.limit && low < high {
		middle := low + (high-low)/2
		if err := r.split(ctx, low, middle); err != nil {
			return err
		}
		return r.split(ctx, middle+1, high)
	}
	if r.rows > 0 && r.rows+rows > r.limit {
		upto := []string{number(r.upto)}
		if err := r.found(&span{after: r.after, upto: upto}); err != nil {
			return err
		}
		r.after, r.rows = upto, 0
	}
	r.upto, r.rows = high, r.rows+rows
	return nil
}

// estimate asks without FORCE INDEX, under which MySQL spares itself the look at the index.
func (r *ranges) estimate(ctx context.Context, low, high uint64) (uint64, error) {
	name := mysqltype.QuoteName(r.column.Name)
	explain := "EXPLAIN"
	if r.copy.Server.Flavor == binlog.MySQL {
		explain = "EXPLAIN FORMAT=TRADITIONAL" // whatever the server's own form is
	}
	rows, err := r.conn.QueryContext(ctx, fmt.Sprintf(explain+" SELECT %s FROM %s USE INDEX (%s) WHERE %s BETWEEN %s AND %s",
		name, r.copy.Server.Name(r.copy.Table.Name), mysqltype.QuoteName(r.copy.Table.Index), name, number(low), number(high)))
	if err != nil {
		return 0, fmt.Errorf("reading key ranges of %q: %w", r.copy.Table.Name, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	var stated sql.NullFloat64 // null where the source knows that there are none
	into := make([]any, len(columns))
	for i, column := range columns {
		into[i] = new(sql.RawBytes)
		if column == "rows" {
			into[i] = &stated
		}
	}
	if rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return 0, fmt.Errorf("reading how many rows a range has: %w", err)
		}
	}
	return uint64(stated.Float64), rows.Err()
}

// ordinal maps a signed number to an unsigned one so that their order stays. It returns false beyond BIGINT.
func ordinal(text string) (uint64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return uint64(n) ^ 1<<63, err == nil
}

func number(ordinal uint64) string {
	return strconv.FormatInt(int64(ordinal^1<<63), 10)
}
