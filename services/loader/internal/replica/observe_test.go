package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chittihq/duckling/pkg/generation"
	"github.com/chittihq/duckling/services/loader/internal/replica"
)

// observed is a replica in this process whose metrics and log can be looked at.
type observed struct {
	t        *testing.T
	st       *stream
	data     string
	registry *prometheus.Registry
	stop     func()

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (o *observed) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.Write(p)
}

// said is how many lines of the log have text in them.
func (o *observed) said(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Count(o.log.String(), text)
}

func observe(t *testing.T, data string, st *stream, change ...func(*replica.Config)) *observed {
	t.Helper()
	o := &observed{t: t, st: st, data: data, registry: prometheus.NewRegistry()}
	cfg := config(data)
	for _, fn := range change {
		fn(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r := replica.New(cfg, st.bus, replica.NewMetrics(o.registry), slog.New(slog.NewTextHandler(o, nil)))
	go func() { ended <- r.Run(ctx) }()
	o.stop = func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// metric is a counter's or gauge's value, or how much a histogram has seen, summed over the series that have the labels' values.
func (o *observed) metric(name string, values ...string) float64 {
	o.t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		o.t.Fatal(err)
	}
	sum := 0.
	for _, f := range families {
		if f.GetName() != "duckling_loader_"+name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for _, value := range values {
				if !strings.Contains(m.String(), fmt.Sprintf("%q", value)) {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
		}
	}
	return sum
}

// newest is the manifest, nil before the first publication.
func (o *observed) newest() *generation.Manifest {
	m, err := generation.Read(generation.Dir(o.data, database))
	if err != nil {
		return nil
	}
	return m
}

// shown tells whether readers see all that is applied.
func (o *observed) shown() bool {
	m, s := o.newest(), o.st.status()
	return m != nil && s != nil && m.Position.GTIDSet == s.Position.GTIDSet
}
