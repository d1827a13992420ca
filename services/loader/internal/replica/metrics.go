package replica

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/services/loader/internal/resync"
)

// Metrics are those of all replicas of a process, told apart by database.
type Metrics struct {
	frameBytes, rows, batches, blocks, mismatches *prometheus.CounterVec
	recovered                                     *prometheus.CounterVec
	batchSeconds, checkpointSeconds, publish      *prometheus.HistogramVec
	batchRows                                     *prometheus.HistogramVec
	lag, generation, seq, tableStale              *prometheus.GaugeVec
	checked, differing, mended                    *prometheus.CounterVec
	checkRunning, checkSuccess                    *prometheus.GaugeVec
	age, fileBytes, memoryBytes                   *prometheus.GaugeVec
	generations, waiting                          *prometheus.GaugeVec
	publications                                  *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		m := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "duckling_loader_" + name, Help: help}, []string{"database"})
		reg.MustRegister(m)
		return m
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		m := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "duckling_loader_" + name, Help: help}, []string{"database"})
		reg.MustRegister(m)
		return m
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		m := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "duckling_loader_" + name, Help: help, Buckets: buckets}, []string{"database"})
		reg.MustRegister(m)
		return m
	}
	how := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "duckling_loader_publications_total", Help: "Generations published, by how the file was made: blocks, full, clone.",
	}, []string{"database", "how"})
	reg.MustRegister(how)
	seconds := prometheus.ExponentialBuckets(0.001, 2, 16)
	return &Metrics{
		frameBytes:        counter("frames_read_bytes_total", "Size of the frames read from the stream."),
		rows:              counter("rows_committed_total", "Rows committed, copied ones among them."),
		batches:           counter("batches_committed_total", "Batches committed."),
		blocks:            counter("blocks_published_total", "Blocks copied to generations."),
		mismatches:        counter("rows_mismatched_total", "Rows to be changed that were missing or doubled."),
		recovered:         counter("file_recovered_total", "Times a damaged file was replaced by the newest generation."),
		batchSeconds:      histogram("batch_commit_seconds", "Time to apply and commit a batch.", seconds),
		checkpointSeconds: histogram("checkpoint_seconds", "Time a checkpoint took.", seconds),
		publish:           histogram("publish_seconds", "Time to copy and announce a generation, without its checkpoint.", seconds),
		batchRows:         histogram("batch_rows", "Rows of a batch.", prometheus.ExponentialBuckets(1, 4, 12)),
		age:               gauge("generation_age_seconds", "Time since the newest generation was published."),
		generations:       gauge("generations_count", "Generations on disk, those that only a reader keeps there among them."),
		waiting:           gauge("publish_waiting", "1 while a generation waits until readers let go of older ones."),
		publications:      how,
		fileBytes:         gauge("file_bytes", "Size of the live file."),
		memoryBytes:       gauge("duckdb_memory_bytes", "Memory that DuckDB holds for the database."),
		lag:               gauge("lag_seconds", "Age of what is applied, by the source's clock."),
		generation:        gauge("generation_newest_number", "Number of the newest generation."),
		seq:               gauge("stream_applied_sequence", "Last frame committed."),
		checked:           counter("resync_rows_checked_total", "Rows of the source that were compared."),
		differing:         counter("resync_keys_differing_total", "Keys that differed from the source."),
		mended:            counter("resync_rows_mended_total", "Rows deleted or inserted because they differed; those of tables copied again are not counted."),
		checkRunning:      gauge("resync_running", "1 while a table is being compared with its source."),
		checkSuccess:      gauge("resync_last_success_timestamp_seconds", "When a comparison ended last."),
		tableStale:        gauge("tables_stale_count", "Tables whose rows may be old."),
	}
}

func (m *Metrics) frame(database string, bytes int) {
	m.frameBytes.WithLabelValues(database).Add(float64(bytes))
}

func (m *Metrics) batch(database string, rows int, took time.Duration) {
	m.rows.WithLabelValues(database).Add(float64(rows))
	m.batches.WithLabelValues(database).Inc()
	m.batchRows.WithLabelValues(database).Observe(float64(rows))
	m.batchSeconds.WithLabelValues(database).Observe(took.Seconds())
}

func (m *Metrics) published(database string, r result, generations int) {
	how := "blocks"
	switch {
	case r.Cloned:
		how = "clone"
	case r.Full:
		how = "full"
	}
	m.publications.WithLabelValues(database, how).Inc()
	m.generations.WithLabelValues(database).Set(float64(generations))
	m.blocks.WithLabelValues(database).Add(float64(r.Copied))
	m.checkpointSeconds.WithLabelValues(database).Observe(r.checkpoint.Seconds())
	m.publish.WithLabelValues(database).Observe(r.Took.Seconds())
}

func (m *Metrics) state(s Status) {
	stale := 0
	for _, t := range s.Tables {
		if t.Stale != "" {
			stale++
		}
	}
	running := 0.
	if s.Resync.Table != "" {
		running = 1
	}
	m.checkRunning.WithLabelValues(s.Database).Set(running)
	m.lag.WithLabelValues(s.Database).Set(s.LagSeconds)
	m.generation.WithLabelValues(s.Database).Set(float64(s.Generation))
	m.seq.WithLabelValues(s.Database).Set(float64(s.Seq))
	m.tableStale.WithLabelValues(s.Database).Set(float64(stale))
}

func (m *Metrics) compared(database string, rows, differing int64) {
	m.checked.WithLabelValues(database).Add(float64(rows))
	m.differing.WithLabelValues(database).Add(float64(differing))
}

func (m *Metrics) reconciled(database string, r resync.Report) {
	m.mended.WithLabelValues(database).Add(float64(r.Deleted + r.Inserted))
	m.checkSuccess.WithLabelValues(database).Set(float64(r.At.UnixMilli()) / 1000)
}

// size tells how large the file is, and DuckDB's memory.
func (m *Metrics) size(database string, file, memory int64) {
	m.fileBytes.WithLabelValues(database).Set(float64(file))
	m.memoryBytes.WithLabelValues(database).Set(float64(memory))
}

func (m *Metrics) generationAge(database string, age time.Duration) {
	m.age.WithLabelValues(database).Set(age.Seconds())
}
