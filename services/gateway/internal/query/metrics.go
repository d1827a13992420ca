package query

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The reasons of rejections.
const (
	rejectedQueue   = "queue"
	rejectedTimeout = "timeout"
	rejectedSize    = "size"
	rejectedRate    = "rate"
	rejectedHold    = "hold"
)

// Metrics say how statements fare.
type Metrics struct {
	seconds    map[Kind]prometheus.Observer
	waited     prometheus.Histogram
	errors     *prometheus.CounterVec
	rejections map[string]prometheus.Counter
	slow       prometheus.Counter
	stuckTotal prometheus.Counter

	cacheHits, cacheMisses, cacheShared, cacheEvicted prometheus.Counter

	service *Service // what the gauges look at
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{seconds: make(map[Kind]prometheus.Observer), rejections: make(map[string]prometheus.Counter)}
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "duckling_gateway_query_seconds",
		Help:    "Time from a statement's arrival until its last row was encoded, by the kind of request.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 20),
	}, []string{"kind"})
	for _, kind := range kinds {
		m.seconds[kind] = seconds.WithLabelValues(string(kind))
	}
	m.waited = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "duckling_gateway_queue_seconds",
		Help:    "Time that statements waited for a place, of those that had to wait and got one.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 20),
	})
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "duckling_gateway_query_errors_total",
		Help: "Statements that failed, by the code their clients got.",
	}, []string{"code"})
	rejections := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "duckling_gateway_query_rejections_total",
		Help: "Statements that a limit ended: the queue's length, the time, the size of a result, the key's rate, or how long a loader that waits for room lets an old generation be held.",
	}, []string{"limit"})
	for _, limit := range []string{rejectedQueue, rejectedTimeout, rejectedSize, rejectedRate, rejectedHold} {
		m.rejections[limit] = rejections.WithLabelValues(limit)
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "duckling_gateway_" + name, Help: help})
		registry.MustRegister(c)
		return c
	}
	m.slow = counter("slow_queries_total", "Statements that took SLOW_QUERY or longer.")
	m.stuckTotal = counter("stuck_queries_total", "Statements that were given up because they could not be stopped.")
	m.cacheHits = counter("cache_hits_total", "Statements answered from the result cache.")
	m.cacheMisses = counter("cache_misses_total", "Statements that the result cache had no answer for.")
	m.cacheShared = counter("cache_shared_total", "Statements that waited for an equal one that was running.")
	m.cacheEvicted = counter("cache_evictions_total", "Results that made room for newer ones.")
	gauge := func(name, help string, value func(*Service) int) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "duckling_gateway_" + name, Help: help}, func() float64 {
			if m.service == nil {
				return 0
			}
			return float64(value(m.service))
		}))
	}
	gauge("running_queries", "Statements that run at this moment.", func(s *Service) int { n, _ := s.admission.load(); return n })
	gauge("waiting_queries", "Statements that wait for a place among the running ones.", func(s *Service) int { _, n := s.admission.load(); return n })
	gauge("active_queries", "Statements that have arrived and not ended.", func(s *Service) int { return s.active.count() })
	gauge("stuck_queries", "Statements that were given up and still hold a thread.", func(s *Service) int { return int(s.stuck.Load()) })
	gauge("cache_bytes", "Memory that the result cache takes.", func(s *Service) int { return s.cache.bytes() })
	registry.MustRegister(seconds, m.waited, m.errors, rejections)
	return m
}

func (m *Metrics) rejected(limit string) { m.rejections[limit].Inc() }

func (m *Metrics) observe(kind Kind, took time.Duration, err error) {
	m.seconds[kind].Observe(took.Seconds())
	var e *Error
	if errors.As(err, &e) {
		m.errors.WithLabelValues(string(e.Code)).Inc()
	}
}
