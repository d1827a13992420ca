package source

import (
	"context"
	"time"
)

// pause keeps copies and checks from being read until they are resumed. The copy under way goes back to the head of the queue,
// so that no connection and no snapshot is held meanwhile: one by key goes on later where it got to, one without begins again.
func (c *copies) pause() {
	*c.paused = true
	job := c.active
	switch {
	case job == nil || job.stopped:
	case job.check != nil:
		c.void(job, "copies are paused")
	default:
		c.stopCopy(job.table)
		if t := c.r.tables[job.table]; t != nil {
			t.copying = nil
		}
		again := waitingCopy{table: job.table, reason: job.reason, slowly: job.slowly}
		c.waiting = append([]waitingCopy{again}, c.waiting...)
	}
}

// pace spreads reading over time; nil does not. It is for one goroutine.
type pace struct {
	perRow time.Duration
	next   time.Time
}

// newPace bounds the rows a second, where rate is not 0.
func newPace(rate int) *pace {
	if rate <= 0 {
		return nil
	}
	return &pace{perRow: time.Second / time.Duration(rate)}
}

// slower is the lower of two rates, of which 0 is no bound.
func slower(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// wait returns when that many more rows may go.
func (p *pace) wait(ctx context.Context, rows int) error {
	if p == nil {
		return nil
	}
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	left := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(rows) * p.perRow)
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
