package source

import (
	"context"
	"sync"
	"time"
)

// pause keeps copies and checks from being read until they are resumed. Those under way go back to the head of the queue,
// so that no connection and no snapshot is held meanwhile: one by key goes on later where it got to, one without begins again.
func (c *copies) pause() {
	*c.paused = true
	var again []waitingCopy
	for _, job := range c.active {
		switch {
		case job.stopped:
		case job.check != nil:
			c.void(job, "copies are paused")
		default:
			c.stopCopy(job.table)
			if t := c.r.tables[job.table]; t != nil {
				t.copying = nil
			}
			again = append(again, waitingCopy{table: job.table, reason: job.reason, slowly: job.slowly, refused: job.refused})
		}
	}
	c.waiting = append(again, c.waiting...)
}

// keepPace returns when that many more rows may be sent.
func (c *copies) keepPace(ctx context.Context, job *copying, rows int) error {
	if job.check == nil {
		if err := c.copyPace.wait(ctx, rows); err != nil {
			return err
		}
	}
	if job.check == nil && !job.slowly {
		return nil
	}
	return c.resyncPace.wait(ctx, rows)
}

// pace spreads reading over time; nil does not.
type pace struct {
	perRow time.Duration

	mu   sync.Mutex
	next time.Time
}

// newPace bounds the rows a second, where rate is not 0.
func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{perRow: time.Second / time.Duration(rate)}
}

// wait returns when that many more rows may go.
func (p *pace) wait(ctx context.Context, rows int) error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	left := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(rows) * p.perRow)
	p.mu.Unlock()
	if left <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}
