package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/chittihq/duckling/testkit/mysqltest"
	"github.com/chittihq/duckling/testkit/stack"
)

// A copy under way that is cancelled leaves the table as it was, followed and equal to the source, also where loader or ingest is killed as soon as
// the cancelling was answered; it is told, and the next request copies the table.
func TestCopyIsCancelled(t *testing.T) {
	flavors(t, func(t *testing.T, flavor mysqltest.Flavor) {
		ctx := t.Context()
		server := mysqltest.ForTest(t, flavor)
		b := stillBank(ctx, t, server, 41, 1000)
		s := newStack(t, server.URL("bank"), "COPY_MAX_ROWS_PER_SECOND=2000")
		start(ctx, t, s)
		client := connect(ctx, t, s)
		if err := b.exec(ctx, "CREATE TABLE large (id INT PRIMARY KEY, n INT)"); err != nil {
			t.Fatal(err)
		}
		caughtUp(ctx, t, b, client)
		// At its rate a copy of all this would take half a minute; through the stream it comes at once.
		if err := b.exec(ctx, "INSERT INTO large SELECT a.seq + 1000 * b.seq, a.seq FROM numbers a, numbers b WHERE b.seq <= 60"); err != nil {
			t.Fatal(err)
		}
		last := follow(ctx, t, s)
		stop := working(ctx, t, b, client)
		defer stop()

		for _, victim := range []*stack.Service{nil, s.Loader, s.Ingest} {
			began := time.Now()
			eventually(ctx, t, "the copy to be asked for", func() error { return ask(ctx, s, http.MethodPost, "/sync/table/large", &struct{}{}) })
			eventually(ctx, t, "the copy to be under way", func() error {
				var status syncStatus
				if err := ask(ctx, s, http.MethodGet, "/sync/status", &status); err != nil {
					return err
				}
				if one := status.table("large"); one.Copy == nil || victim == nil && one.Copy.Rows == 0 {
					return fmt.Errorf("at %+v", one)
				}
				return nil
			})
			var answer struct {
				Cancelled int
				Copies    []string
			}
			tries := 0
			eventually(ctx, t, "the copy to be cancelled", func() error {
				tries++
				return ask(ctx, s, http.MethodPost, "/sync/cancel/large", &answer)
			})
			if tries == 1 && (answer.Cancelled != 1 || !slices.Equal(answer.Copies, []string{"large"})) { // else an answer may have been lost
				t.Fatalf("cancelled were %+v", answer)
			}
			if victim != nil {
				if err := victim.Kill(); err != nil {
					t.Fatal(err)
				}
				start(ctx, t, s)
			}
			if err := errors.Join(b.exec(ctx, "UPDATE large SET n = n + 1 WHERE id % 100 = 0"), b.exec(ctx, "DELETE FROM large WHERE id % 1000 = ?", time.Since(began).Milliseconds()%1000)); err != nil {
				t.Fatal(err)
			}
			eventually(ctx, t, "an event that tells that the copy was cancelled", func() error {
				status := last()
				if one := status.table("large"); one.Name == "" || one.Copy != nil || one.Stale != "" || one.CopyCancelled == nil || one.CopyCancelled.Before(began) {
					return fmt.Errorf("at %+v", one)
				}
				return nil
			})
		}
		stop()
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
		if err := b.exec(ctx, "DELETE FROM large WHERE id > 2000"); err != nil {
			t.Fatal(err)
		}
		eventually(ctx, t, "the next copy to be asked for", func() error { return ask(ctx, s, http.MethodPost, "/sync/table/large", &struct{}{}) })
		eventually(ctx, t, "the table to be copied", func() error {
			status := last()
			if one := status.table("large"); one.Name == "" || one.Copy != nil || one.CopyCancelled != nil {
				return fmt.Errorf("at %+v", one)
			}
			return nil
		})
		caughtUp(ctx, t, b, client)
		mustEqual(ctx, t, b, s)
	})
}
