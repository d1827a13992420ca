package source

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/ingest/internal/binlog"
)

// Metrics are those of all sources of the process.
type Metrics struct {
	rows      *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	undated   *prometheus.CounterVec
	frames    *prometheus.CounterVec
	frameSize *prometheus.HistogramVec
	acks      *prometheus.HistogramVec
	restarts  *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_rows_total", Help: "Rows read, by table and what was done to them at the source.",
		}, []string{"database", "table", "operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_row_bytes_total", Help: "Bytes of rows read, by table.",
		}, []string{"database", "table"}),
		undated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_null_dates_total", Help: "Dates carried as null because they are zero, partial or do not exist.",
		}, []string{"database", "table"}),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_frames_total", Help: "Frames sent, by kind.",
		}, []string{"database", "kind"}),
		frameSize: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "duckling_ingest_frame_size_bytes", Help: "Size of frames before compression.",
			Buckets: prometheus.ExponentialBuckets(256, 4, 10),
		}, []string{"database"}),
		acks: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "duckling_ingest_publish_latency_seconds", Help: "Time from sending a frame until it is stored.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"database"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_restarts_total", Help: "Runs that ended with a failure and were tried again.",
		}, []string{"database"}),
	}
	registry.MustRegister(m.rows, m.bytes, m.undated, m.frames, m.frameSize, m.acks, m.restarts)
	return m
}

func (m *Metrics) acked(database string) func(uint64, time.Duration) {
	latency := m.acks.WithLabelValues(database)
	return func(_ uint64, took time.Duration) { latency.Observe(took.Seconds()) }
}

func (m *Metrics) published(database string) func(kind string, bytes int) {
	size := m.frameSize.WithLabelValues(database)
	return func(kind string, bytes int) {
		m.frames.WithLabelValues(database, kind).Inc()
		size.Observe(float64(bytes))
	}
}

// tally counts the rows of one table; looking the counters up for each event would cost more.
type tally struct {
	operations [4]prometheus.Counter
	bytes      prometheus.Counter
}

func (m *Metrics) tally(database, table string) tally {
	t := tally{bytes: m.bytes.WithLabelValues(database, table)}
	for op, name := range map[binlog.Operation]string{binlog.Insert: "insert", binlog.Update: "update", binlog.Delete: "delete"} {
		t.operations[op] = m.rows.WithLabelValues(database, table, name)
	}
	return t
}

func (t tally) add(op binlog.Operation, rows, bytes int) {
	t.operations[op].Add(float64(rows))
	t.bytes.Add(float64(bytes))
}

func (m *Metrics) copied(database, table string, rows uint64, bytes int, undated uint64) {
	m.rows.WithLabelValues(database, table, "copy").Add(float64(rows))
	m.bytes.WithLabelValues(database, table).Add(float64(bytes))
	if undated > 0 {
		m.undated.WithLabelValues(database, table).Add(float64(undated))
	}
}
