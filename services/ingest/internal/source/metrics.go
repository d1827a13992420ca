package source

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	cdcv1 "github.com/chittihq/duckling/schemas/cdc/v1"

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

	tables        *prometheus.GaugeVec
	copyRows      *prometheus.GaugeVec
	copyEstimated *prometheus.GaugeVec
	boards        boards
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_rows_total", Help: "Rows read, by table and what was done to them at the source.",
		}, []string{"database", "table", "operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_ingest_row_bytes_total", Help: "Bytes of rows read, by table and what was done to them at the source.",
		}, []string{"database", "table", "operation"}),
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
		tables: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "duckling_ingest_tables", Help: "Tables by phase: queued, copying, streaming, quarantined.",
		}, []string{"database", "phase"}),
		copyRows: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "duckling_ingest_copy_sent_rows", Help: "Rows that the copy under way has sent, by table.",
		}, []string{"database", "table"}),
		copyEstimated: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "duckling_ingest_copy_estimated_rows", Help: "Rows of the table being copied, by the source's estimate.",
		}, []string{"database", "table"}),
	}
	registry.MustRegister(m.rows, m.bytes, m.undated, m.frames, m.frameSize, m.acks, m.restarts,
		m.tables, m.copyRows, m.copyEstimated, &m.boards)
	return m
}

// boards are read when metrics are asked for, because what they tell changes by the passing of time.
type boards struct {
	mu  sync.Mutex
	all map[string]*statusBoard
}

var (
	lagMetric = prometheus.NewDesc("duckling_ingest_lag_seconds",
		"Age, by the source's clock, of the oldest change that may not have been read; 0 when everything was.", []string{"database"}, nil)
	connectedMetric = prometheus.NewDesc("duckling_ingest_connected",
		"1 while the source's binlog is being read.", []string{"database"}, nil)
	caughtUpMetric = prometheus.NewDesc("duckling_ingest_caught_up",
		"1 while the binlog has been read to its end and no table waits for a copy.", []string{"database"}, nil)
)

func (b *boards) add(database string, board *statusBoard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[string]*statusBoard{}
	}
	b.all[database] = board
}

// Describe implements prometheus.Collector.
func (b *boards) Describe(to chan<- *prometheus.Desc) {
	to <- lagMetric
	to <- connectedMetric
	to <- caughtUpMetric
}

// Collect implements prometheus.Collector.
func (b *boards) Collect(to chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := map[bool]float64{true: 1}
	for database, board := range b.all {
		status := board.status()
		to <- prometheus.MustNewConstMetric(lagMetric, prometheus.GaugeValue, board.lag().Seconds(), database)
		to <- prometheus.MustNewConstMetric(connectedMetric, prometheus.GaugeValue, one[status.Connected], database)
		to <- prometheus.MustNewConstMetric(caughtUpMetric, prometheus.GaugeValue, one[status.CaughtUp], database)
	}
}

// copying tells how far a table's copy is.
func (m *Metrics) copying(database, table string, sent, estimated uint64) {
	m.copyRows.WithLabelValues(database, table).Set(float64(sent))
	m.copyEstimated.WithLabelValues(database, table).Set(float64(estimated))
}

func (m *Metrics) copyOver(database, table string) {
	m.copyRows.DeleteLabelValues(database, table)
	m.copyEstimated.DeleteLabelValues(database, table)
}

// phases counts the tables by phase. It returns how many are not streaming.
func (m *Metrics) phases(database string, all tables) (unsettled int) {
	counts := map[cdcv1.TableState_Phase]int{}
	for _, t := range all {
		counts[t.phase]++
	}
	for phase, name := range phaseNames {
		m.tables.WithLabelValues(database, name).Set(float64(counts[phase]))
	}
	return len(all) - counts[cdcv1.TableState_PHASE_STREAMING]
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
	bytes      [4]prometheus.Counter
}

func (m *Metrics) tally(database, table string) tally {
	var t tally
	for op, name := range map[binlog.Operation]string{binlog.Insert: "insert", binlog.Update: "update", binlog.Delete: "delete"} {
		t.operations[op] = m.rows.WithLabelValues(database, table, name)
		t.bytes[op] = m.bytes.WithLabelValues(database, table, name)
	}
	return t
}

func (t tally) add(op binlog.Operation, rows, bytes int) {
	t.operations[op].Add(float64(rows))
	t.bytes[op].Add(float64(bytes))
}

func (m *Metrics) copied(database, table string, rows uint64, bytes int, undated uint64) {
	m.rows.WithLabelValues(database, table, "copy").Add(float64(rows))
	m.bytes.WithLabelValues(database, table, "copy").Add(float64(bytes))
	if undated > 0 {
		m.undated.WithLabelValues(database, table).Add(float64(undated))
	}
}
