package ws

import "github.com/prometheus/client_golang/prometheus"

// The reasons for which connections are refused or cut off.
const (
	refusedConnections = "connections" // MAX_CONNECTIONS
	refusedKey         = "key"
	refusedDatabase    = "database"
	refusedAuth        = "auth_timeout"
	refusedFrame       = "frame" // larger than a frame may be
	refusedSlow        = "slow_reader"
	refusedPong        = "pong"
)

// Metrics say how the connections fare.
type Metrics struct {
	connections, streams, subscriptions, feeds            prometheus.Gauge
	ended                                                 *prometheus.CounterVec
	exceeded                                              *prometheus.CounterVec
	received, sent, sentBytes, reruns, updates, handovers prometheus.Counter
}

// NewMetrics registers the package's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "duckling_gateway_ws_" + name, Help: help})
		registry.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "duckling_gateway_ws_" + name, Help: help})
		registry.MustRegister(c)
		return c
	}
	m := &Metrics{
		connections:   gauge("connections", "WebSocket connections that are open."),
		streams:       gauge("streams", "Streams that are open."),
		subscriptions: gauge("subscriptions", "Subscriptions that are open."),
		feeds:         gauge("feeds", "Different statements that are subscribed to."),
		received:      counter("received_frames_total", "Frames from clients."),
		sent:          counter("sent_frames_total", "Frames to clients."),
		sentBytes:     counter("sent_bytes_total", "Bytes of frames to clients, before compression."),
		reruns:        counter("reruns_total", "Statements that were run for subscriptions."),
		updates:       counter("updates_total", "Results that were sent to subscriptions."),
		handovers:     counter("handovers_total", "Statements that were taken for quick ones and kept their connection's reader for so long that another took its place."),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_gateway_ws_refused_connections_total",
			Help: "Connections that the server refused or cut off, by reason.",
		}, []string{"reason"}),
		exceeded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "duckling_gateway_ws_limit_exceeded_total",
			Help: "Requests refused or ended because too much was open on their connection, a batch had too many bytes or a stream waited for its client too long, by which.",
		}, []string{"limit"}),
	}
	registry.MustRegister(m.ended, m.exceeded)
	return m
}

func (m *Metrics) refused(reason string) { m.ended.WithLabelValues(reason).Inc() }
