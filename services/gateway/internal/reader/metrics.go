package reader

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics say what is being served, how old it is and what it costs to bring it up.
type Metrics struct {
	open    prometheus.Gauge
	retired prometheus.Counter
	ahead   prometheus.Counter
	opens   *prometheus.HistogramVec

	databases               *Set
	number, age, lag, stale *prometheus.Desc
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("duckling_gateway_"+name, help, []string{"database"}, nil)
	}
	m := &Metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "duckling_gateway_open_generations",
			Help: "Generations that are open: one a database, and older ones that queries still read.",
		}),
		retired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "duckling_gateway_retired_instances_total",
			Help: "Generations that were opened anew because a statement in them could not be stopped or made DuckDB give up.",
		}),
		ahead: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "duckling_gateway_prepared_ahead_total",
			Help: "Statements used lately that were prepared on a new generation before it was served.",
		}),
		opens: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "duckling_gateway_generation_open_seconds",
			Help:    "Time from a manifest's arrival until its generation is served.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
		}, []string{"database"}),
		number: describe("generation", "Number of the generation that is served."),
		age:    describe("generation_age_seconds", "Time since the generation that is served was published."),
		lag:    describe("generation_lag_seconds", "How far the generation that is served is behind its source."),
		stale:  describe("generation_failing", "1 while a newer generation is there that cannot be served."),
	}
	registry.MustRegister(m.open, m.retired, m.ahead, m.opens, m)
	return m
}

func (m *Metrics) swapped(database string, took time.Duration) {
	m.opens.WithLabelValues(database).Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.number, m.age, m.lag, m.stale} {
		out <- d
	}
}

// Collect implements prometheus.Collector: it tells of the generations that are served at this moment.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	if m.databases == nil {
		return
	}
	for _, id := range m.databases.IDs() {
		d := m.databases.lookup(id)
		gauge := func(desc *prometheus.Desc, value float64) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, id)
		}
		failing := 0.0
		if d.Failure() != nil {
			failing = 1
		}
		gauge(m.stale, failing)
		if g := d.current.Load(); g != nil {
			manifest := g.Manifest()
			gauge(m.number, float64(g.Number))
			gauge(m.age, time.Since(manifest.PublishedAt).Seconds())
			gauge(m.lag, max(0, time.Since(manifest.SourceTime).Seconds()))
		}
	}
}
