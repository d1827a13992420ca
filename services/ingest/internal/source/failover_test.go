package source

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/pkg/bus"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

// A replica that has all that was streamed takes the source's place without a copy; a server that is no replica is refused, with
// the reason, and the stream is left as it is.
func TestFailover(t *testing.T) {
	for _, flavor := range []mysqltest.Flavor{mysqltest.MySQL, mysqltest.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			r := privateRig(t, flavor)
			replica, stranger := mysqltest.ForTest(t, flavor), mysqltest.ForTest(t, flavor)
			if err := replica.ReplicateFrom(t.Context(), r.mysql); err != nil {
				t.Fatal(err)
			}
			r.exec(orders)
			r.fill(500)
			stop := r.start()
			r.converge()
			stop()
			r.exec("UPDATE orders SET total = 7 WHERE id < 50", "DELETE FROM orders WHERE id > 400")
			if err := replica.WaitFor(t.Context(), r.mysql); err != nil {
				t.Fatal(err)
			}
			if err := stranger.Exec(t.Context(), "CREATE DATABASE "+r.schema); err != nil {
				t.Fatal(err)
			}
			r.config.Server = serverConfig(stranger.Addr, r.schema)
			stop = r.start()
			if reason := r.refusal(); !strings.Contains(reason, "is no replica of it") {
				t.Errorf("a server of another topology is refused with %q", reason)
			}
			stop()

			r.config.Server = serverConfig(replica.Addr, r.schema)
			r.start()
			r.mysql = replica
			r.db.Close()
			var err error
			if r.db, err = replica.Open(r.schema); err != nil {
				t.Fatal(err)
			}
			end := "STOP REPLICA"
			if flavor == mysqltest.MariaDB {
				end = "STOP SLAVE"
			}
			r.exec(end, "INSERT INTO orders (customer, total, at) VALUES (1, 1, '2024-01-01')")
			r.converge()
			r.mu.Lock()
			defer r.mu.Unlock()
			if n := r.model.begun["orders"]; n != 1 {
				t.Errorf("orders was copied %d times, want once: %q", n, r.model.reasons)
			}
		})
	}
}

// refusal waits until the source cannot be followed, and returns why.
func (r *rig) refusal() string {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		answer, err := r.bus.Request(r.t.Context(), bus.IngestControl(r.config.ID), []byte(`{"op":"status"}`))
		if err != nil {
			continue // not there to answer yet
		}
		var status Status
		if err := json.Unmarshal(answer, &status); err != nil {
			r.t.Fatal(err)
		}
		if status.Error != "" {
			return status.Error
		}
	}
	r.t.Fatal("the server was not refused")
	return ""
}
