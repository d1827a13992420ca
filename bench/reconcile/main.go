// Command reconcile measures comparisons of a table with its source: how long they take and what they take of processors and memory, at rest,
// beside changes and where rows differ, against reading the same table once on either side; and what the source's own users feel of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/chittihq/duckling/bench/internal/report"
	"github.com/chittihq/duckling/bench/internal/rig"
)

const (
	millions = 10
	rows     = millions * 1_000_000
	// changes are row changes a second beside a comparison.
	changes = 1000
	// unmeasured is how long the source's users are timed without a comparison.
	unmeasured = 15 * time.Second

	bound    = "RESYNC_MAX_ROWS_PER_SECOND"
	standard = "200000" // its default
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "reconcile:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	page := report.New("reconcile", fmt.Sprintf("Comparisons of a table of six columns with its source, from the request until the loader's report. `Order` has %dM rows and an integer key, "+
		"`Parcel` %dM rows and a UUID as text for a key. The floors are one reading of the same table on either side that makes a checksum of all its values, by the server's own functions.", millions, parcels/1_000_000))
	r, err := rig.NewOrders(ctx, millions, "SYNC_INTERVAL_MINUTES=0", "FULL_RESYNC_INTERVAL=0s", bound+"=0")
	if err != nil {
		return err
	}
	defer r.Close()
	b := &bench{Rig: r, random: rand.New(rand.NewPCG(1, 2))}
	if err := b.fillParcels(ctx); err != nil {
		return err
	}
	client, err := r.Serve(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := b.whole(ctx, client); err != nil {
		return err
	}
	table, err := b.costs(ctx)
	if err != nil {
		return err
	}
	page.Line("## What a comparison costs\n")
	page.Line("Without a bound (`%s=0`) but for the last line, which has the default, so its time is set and not measured. Processor time is in seconds over the whole comparison, memory the peak in MB during it. "+
		"Of the changed rows each comparison found and mended exactly three.", bound)
	page.Table([]string{"what", "rows", "parts", "seconds", "rows/s", "source CPU s", "ingest CPU s", "loader CPU s", "ingest MB", "loader MB", "keys that differed", "keys that changed meanwhile"}, table...)
	page.Line("## What the source's users feel\n")
	page.Line("Point queries (`SELECT total FROM Order WHERE id = ?`) one after the other, a millisecond apart, while other sessions make %d row changes a second. The source, NATS, the services, the changes and the queries "+
		"share the machine, so a core that a comparison takes is one that the source lacks.", changes)
	page.Table([]string{"beside", "queries", "p50 ms", "p99 ms", "p50 of that without", "p99 of that without"}, b.felt...)
	return page.Save()
}

// costs runs the comparisons, each at its own setting.
func (b *bench) costs(ctx context.Context) ([][]string, error) {
	table, err := b.floors(ctx)
	if err != nil {
		return nil, err
	}
	add := func(what, name string, differing int64) error {
		c, err := b.compare(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if c.report.Differing != differing {
			return fmt.Errorf("%s: %d keys differed, and %d should", what, c.report.Differing, differing)
		}
		table = append(table, c.cells(what))
		return nil
	}
	wrong := func(name, key string) error {
		return b.corrupt(ctx,
			fmt.Sprintf(`UPDATE "%[1]s" SET total = total + 1 WHERE %[2]s = (SELECT %[2]s FROM "%[1]s" ORDER BY %[2]s LIMIT 1 OFFSET 1000)`, name, key),
			fmt.Sprintf(`DELETE FROM "%[1]s" WHERE %[2]s = (SELECT %[2]s FROM "%[1]s" ORDER BY %[2]s LIMIT 1 OFFSET 1000000)`, name, key),
			fmt.Sprintf(`INSERT INTO "%[1]s" FROM "%[1]s" ORDER BY %[2]s DESC LIMIT 1`, name, key))
	}
	beside := func(what string) error {
		return b.beside(ctx, what, func() error { return add("`Order`, beside changes, "+what, "Order", 0) })
	}
	err = errors.Join(add("`Order`, at rest", "Order", 0), add("`Parcel`, text key, at rest", "Parcel", 0))
	for _, step := range []func() error{
		func() error { return wrong("Order", "id") }, func() error { return add("`Order`, 3 rows changed behind the loader's back", "Order", 3) },
		func() error { return wrong("Parcel", "id") }, func() error { return add("`Parcel`, 3 rows changed behind the loader's back", "Parcel", 3) },
		func() error { return b.without(ctx) },
		func() error { return beside("without a bound") },
		func() error { return b.pace(ctx, bound, standard) },
		func() error { return beside("at the default rate") },
	} {
		if err == nil {
			err = step()
		}
	}
	return table, err
}
