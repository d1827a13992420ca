package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// A comparison whose ingest or loader is killed goes on by itself, with the part of the table that it was at, and finds no row wrong that is right.
func TestResyncOutlivesCrashes(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := stillBank(ctx, t, server, 22, 6000)
		s := newStack(t, server.URL("bank"), "RESYNC_MAX_ROWS_PER_SECOND=10000", "RESYNC_PART_ROWS=500")
		start(ctx, t, s)
		client := connect(ctx, t, s)
		caughtUp(ctx, t, b, client)
		stop := working(ctx, t, b, client)
		defer stop()
		for _, victim := range []*stack.Service{s.Ingest, s.Loader} {
			table, parts := "", 0
			eventually(ctx, t, "a table to be compared in part", func() error {
				var status syncStatus
				if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
					return err
				}
				for _, one := range status.Tables {
					if one.Comparing != nil && one.Comparing.Parts >= 2 {
						table, parts = one.Name, one.Comparing.Parts
						return nil
					}
				}
				if status.Resync.Table == "" { // not asked yet, or over before it was seen
					return errors.Join(errors.New("nothing is compared"), ask(ctx, s, http.MethodPost, "/sync/check", &struct{}{}))
				}
				return fmt.Errorf("at %+v", status.Resync)
			})
			if err := victim.Kill(); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			start(ctx, t, s)
			eventually(ctx, t, "the comparison to go on", func() error {
				var status syncStatus
				if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
					return err
				}
				for _, one := range status.Tables {
					switch {
					case one.Name != table || one.Check != nil && one.Check.At.After(killed):
					case one.Comparing == nil || one.Comparing.Parts < parts-1: // the last part may not have been stored
						t.Errorf("%s had been compared in %d parts, and after %s was killed is at %+v", table, parts, victim.Name, one.Comparing)
					}
				}
				if len(status.Tables) == 0 {
					return errors.New("no tables are known")
				}
				return nil
			})
			for _, one := range checked(ctx, t, s).Results {
				if one.Report.Differing != 0 {
					t.Errorf("after %s was killed %s differs: %+v", victim.Name, one.Table, one.Report)
				}
			}
		}
		stop()
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
	})
}

// A table whose definition or content changes as a whole while it is compared is compared again, and what is right is not found wrong.
func TestDefinitionsChangeDuringAComparison(t *testing.T) {
	ctx := t.Context()
	server := mysqltest.ForTest(t, mysqltest.MySQL)
	b := stillBank(ctx, t, server, 24, 4000)
	s := newStack(t, server.URL("bank"), "RESYNC_MAX_ROWS_PER_SECOND=10000")
	start(ctx, t, s)
	client := connect(ctx, t, s)
	caughtUp(ctx, t, b, client)
	stop := working(ctx, t, b, client)
	defer stop()
	for _, sql := range []string{"ALTER TABLE kinds ADD COLUMN added INT NOT NULL DEFAULT 5", "ALTER TABLE kinds MODIFY added VARCHAR(20)", "TRUNCATE kinds"} {
		eventually(ctx, t, "rows of a table that may change to be compared", func() error {
			var status syncStatus
			if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
				return err
			}
			if status.Resync.Table == "" { // not asked yet, or over before it was seen
				return errors.Join(errors.New("nothing is compared"), ask(ctx, s, http.MethodPost, "/sync/check", &struct{}{}))
			}
			if status.Resync.Stage != "reading" || status.Resync.Rows == 0 || status.Resync.Table != "kinds" {
				return fmt.Errorf("at %+v", status.Resync)
			}
			return nil
		})
		if err := b.exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
		for _, one := range checked(ctx, t, s).Results {
			if one.Report.Differing != 0 {
				t.Errorf("after %s, %s differs: %+v", sql, one.Table, one.Report)
			}
		}
	}
	stop()
	caughtUp(ctx, t, b, client)
	mustEqual(ctx, t, b, s)
}
