package source

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
)

// A copy that is cancelled comes to nothing: the stream goes on carrying the table's rows, and it is not copied again, whatever restarts. What readers cannot
// do without is not cancelled. Without a bound the copies would be over before that.
func TestCopiesAreCancelled(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.exec(orders, "CREATE TABLE bag (v VARCHAR(200), n INT)")
		r.fill(20_000)
		r.exec("INSERT INTO bag SELECT REPEAT('x', 100), id % 5000 FROM orders")
		both := []string{"bag", "orders"}
		cancel := func(names ...string) []string {
			return r.ask(ControlRequest{Op: "cancel-copies", Tables: names}).Cancelled
		}
		under := func(withRows int) {
			t.Helper()
			r.eventually("both copies are under way", func(m *model) bool { return len(m.copies) == 2 && len(m.underWay()) >= withRows })
		}
		slow := func() func() { r.config.CopyRate = 1_000; return r.startAnswering() }
		stop := slow()
		under(1)
		if got := cancel(both...); len(got) > 0 {
			t.Errorf("the first copies of %v were cancelled", got)
		}
		stop()
		r.config.CopyRate = 0
		stop = r.start()
		r.converge()
		stop()

		stop = slow()
		for round, meanwhile := range []func(){
			func() {},
			func() { r.control(ControlRequest{Op: "pause"}) },
			func() { // the one by key goes on, the other begins again
				stop()
				n := r.begun("bag")
				stop = r.startAnswering()
				r.eventually("the copies go on", func(m *model) bool { return m.begun["bag"] > n })
			},
		} {
			r.control(ControlRequest{Op: "copy"})
			under(max(1-round, 0)) // later the rows of the copy before count towards the bound
			r.exec(fmt.Sprintf("UPDATE orders SET total = total + 1 WHERE id %% 100 = %d", round), "DELETE FROM bag WHERE n = 7 LIMIT 1")
			meanwhile()
			if got := cancel(both...); !slices.Equal(got, both) {
				t.Errorf("round %d: the copies of %v were cancelled", round, got)
			}
			if got := cancel(both...); len(got) > 0 {
				t.Errorf("round %d: the copies of %v were cancelled twice", round, got)
			}
			r.control(ControlRequest{Op: "resume"})
			r.exec("INSERT INTO bag VALUES ('after', 1)", "DELETE FROM orders WHERE id = 3 + "+fmt.Sprint(round))
			r.converge()
		}
		r.control(ControlRequest{Op: "pause"})
		r.control(ControlRequest{Op: "copy"})
		if got := cancel(both...); !slices.Equal(got, both) {
			t.Errorf("waiting, the copies of %v were cancelled", got)
		}
		r.control(ControlRequest{Op: "resume"})
		stop()

		before := map[string]int{"bag": r.begun("bag"), "orders": r.begun("orders")}
		stop = slow()
		r.exec("INSERT INTO bag VALUES ('and on', 2)")
		r.converge()
		for _, name := range both {
			if n := r.begun(name); n != before[name] {
				t.Errorf("%s: %d copies began, before the restart %d", name, n, before[name])
			}
			r.eventually("three copies have come to nothing", func(m *model) bool { return m.voided[name] == 3 })
		}
		r.exec("ALTER TABLE orders MODIFY customer BIGINT NOT NULL")
		r.eventually("a copy that readers need", func(m *model) bool { return m.copies["orders"] != nil && m.copies["orders"].freeze })
		if got := cancel("orders"); len(got) > 0 {
			t.Error("a copy that readers need was cancelled")
		}
		stop()
		r.config.CopyRate = 0
		r.start()
		r.converge()
	})
}

// begun is how many copies of a table have begun.
func (r *rig) begun(table string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.model.begun[table]
}

// startAnswering is start, and returns once requests are answered.
func (r *rig) startAnswering() (stop func()) {
	r.t.Helper()
	stop = r.start()
	deadline := time.Now().Add(patience)
	for {
		_, err := r.bus.Request(r.t.Context(), bus.IngestControl(r.config.ID), []byte(`{"op":"pause"}`))
		if err == nil {
			r.control(ControlRequest{Op: "resume"})
			return stop
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
