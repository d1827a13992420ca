package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
)

// Paused copies read nothing, while changes go on, and go on where they were; one without a key begins again. Without a bound they
// would be over before the pause.
func TestCopiesPauseAndResume(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.CopyRate = 2_000
		r.exec(orders, "CREATE TABLE beside (id INT PRIMARY KEY)", "CREATE TABLE bag (v VARCHAR(200), n INT)")
		r.fill(30_000)
		r.exec("CREATE TABLE other LIKE orders", "INSERT INTO other SELECT * FROM orders", "INSERT INTO bag SELECT REPEAT('x', 100), id % 5000 FROM orders")
		large := []string{"orders", "other", "bag"}
		stop := r.start()
		for round := range 2 {
			r.eventually("all copies are under way", func(m *model) bool {
				return len(m.underWay()) == len(large) && m.tables["beside"] != nil
			})
			if s := r.ask(ControlRequest{Op: "pause"}); !s.Paused || s.CaughtUp {
				t.Fatalf("the answer to the pause is %+v", s)
			}
			r.exec(fmt.Sprintf("INSERT INTO beside VALUES (%d)", 2*round), "UPDATE orders SET total = total + 1 WHERE id % 1000 = 0", "DELETE FROM bag WHERE n = 7 LIMIT 2")
			beside := func(n int) {
				r.t.Helper()
				r.eventually("changes go on", func(m *model) bool { return len(m.tables["beside"].rows) == n })
			}
			beside(2*round + 1)
			r.mu.Lock()
			was := r.model.underWay()
			r.mu.Unlock()
			r.exec(fmt.Sprintf("INSERT INTO beside VALUES (%d)", 2*round+1))
			beside(2*round + 2)
			r.mu.Lock()
			if now := r.model.underWay(); len(was) != len(large) || !maps.Equal(was, now) {
				t.Errorf("during the pause copies went from %v to %v", was, now)
			}
			r.mu.Unlock()
			if s := r.ask(ControlRequest{Op: "resume"}); s.Paused {
				t.Error("it is still paused")
			}
			r.eventually("the copy without a key has begun again", func(m *model) bool { return m.begun["bag"] == round+2 })
		}
		stop()
		r.config.CopyRate = 0
		r.start()
		r.converge()
		for _, name := range []string{"orders", "other"} {
			if n := r.model.begun[name]; n != 1 {
				t.Errorf("the copy of %s was begun %d times", name, n)
			}
		}
	})
}

// ask is control with the answer.
func (r *rig) ask(q ControlRequest) (s Status) {
	r.t.Helper()
	data, err := json.Marshal(q)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.bus.Request(r.t.Context(), bus.IngestControl(r.config.ID), data)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// control asks the running source for something, once it is there to answer.
func (r *rig) control(q ControlRequest) { r.ask(q) }
