package source

import (
	"encoding/json"
	"testing"

	"github.com/chittihq/duckling/pkg/bus"
)

// A paused copy reads nothing, while changes go on, and goes on where it was. Without a bound it would be over before the pause.
func TestCopiesPauseAndResume(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		r.config.CopyRate = 5000
		r.exec(orders, "CREATE TABLE beside (id INT PRIMARY KEY)")
		r.fill(30_000)
		r.start()
		copied := func(m *model) int {
			if c := m.copies["orders"]; c != nil {
				return len(c.table.rows)
			}
			return 0
		}
		r.eventually("the copy is under way", func(m *model) bool { return copied(m) > 0 && m.tables["beside"] != nil })
		if s := r.ask(ControlRequest{Op: "pause"}); !s.Paused || s.CaughtUp {
			t.Fatalf("the answer to the pause is %+v", s)
		}
		r.exec("INSERT INTO beside VALUES (1)", "UPDATE orders SET total = total + 1 WHERE id % 1000 = 0")
		beside := func(n int) {
			r.t.Helper()
			r.eventually("changes go on", func(m *model) bool { return len(m.tables["beside"].rows) == n })
		}
		beside(1)
		r.mu.Lock()
		was := copied(r.model)
		r.mu.Unlock()
		if was == 0 || was >= 30_000 {
			t.Fatalf("%d rows were copied before the pause", was)
		}
		r.exec("INSERT INTO beside VALUES (2)")
		beside(2)
		r.mu.Lock()
		if now := copied(r.model); now != was {
			t.Errorf("%d rows were copied during the pause", now-was)
		}
		r.mu.Unlock()
		if s := r.ask(ControlRequest{Op: "resume"}); s.Paused {
			t.Error("it is still paused")
		}
		r.converge()
		if r.model.begun["orders"] != 1 {
			t.Errorf("the copy was begun %d times", r.model.begun["orders"])
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
