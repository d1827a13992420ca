package source

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A server whose transactions are in the binlog long before they can be seen: MySQL sends what it
// has flushed and not yet committed, and here it waits between the two.
func lateRig(t *testing.T, args ...string) *rig {
	t.Helper()
	r := newRig(t, mysqltest.MySQL, append(args, "--binlog-group-commit-sync-delay=100000", "--sync-binlog=0")...)
	return r
}

// A definition is read when the statement that made it can be seen, not when the binlog tells of it.
func TestDefinitionsAreSeenLate(t *testing.T) {
	for name, args := range map[string][]string{"gtid": nil, "file and offset": mysqltest.WithoutGTID()} {
		t.Run(name, func(t *testing.T) {
			r := lateRig(t, args...)
			r.exec(orders)
			r.fill(100)
			r.start()
			r.converge()
			for i := range 5 {
				r.exec(fmt.Sprintf("CREATE TABLE made_%d AS SELECT id, note FROM orders LIMIT 10", i),
					fmt.Sprintf("CREATE TABLE plain_%d (id INT PRIMARY KEY)", i),
					fmt.Sprintf("ALTER TABLE orders ADD COLUMN extra_%d INT NOT NULL DEFAULT %d", i, i))
			}
			r.converge()
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.model.begun) != 1 || r.model.begun["orders"] != 1 {
				t.Errorf("copied %v, want orders once: %q", r.model.begun, r.model.reasons)
			}
		})
	}
}

// Two copies of one table at the same time would each end what both began.
func TestOneCopyOfATable(t *testing.T) {
	c := copies{r: &run{metrics: NewMetrics(prometheus.NewRegistry())}}
	ctx, cancel := context.WithCancel(t.Context())
	active := &copying{table: "orders", cancel: cancel}
	c.active = []*copying{{table: "other"}, active}
	c.pending = []*copying{{table: "orders"}, {table: "other"}}
	for range 2 {
		c.queueNow("orders", "it was altered", nil)
	}
	if !active.stopped || ctx.Err() == nil || len(c.pending) != 1 || len(c.waiting) != 1 {
		t.Errorf("beside the copy that waits there are one under way (stopped: %v), %d that end and %d that wait",
			active.stopped, len(c.pending)-1, len(c.waiting)-1)
	}
}
