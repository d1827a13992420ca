package query

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics say how statements fare.
type Metrics struct {
	seconds prometheus.Histogram
	errors  *prometheus.CounterVec
	running prometheus.Gauge
	waiting prometheus.Gauge
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "duckling_gateway_query_seconds",
			Help:    "Time from a statement's arrival until its last row was encoded.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18),
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_gateway_query_errors_total",
			Help: "Statements that failed, by the code their clients got.",
		}, []string{"code"}),
	}
	m.running = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "duckling_gateway_running_queries",
		Help: "Statements that run at this moment.",
	})
	m.waiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "duckling_gateway_waiting_queries",
		Help: "Statements that wait for a place among the running ones.",
	})
	registry.MustRegister(m.seconds, m.errors, m.running, m.waiting)
	return m
}

func (m *Metrics) observe(began time.Time, err error) {
	m.seconds.Observe(time.Since(began).Seconds())
	var e *Error
	if errors.As(err, &e) {
		m.errors.WithLabelValues(string(e.Code)).Inc()
	}
}
