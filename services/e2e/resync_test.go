package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/duck"
	"github.com/chittihq/duckling/pkg/generation"
	duckling "github.com/chittihq/duckling/sdk/go"
	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// still is what the bank's workload leaves alone, in tables that it writes to.
var still = []string{
	"INSERT INTO account (id, owner, balance, opened) SELECT 1000 + seq, CONCAT('still ', seq), seq, '2025-01-31 10:00:00.123456' FROM numbers",
	"INSERT INTO entry SELECT 1000 + seq % 50, seq, seq / 7, '2025-01-31 10:00:00.125' FROM numbers",
	// The collation takes é, E and e for the same letter, as it does in the comparison of keys; DuckDB does not.
	"INSERT INTO tag SELECT CONCAT(IF(seq % 2, 'É-', 'x-'), seq), seq, seq / 3 FROM numbers",
	"INSERT INTO hashes SELECT UNHEX(LEFT(SHA2(seq, 256), 32)), seq FROM numbers", "INSERT INTO pair SELECT seq % 7, CONCAT('x', seq), seq FROM numbers",
	"INSERT INTO precise SELECT (seq DIV 5 - 50) / 8, 18446744073709551615 - seq, seq FROM numbers",
	"INSERT INTO kinds SELECT seq, seq % 200 - 100, seq / 3, -seq / 7, seq % 60, 1901 + seq % 200, ELT(1 + seq % 3, 'a', 'b', 'a,b'), SEC_TO_TIME(seq * 101 - 50000), " +
		"DATE_ADD('2000-01-01', INTERVAL seq DAY), CONCAT('c', seq), UNHEX(LEFT(SHA2(seq, 256), 40)), IF(seq % 5, SHA2(seq, 256), NULL), CONCAT('{\"n\": ', seq, ', \"f\": 1.50, \"s\": \"ü\"}'), " +
		"seq * 12345678901234567890.12345, seq * 98765432109876543210, ST_GeomFromText(CONCAT('POINT(', seq, ' 1)')) FROM numbers",
}

var stillTables = []string{
	"CREATE TABLE numbers (seq INT PRIMARY KEY)",
	"CREATE TABLE tag (name VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, n INT, share DOUBLE)",
	// Keys that sort alike on both sides: in all of their columns, and in the first.
	"CREATE TABLE hashes (id BINARY(16) PRIMARY KEY, n INT)", "CREATE TABLE precise (id DECIMAL(20,3), big BIGINT UNSIGNED, n INT, PRIMARY KEY (id, big))",
	"CREATE TABLE pair (tenant INT, name VARCHAR(40), n INT, PRIMARY KEY (tenant, name))",
	`CREATE TABLE kinds (id INT UNSIGNED PRIMARY KEY, tiny TINYINT, f FLOAT, d DOUBLE, bits BIT(6), y YEAR, letters SET('a','b'), t TIME(3), day DATE, c CHAR(10),
		b BINARY(20), txt TEXT CHARACTER SET latin1, j JSON, wide DECIMAL(38,5), beyond DECIMAL(60,2), place POINT)`,
}

// stillBank is a bank with more tables, whose additional rows nobody changes.
func stillBank(ctx context.Context, t *testing.T, server *mysqltest.Server, seed uint64, rows int) *bank {
	t.Helper()
	b := newBank(ctx, t, server, seed)
	numbers := make([]string, rows)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("(%d)", i+1)
	}
	for _, sql := range slices.Concat(stillTables, []string{"INSERT INTO numbers VALUES " + strings.Join(numbers, ", ")}, still) {
		if _, err := b.db.ExecContext(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return b
}

// validation is what GET /sync/validate answers, as far as it matters here.
type validation struct {
	Results []struct {
		Table    string
		Match    *bool
		LastSync *time.Time
		Error    string
		Report   *struct {
			Changed, Lost, Extra, Doubled, Differing, SkippedKeys, SourceRows, Rows int64
			Parts                                                                   int
			Mending                                                                 string
			Findings                                                                []struct{ Kind, Key string }
		}
	} `json:"validationResults"`
}

// syncStatus is what GET /sync/status answers, as far as it matters here.
type syncStatus struct {
	Resync struct {
		Table, Stage string
		Rows         int64
		Waiting      []string
	}
	Tables []syncTable
}

// syncTable is one table of it.
type syncTable struct {
	Name, Stale   string
	Check         *struct{ At time.Time }
	Comparing     *struct{ Parts int }
	Copy          *struct{ Rows int64 }
	CopyCancelled *time.Time
}

// table is the one of that name; without a name where there is none.
func (s *syncStatus) table(name string) (one syncTable) {
	for _, t := range s.Tables {
		if t.Name == name {
			one = t
		}
	}
	return one
}

// ask sends the gateway a request and decodes its answer.
func ask(ctx context.Context, s *stack.Stack, method, path string, into any) error {
	body, err := s.Ask(ctx, method, path)
	if err != nil {
		return err
	}
	if err := documented(ctx, s, method, path, body); err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// checked has every table compared and returns what is known once that is over, and nothing waits to be copied.
func checked(ctx context.Context, t *testing.T, s *stack.Stack) (out validation) {
	t.Helper()
	began := time.Now()
	eventually(ctx, t, "the loader to take the request", func() error {
		return ask(ctx, s, http.MethodPost, "/sync/check", &struct{}{})
	})
	eventually(ctx, t, "all tables to be compared", func() error {
		var status syncStatus
		if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
			return err
		}
		if status.Resync.Table != "" || len(status.Resync.Waiting) > 0 {
			return fmt.Errorf("still at %+v", status.Resync)
		}
		for _, table := range status.Tables {
			if table.Stale != "" {
				return fmt.Errorf("%s is stale: %s", table.Name, table.Stale)
			}
		}
		out = validation{}
		if err := ask(ctx, s, http.MethodGet, "/sync/validate", &out); err != nil {
			return err
		}
		for _, one := range out.Results {
			if one.LastSync == nil || one.LastSync.Before(began) {
				return fmt.Errorf("%s has not been compared since", one.Table)
			}
		}
		return nil
	})
	for _, one := range out.Results {
		if one.Error != "" || one.Report == nil {
			t.Fatalf("table %s could not be compared: %s", one.Table, one.Error)
		}
	}
	return out
}

// corrupt changes the loader's file behind its back.
func corrupt(ctx context.Context, t *testing.T, s *stack.Stack, statements ...string) {
	t.Helper()
	if err := s.Loader.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(generation.LivePath(s.DataDir(), "default"), duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, sql := range statements {
		if n, err := conn.ExecCount(sql); err != nil || n != 1 {
			t.Fatalf("%s: %d rows, %v", sql, n, err)
		}
	}
}

// working keeps the bank busy until the returned function is called. It writes no faster than readers see it, lest a table grows faster than a slow machine
// compares its parts.
func working(ctx context.Context, t *testing.T, b *bank, client *duckling.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			err := b.run(ctx, 10)
			if err == nil {
				err = b.exec(ctx, "INSERT INTO tag VALUES (?, 1, 0.5)", fmt.Sprint("hot", i))
			}
			if err == nil && i > 3 {
				err = b.exec(ctx, "DELETE FROM tag WHERE name = ?", fmt.Sprint("HOT", i-3)) // another case: the collation takes it for the same
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			seen(ctx, b, client)
		}
	})
	return func() {
		cancel()
		busy.Wait()
	}
}

// seen waits until a reader sees a row committed now, or ctx ends.
func seen(ctx context.Context, b *bank, client *duckling.Client) {
	id, err := b.mark(ctx)
	if err != nil {
		return // the next write tells
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if n, err := duckling.Get[int](ctx, client, "SELECT COUNT(*) FROM mark WHERE id = ?", id); err == nil && n == 1 {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Rows that are wrong in DuckDB, behind the loader's back, are found by the next comparison and mended: exactly
// those, under write load, whatever the table's key.
func TestResyncFindsAndMendsExactlyWhatDiffers(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := stillBank(ctx, t, server, 21, 900)
		s := newStack(t, server.URL("bank"), "RESYNC_PART_ROWS=300")
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		stop := working(ctx, t, b, client)
		defer stop()

		corrupt(ctx, t, s,
			"UPDATE account SET note = 'wrong' WHERE id = 1010", "DELETE FROM account WHERE id = 1020",
			"INSERT INTO account SELECT * FROM account WHERE id = 1030", "INSERT INTO account SELECT * REPLACE (9999999 AS id) FROM account WHERE id = 1040",
			"UPDATE entry SET amount = 0.01 WHERE seq = 100 AND account_id = 1000", "DELETE FROM entry WHERE seq = 151 AND account_id = 1001",
			"UPDATE tag SET n = -1 WHERE name = 'É-11'", "DELETE FROM tag WHERE name = 'x-20'", "INSERT INTO tag SELECT upper(name), n, share FROM tag WHERE name = 'x-30'",
			"UPDATE kinds SET wide = wide + 0.00001 WHERE id = 7", "DELETE FROM kinds WHERE id = 800",
			"DELETE FROM hashes WHERE id = (SELECT min(id) FROM hashes)", "UPDATE hashes SET n = -1 WHERE id = (SELECT max(id) FROM hashes)",
			`INSERT INTO hashes VALUES ('\xFF\xFF\xFF'::BLOB, 1)`, "INSERT INTO pair SELECT tenant, 'X1', n FROM pair WHERE name = 'x1'", "DELETE FROM pair WHERE name = 'x700'",
			"UPDATE precise SET n = -1 WHERE n = 5", "INSERT INTO precise SELECT * FROM precise WHERE n = 890",
			"DELETE FROM audit WHERE rowid = (SELECT min(rowid) FROM audit WHERE what = 'opened')",
		)
		start(ctx, t, s)
		began := time.Now()
		last := follow(ctx, t, s)
		want := map[string]string{
			"account": "changed 1, lost 1, extra 1, doubled 1: rows", "entry": "changed 1, lost 1, extra 0, doubled 0: rows",
			// A key in another case is another key in DuckDB.
			"tag": "changed 1, lost 1, extra 1, doubled 0: rows", "kinds": "changed 1, lost 1, extra 0, doubled 0: rows", "hashes": "changed 1, lost 1, extra 1, doubled 0: rows",
			"pair": "changed 0, lost 1, extra 1, doubled 0: rows", "precise": "changed 1, lost 0, extra 0, doubled 1: rows",
			"audit": "changed 0, lost 1, extra 0, doubled 0: copied",
		}
		right := "changed 0, lost 0, extra 0, doubled 0: "
		for _, one := range checked(ctx, t, s).Results {
			expected := want[one.Table]
			if expected == "" {
				expected = right
			}
			r := one.Report
			if got := fmt.Sprintf("changed %d, lost %d, extra %d, doubled %d: %s", r.Changed, r.Lost, r.Extra, r.Doubled, r.Mending); got != expected {
				t.Errorf("%s: %s, want %s (%+v)", one.Table, got, expected, r.Findings)
			}
			if parts := slices.Contains([]string{"account", "entry", "kinds", "hashes", "pair", "precise"}, one.Table); parts && r.Parts < 3 || one.Table == "tag" && r.Parts > 0 {
				t.Errorf("%s was compared in %d parts", one.Table, r.Parts)
			}
			for _, f := range r.Findings {
				if f.Key == "" {
					t.Errorf("%s: a row is %s, and not named", one.Table, f.Kind)
				}
			}
		}
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("%s differs after it was mended: %+v", one.Table, one.Report)
			}
		}
		eventually(ctx, t, "an event that tells of what was compared", func() error { return told(last(), began) })
		stop()
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
	})
}

// follow reads server-sent events. The returned function gives what the last one told.
func follow(ctx context.Context, t *testing.T, s *stack.Stack) (last func() syncStatus) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/sync/events?token="+stack.Key, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	var resp *http.Response
	eventually(ctx, t, "a stream of events", func() error {
		if resp, err = http.DefaultClient.Do(req); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			resp.Body.Close()
			return fmt.Errorf("%s %s", resp.Status, resp.Header.Get("Content-Type"))
		}
		return nil
	})
	var mu sync.Mutex
	var newest syncStatus
	var reading sync.WaitGroup
	reading.Go(func() {
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			var status syncStatus
			if err := json.Unmarshal([]byte(data), &status); err != nil {
				t.Errorf("event %s: %v", data, err)
			}
			if err := documentedEvent(context.WithoutCancel(ctx), s, []byte(data)); err != nil {
				t.Error(err)
			}
			mu.Lock()
			newest = status
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	return func() syncStatus {
		mu.Lock()
		defer mu.Unlock()
		return newest
	}
}

// told returns nil if a status tells of comparisons of all tables that ended since.
func told(status syncStatus, since time.Time) error {
	for _, table := range status.Tables {
		if table.Check == nil || table.Check.At.Before(since) {
			return fmt.Errorf("the last event tells nothing new of %s", table.Name)
		}
	}
	if len(status.Tables) == 0 {
		return errors.New("no event told of tables")
	}
	return nil
}
