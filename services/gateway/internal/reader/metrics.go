package reader

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics say what is being served and what it costs to bring it up.
type Metrics struct {
	open  prometheus.Gauge
	opens *prometheus.HistogramVec
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "duckling_gateway_open_generations",
			Help: "Generations that are open: one a database, and older ones that queries still read.",
		}),
		opens: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "duckling_gateway_generation_open_seconds",
			Help:    "Time from a manifest's arrival until its generation is served.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 12),
		}, []string{"database"}),
	}
	registry.MustRegister(m.open, m.opens)
	return m
}

func (m *Metrics) swapped(database string, took time.Duration) {
	m.opens.WithLabelValues(database).Observe(took.Seconds())
}
