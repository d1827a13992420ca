package source

import (
	"strings"
	"testing"
	"time"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
	"github.com/chittihq/duckling/testkit/mysqltest"
)

func TestLag(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_000_000)
	const ahead = 5_000_000 // the source's clock is five seconds ahead
	commit := func(before time.Duration) binlog.Position {
		return binlog.Position{CommitTime: at.Add(-before).UnixMicro() + ahead}
	}
	for name, c := range map[string]struct {
		board *statusBoard
		want  time.Duration
	}{
		"nothing read yet":           {&statusBoard{connected: true}, 0},
		"idle":                       {&statusBoard{connected: true, at: commit(time.Hour), heard: at.Add(-time.Second)}, 0},
		"catching up":                {&statusBoard{connected: true, at: commit(time.Hour)}, time.Hour},
		"busy since it was idle":     {&statusBoard{connected: true, at: commit(time.Second), heard: at.Add(-2 * time.Second)}, time.Second},
		"silent since it was idle":   {&statusBoard{connected: true, at: commit(time.Hour), heard: at.Add(-time.Minute)}, time.Minute},
		"cut off since it was idle":  {&statusBoard{at: commit(time.Hour), heard: at.Add(-time.Second)}, time.Second},
		"busy, by a clock that lies": {&statusBoard{connected: true, at: commit(-time.Second)}, 0},
	} {
		c.board.offset = ahead
		if got := c.board.lagAt(at); got != c.want {
			t.Errorf("%s: lag %v, want %v", name, got, c.want)
		}
	}
}

// metric returns a value by name and labels, the labels' values in the order of their names.
func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if strings.Join(values, ",") == strings.Join(labels, ",") {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return -1
}

func TestMetricsCountWhatHappened(t *testing.T) {
	r := newRig(t, mysqltest.MySQL)
	r.exec(orders)
	r.fill(1000)
	r.start()
	r.converge()
	r.exec("UPDATE orders SET total = -1 WHERE id <= 20", "DELETE FROM orders WHERE id <= 3", "INSERT INTO orders (customer, total, at) VALUES (1, 1, '2024-01-01')")
	r.converge()
	r.eventually("everything was read", func(*model) bool {
		return r.metric("duckling_ingest_lag_seconds", "shop") == 0 && r.metric("duckling_ingest_caught_up", "shop") == 1
	})
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{1000, "duckling_ingest_rows_total", []string{"shop", "copy", "orders"}},
		{20, "duckling_ingest_rows_total", []string{"shop", "update", "orders"}},
		{3, "duckling_ingest_rows_total", []string{"shop", "delete", "orders"}},
		{1, "duckling_ingest_rows_total", []string{"shop", "insert", "orders"}},
		{1, "duckling_ingest_tables", []string{"shop", "streaming"}},
		{0, "duckling_ingest_tables", []string{"shop", "quarantined"}},
		{-1, "duckling_ingest_copy_sent_rows", []string{"shop", "orders"}},
		{-1, "duckling_ingest_restarts_total", []string{"shop"}},
		{1, "duckling_ingest_connected", []string{"shop"}},
	} {
		if got := r.metric(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	for _, name := range []string{"duckling_ingest_frame_size_bytes", "duckling_ingest_publish_latency_seconds"} {
		if r.metric(name, "shop") < 3 {
			t.Errorf("%s has seen %v frames, want all of them", name, r.metric(name, "shop"))
		}
	}
	if r.metric("duckling_ingest_row_bytes_total", "shop", "update", "orders") < 20*2*20 {
		t.Error("the bytes of updates were not counted")
	}
}

// Every metric moves with what it tells of: a source that stands still, copies on their way, tables set aside, a lost connection.
func TestMetricsMove(t *testing.T) {
	r := privateRig(t, mysqltest.MySQL)
	r.config.CopyRate = 1000 // a copy that no slow test misses
	r.config.Destructive = PauseDestructive
	r.exec(orders, "CREATE TABLE kept (id INT PRIMARY KEY, v INT)", "INSERT INTO kept VALUES (1, 1)")
	r.fill(30_000)
	stop := r.start()
	becomes := func(what string, condition func() bool) {
		t.Helper()
		r.eventually(what, func(*model) bool { return condition() })
	}
	metric := func(name string, labels ...string) float64 {
		return r.metric("duckling_ingest_"+name, append([]string{"shop"}, labels...)...)
	}
	becomes("a copy is on its way", func() bool {
		sent, estimated := metric("copy_sent_rows", "orders"), metric("copy_estimated_rows", "orders")
		return sent > 0 && sent < 30_000 && estimated >= sent && metric("tables", "copying") == 1 && metric("caught_up") == 0
	})
	if err := r.source.Ready(); err != nil {
		t.Errorf("a source whose tables are being copied is not ready: %v", err)
	}
	stop()
	r.config.CopyRate = 0
	r.start()
	r.converge()
	becomes("all is there", func() bool {
		return metric("caught_up") == 1 && metric("lag_seconds") == 0 && metric("copy_sent_rows", "orders") == -1 && metric("tables", "streaming") == 2
	})
	frames, stored := metric("frame_size_bytes"), metric("publish_latency_seconds")
	changes, bytes := metric("frames_total", "changes"), metric("row_bytes_total", "insert", "kept")
	r.exec("INSERT INTO kept VALUES (2, 2)")
	becomes("a frame is counted", func() bool {
		return metric("frame_size_bytes") > frames && metric("publish_latency_seconds") > stored && metric("frames_total", "changes") > changes &&
			metric("rows_total", "insert", "kept") == 1 && metric("row_bytes_total", "insert", "kept") > bytes
	})
	r.exec("ALTER TABLE kept DROP COLUMN v")
	becomes("a table is set aside", func() bool { return metric("tables", "quarantined") == 1 && metric("caught_up") == 0 })
	r.control(ControlRequest{Op: "copy", Table: "kept"})
	becomes("it is back", func() bool { return metric("tables", "quarantined") == 0 && metric("caught_up") == 1 })
	// Nothing is heard of a source that does not answer: what it may have committed since is older every second.
	if err := r.mysql.Kill(); err != nil {
		t.Fatal(err)
	}
	shows := func() bool {
		return metric("restarts_total") > 0 && metric("connected") == 0 && metric("caught_up") == 0 && metric("lag_seconds") > 0 && r.source.Ready() != nil
	}
	for deadline := time.Now().Add(patience); !shows(); time.Sleep(20 * time.Millisecond) { // no frame comes now to wait for
		if time.Now().After(deadline) {
			t.Fatal("the loss of the source does not show")
		}
	}
	if err := r.mysql.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomes("it goes on", func() bool {
		return metric("connected") == 1 && metric("caught_up") == 1 && metric("lag_seconds") == 0 && r.source.Ready() == nil
	})
}
