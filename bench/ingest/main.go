// Command ingest measures the ingest binary alone: how fast it takes a prepared backlog of row changes from the
// binlog to JetStream's acknowledgements, beside what reading the same binlog costs without doing anything, and how
// fast it copies a large table and many small ones. With -giant it measures one huge transaction instead.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

func main() {
	rows := flag.Int("rows", 2_000_000, "rows of the large table")
	changes := flag.Int("changes", 2_000_000, "row changes in the backlog of 1000-row transactions")
	singly := flag.Int("singly", 2_000_000, "row changes in the backlog of single-row transactions, which take the longest to prepare")
	only := flag.Bool("tables", false, "only show the copy of many small tables, and write no page")
	giant := flag.Int("giant", 0, "only measure one transaction of so many rows, and write the page ingest-giant")
	flag.Parse()
	if *giant > 0 {
		if err := measureGiant(context.Background(), *giant); err != nil {
			fmt.Fprintln(os.Stderr, "ingest:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(context.Background(), *rows, *changes, *singly, *only); err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(1)
	}
}

var header = []string{"what", "rows", "seconds", "rows/s", "of the floor", "CPU s", "rows per CPU s", "peak RSS MB"}

func run(ctx context.Context, rows, changes, singly int, only bool) error {
	program, err := mysqltest.Mysqlbinlog()
	if err != nil {
		return err
	}
	page := report.New("ingest", "The ingest binary from its first message to JetStream's acknowledgement of the last one. "+
		"Stream: a backlog of row changes, in transactions of 1000 rows and of one row, beside (a) go-mysql's BinlogSyncer, whose events are thrown away, "+
		"and (b) mysqlbinlog writing the same files to /dev/null, where it names the rows events without decoding their rows. Copy: a table, beside `SELECT *` read and dropped by a Go client. "+
		"CPU is the ingest process's own.")
	small, err := measureTables(ctx)
	if err != nil {
		return err
	}
	page.Line("Copy of %d tables of %d rows, all described before the first message, beside as many connections that read and drop them:", smallTables, smallRows)
	page.Table(header, small...)
	if only {
		return nil
	}
	large, err := measureCopy(ctx, rows)
	if err != nil {
		return err
	}
	page.Line("Copy of one table of %d rows, with COPY_CONNECTIONS as it is by default, beside one connection that reads and drops it:", rows)
	page.Table(header, large...)
	for _, backlog := range []struct {
		name    string
		changes int
		rows    int
	}{{"1000-row transactions", changes, 1000}, {"single-row transactions", singly, 1}} {
		rows, err := measureStream(ctx, program, backlog.changes, backlog.rows)
		if err != nil {
			return err
		}
		page.Line("Stream, %s:", backlog.name)
		page.Table(header, rows...)
		if err := page.Save(); err != nil {
			return err
		}
	}
	return nil
}

// measured is one line of the table.
type measured struct {
	name string
	rows int
	took time.Duration
	cpu  time.Duration // zero: not told
	rss  int           // MB
}

func (m measured) rate() float64 { return float64(m.rows) / m.took.Seconds() }

func (m measured) cells(floor measured) []string {
	cells := []string{
		m.name, fmt.Sprint(m.rows), fmt.Sprintf("%.2f", m.took.Seconds()), fmt.Sprintf("%.0f", m.rate()),
		fmt.Sprintf("%.0f %%", 100*m.rate()/floor.rate()), "", "", "",
	}
	if m.cpu > 0 {
		cells[5] = fmt.Sprintf("%.2f", m.cpu.Seconds())
		cells[6] = fmt.Sprintf("%.0f", float64(m.rows)/m.cpu.Seconds())
		cells[7] = fmt.Sprint(m.rss)
	}
	return cells
}
