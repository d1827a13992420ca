package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/chittihq/duckling/bench/internal/rig"
	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/usage"
)

// parcels is how many rows the table with a text key has.
const parcels = 2_000_000

type bench struct {
	*rig.Rig
	random *rand.Rand
	felt   [][]string
	// alone are p50 and p99 without a comparison.
	alone [2]time.Duration
}

// fillParcels makes the table with a text key, in the order of its key.
func (b *bench) fillParcels(ctx context.Context) error {
	for _, sql := range []string{
		"CREATE TABLE Parcel (id CHAR(36) NOT NULL PRIMARY KEY, userId INT NOT NULL, status VARCHAR(16) NOT NULL, total DECIMAL(10,2) NOT NULL, createdAt DATETIME(3) NOT NULL, note VARCHAR(40))",
		fmt.Sprintf("INSERT INTO Parcel SELECT CONCAT_WS('-', LEFT(h, 8), MID(h, 9, 4), MID(h, 13, 4), MID(h, 17, 4), MID(h, 21, 12)), userId, status, total, createdAt, note "+
			"FROM (SELECT *, LEFT(SHA2(id, 256), 32) AS h FROM `Order` WHERE id <= %d) AS o ORDER BY h", parcels),
	} {
		if _, err := b.DB.ExecContext(ctx, sql); err != nil {
			return fmt.Errorf("making the table of parcels: %w", err)
		}
	}
	return nil
}

// whole waits until readers have all rows.
func (b *bench) whole(ctx context.Context, client *duckling.Client) error {
	for {
		n, err := duckling.Get[int](ctx, client, "SELECT (SELECT COUNT(*) FROM `Order`) + (SELECT COUNT(*) FROM Parcel)")
		if err == nil && n == rows+parcels {
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// floors reads each table once at the source and once in DuckDB.
func (b *bench) floors(ctx context.Context) ([][]string, error) {
	db, err := b.generation()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var table [][]string
	for _, t := range []struct {
		name string
		rows int
	}{{"Order", rows}, {"Parcel", parcels}} {
		floor := func(what string, read func() error) error {
			used, err := usage.CPU(b.Server.Pid())
			if err != nil {
				return err
			}
			began := time.Now()
			if err := read(); err != nil {
				return fmt.Errorf("reading %s in %s: %w", t.name, what, err)
			}
			took := time.Since(began)
			now, err := usage.CPU(b.Server.Pid())
			table = append(table, []string{
				"floor: `" + t.name + "` read in " + what, fmt.Sprint(t.rows), "", fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.0f", float64(t.rows)/took.Seconds()),
				fmt.Sprintf("%.1f", (now - used).Seconds()), "", "", "", "", "", "",
			})
			return err
		}
		err := floor("MySQL", func() error {
			var sum uint64
			return b.DB.QueryRowContext(ctx, "SELECT BIT_XOR(CRC32(CONCAT_WS('#', id, userId, status, total, createdAt, note))) FROM `"+t.name+"`").Scan(&sum)
		})
		if err != nil {
			return nil, err
		}
		if err := floor("DuckDB", func() error { return conn.Run(ctx, `SELECT bit_xor(hash(t)) FROM "`+t.name+`" AS t`) }); err != nil {
			return nil, err
		}
	}
	return table, nil
}

// generation opens the newest one.
func (b *bench) generation() (*duck.DB, error) {
	m, err := generation.Read(b.Stack.Generations())
	if err != nil {
		return nil, err
	}
	return duck.Open(b.Stack.Generations()+"/"+m.File, duck.Options{ReadOnly: true})
}

// pace starts ingest again, with another bound for reading the source.
func (b *bench) pace(ctx context.Context, name, value string) error {
	if err := b.Stack.Ingest.Stop(ctx); err != nil {
		return err
	}
	b.Stack.Ingest.Setenv(name, value)
	return b.Stack.Start(ctx)
}

// corrupt changes the loader's file behind its back.
func (b *bench) corrupt(ctx context.Context, statements ...string) error {
	if err := b.Stack.Loader.Stop(ctx); err != nil {
		return err
	}
	if err := b.change(statements); err != nil {
		return err
	}
	return b.Stack.Start(ctx)
}

func (b *bench) change(statements []string) error {
	db, err := duck.Open(generation.LivePath(b.Stack.DataDir(), "default"), duck.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, sql := range statements {
		if n, err := conn.ExecCount(sql); err != nil || n != 1 {
			return fmt.Errorf("%s: %d rows: %w", sql, n, err)
		}
	}
	return nil
}

// costs of a comparison.
type costs struct {
	report struct {
		At                                 time.Time
		TookSeconds                        float64
		Parts                              int
		SourceRows, SkippedKeys, Differing int64
	}
	took time.Duration
	cpu  [3]time.Duration // source, ingest, loader
	peak [2]int           // ingest, loader
}

func (c *costs) cells(what string) []string {
	r := c.report
	return []string{
		what, fmt.Sprint(r.SourceRows), fmt.Sprint(max(r.Parts, 1)), fmt.Sprintf("%.1f", c.took.Seconds()), fmt.Sprintf("%.0f", float64(r.SourceRows)/c.took.Seconds()),
		fmt.Sprintf("%.1f", c.cpu[0].Seconds()), fmt.Sprintf("%.1f", c.cpu[1].Seconds()), fmt.Sprintf("%.1f", c.cpu[2].Seconds()),
		fmt.Sprint(c.peak[0]), fmt.Sprint(c.peak[1]), fmt.Sprint(r.Differing), fmt.Sprint(r.SkippedKeys),
	}
}

// compare has a table compared and waits for the report.
func (b *bench) compare(ctx context.Context, name string) (*costs, error) {
	pids := [3]int{b.Server.Pid(), b.Stack.Ingest.Pid(), b.Stack.Loader.Pid()}
	c := new(costs)
	var before [3]time.Duration
	var err error
	for i, pid := range pids {
		if before[i], err = usage.CPU(pid); err != nil {
			return nil, err
		}
		if i > 0 {
			if err := usage.ForgetPeak(pid); err != nil {
				return nil, err
			}
		}
	}
	began := time.Now()
	for {
		if err := b.ask(ctx, http.MethodPost, "/sync/check/"+name, &struct{}{}); err == nil {
			break
		}
		if err := pause(ctx); err != nil { // until a loader that was just started takes requests
			return nil, err
		}
	}
	for !c.report.At.After(began) {
		if err := pause(ctx); err != nil {
			return nil, err
		}
		if err := b.reported(ctx, name, c); err != nil {
			return nil, err
		}
	}
	c.took = c.report.At.Sub(began)
	for i, pid := range pids {
		now, err := usage.CPU(pid)
		if err != nil {
			return nil, err
		}
		c.cpu[i] = now - before[i]
		if i > 0 {
			if c.peak[i-1], err = usage.Peak(pid); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// reported reads what is known of a table's last comparison.
func (b *bench) reported(ctx context.Context, name string, into *costs) error {
	var known struct {
		Results []struct {
			Table, Error string
			Report       json.RawMessage
		} `json:"validationResults"`
	}
	if err := b.ask(ctx, http.MethodGet, "/sync/validate", &known); err != nil {
		return err
	}
	for _, one := range known.Results {
		if one.Table != name {
			continue
		}
		if one.Error != "" {
			return fmt.Errorf("%s could not be compared: %s", name, one.Error)
		}
		if one.Report != nil {
			return json.Unmarshal(one.Report, &into.report)
		}
	}
	return nil
}

func (b *bench) ask(ctx context.Context, method, path string, into any) error {
	body, err := b.Stack.Ask(ctx, method, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
