package source

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/server"
	"github.com/chittihq/duckling/testkit/seed"
)

// noThread is the server's error for a connection that has gone by itself.
const noThread = 1094

// account makes ingest log in as a user of its own, whose connections can be told from others.
func (r *rig) account() (name string) {
	r.t.Helper()
	name = "own_" + r.schema
	if err := r.mysql.CreateUser(r.t.Context(), name, "pw", "ALL ON *.*"); err != nil {
		r.t.Fatal(err)
	}
	r.config.Server.User, r.config.Server.Password = name, "pw"
	return name
}

// connections are those of a user that are as the condition says.
func (r *rig) connections(user, condition string) []string {
	r.t.Helper()
	return r.column("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '" + user + "' AND " + condition)
}

func (r *rig) kill(ids []string) {
	r.t.Helper()
	for _, id := range ids {
		if _, err := r.db.ExecContext(r.t.Context(), "KILL "+id); err != nil && !server.Is(err, noThread) {
			r.t.Fatal(err)
		}
	}
}

// A connection that the server has closed while nothing was asked on it, as after wait_timeout, is not used again; the run goes on.
func TestIdleConnectionsAreKilled(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		user := r.account()
		r.exec(orders, "CREATE TABLE bag (v INT)", "INSERT INTO bag VALUES (1), (1)")
		r.fill(100)
		r.start()
		r.converge()
		becomes := func(what string, condition func() bool) {
			t.Helper()
			for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("gave up waiting until " + what)
				}
			}
		}
		becomes("the binlog is read", func() bool { return len(r.connections(user, "COMMAND LIKE 'Binlog%'")) == 1 })
		// Those that are killed are no longer idle at once, and gone a moment later.
		becomes("all others are gone", func() bool {
			r.kill(r.connections(user, "COMMAND = 'Sleep'"))
			return len(r.connections(user, "COMMAND NOT LIKE 'Binlog%'")) == 0
		})
		r.exec("ALTER TABLE orders ADD COLUMN c INT DEFAULT 7", "UPDATE orders SET total = total + 1 WHERE id < 5", "INSERT INTO bag VALUES (2)")
		r.control(ControlRequest{Op: "copy"})
		r.eventually("all is copied again", func(m *model) bool { return m.begun["orders"] == 2 && m.begun["bag"] == 2 && len(m.copies) == 0 })
		r.converge()
		if n := r.metric("duckling_ingest_restarts_total", "shop"); n != -1 {
			t.Errorf("%v runs ended", n)
		}
	})
}

// Every connection of ingest is killed again and again, at any moment of copies and stream: what the stream says is what the source has.
func TestConnectionsAreKilledAtRandom(t *testing.T) {
	flavors(t, func(t *testing.T, r *rig) {
		w := &workload{r: r, rand: rand.New(rand.NewPCG(seed.For(t), 0))}
		user := r.account()
		r.config.CopyRate = 20_000
		r.exec(workloadTables...)
		w.fill(6000)
		for range 2 {
			stop := r.start() // whose pauses are short at first
			for range 2 {
				for range w.rand.IntN(6) {
					w.step()
				}
				var before int
				r.eventually("it goes on", func(m *model) bool { before = m.frames; return true })
				r.eventually("it goes on", func(m *model) bool { return m.frames > before+w.rand.IntN(10) })
				ids := r.connections(user, "ID <> CONNECTION_ID()")
				w.rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				r.kill(ids[w.rand.IntN(2)*len(ids)/2:]) // all of them, or half
			}
			stop()
		}
		r.config.CopyRate = 0
		r.start()
		w.step()
		r.converge()
	})
}
