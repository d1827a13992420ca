package jobs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// retryAfter is what a client is told that asks for a result too early.
const retryAfter = time.Second

// Metrics say how jobs fare.
type Metrics struct {
	ended   *prometheus.CounterVec
	service *Service
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{ended: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "duckling_gateway_jobs_total",
		Help: "Jobs that were done, failed, or were rejected at once.",
	}, []string{"outcome"})}
	registry.MustRegister(m.ended,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "duckling_gateway_kept_jobs", Help: "Jobs that wait, run, or have a result.",
		}, func() float64 { jobs, _ := m.service.load(); return float64(jobs) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "duckling_gateway_job_result_bytes", Help: "What the results of jobs take on disk.",
		}, func() float64 { _, bytes := m.service.load(); return float64(bytes) }))
	return m
}

func (m *Metrics) count(outcome string) { m.ended.WithLabelValues(outcome).Inc() }

func (s *Service) load() (jobs int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs), s.bytes
}
