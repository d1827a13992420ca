package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/snapshot"
)

const (
	copyRetry    = time.Second
	copyRetryMax = 5 * time.Minute
	// refusedRetryMax is how long it takes at most until a row that was refused is looked at again.
	refusedRetryMax = 15 * time.Second
)

// failed tries a copy again later; a copy by key goes on where it got to.
func (c *copies) failed(ctx context.Context, job *copying, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.pending = slices.DeleteFunc(c.pending, func(p *copying) bool { return p == job })
	if job.check != nil {
		c.void(job, err.Error())
		return c.tellVoided(ctx)
	}
	if t := c.r.tables[job.table]; t != nil {
		t.copying = nil
	}
	var refused *snapshot.RefusedError
	if errors.As(err, &refused) {
		return c.refused(ctx, job, refused)
	}
	pause := c.nextRetry(job.table, copyRetryMax)
	c.r.log.WarnContext(ctx, "copying a table failed", "table", job.table, "error", err, "retry_in", pause.String())
	file, offset, err := c.r.server.Head(ctx)
	if err != nil {
		return fmt.Errorf("queueing the copy of %q: %w", job.table, err)
	}
	c.add(waitingCopy{table: job.table, reason: job.reason, after: place{file, offset}, notBefore: time.Now().Add(pause)})
	return nil
}

// nextRetry is how long to wait before a table's copy is tried again; longer each time.
func (c *copies) nextRetry(table string, most time.Duration) time.Duration {
	pause := min(copyRetry<<min(c.retries[table], 10), most)
	c.retries[table]++
	return pause
}

// refused sets aside a table that holds a date which is not taken. The row is looked at again and again, and the
// table copied once it is mended.
func (c *copies) refused(ctx context.Context, job *copying, e *snapshot.RefusedError) error {
	most := copyRetryMax
	if e.Mark != nil {
		most = refusedRetryMax
	}
	reason := refusal(job.table, e.Key, "", e.Date)
	if err := c.r.quarantine(ctx, job.table, reason); err != nil {
		return err
	}
	return c.queueWith(ctx, waitingCopy{
		table: job.table, reason: reason, slowly: job.slowly, refused: e.Mark, notBefore: time.Now().Add(c.nextRetry(job.table, most)),
	})
}
