package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/chittihq/duckling/services/gateway/internal/gentest"
)

// collect is a collector that keeps what it is sent, by the spans' ids.
type collect struct {
	mu      sync.Mutex
	service string
	spans   map[string]*spans.Span
}

func (c *collect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data, err := io.ReadAll(body)
	request := new(collector.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(data, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not what a collector takes", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				c.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans[hex.EncodeToString(span.SpanId)] = span
			}
		}
	}
}

// of returns the spans of one trace, by their names.
func (c *collect) of(trace string) map[string]*spans.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]*spans.Span)
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			all[s.Name] = s
		}
	}
	return all
}

func attribute(s *spans.Span, name string) string {
	for _, a := range s.GetAttributes() {
		if a.Key == name {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// A statement that comes with a traceparent, over HTTP or in a frame, is a child of its client's span; the log names the trace; a wait for a
// place is a span of its own; a failure says its code; and the text of a statement is told to nobody.
func TestTraces(t *testing.T) {
	got := &collect{spans: make(map[string]*spans.Span)}
	receiver := httptest.NewServer(got)
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_SERVICE_NAME", "shop-analytics")
	var log bytes.Buffer
	s := shopLogging(t, slog.New(slog.NewJSONHandler(&log, nil)), func(c *Config) { c.AccessLog, c.MaxConcurrent = true, 1 })
	const (
		parent                       = "00f067aa0ba902b7"
		overHTTP, overWS, bad, queue = "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737", "4bf92f3577b34da6a3ce929d0e0e4738", "4bf92f3577b34da6a3ce929d0e0e4739"
	)
	if status, body := s.do(http.MethodPost, "/api/query", `{"sql":"SELECT 'confidential' AS a"}`, "Traceparent", "00-"+overHTTP+"-"+parent+"-01"); status != http.StatusOK {
		t.Fatal(body)
	}
	c := s.login("/ws")
	if r := c.ask(`{"id":"1","type":"query","sql":"SELECT 7 AS a","traceparent":"00-%s-%s-01"}`, overWS, parent); !r.Success {
		t.Fatalf("%+v", r)
	}
	if r := c.ask(`{"id":"2","type":"query","sql":"SELECT * FROM missing","traceparent":"00-%s-%s-01"}`, bad, parent); r.Code != "NOT_FOUND" {
		t.Fatalf("%+v", r)
	}
	if r := c.ask(`{"id":"3","type":"query","sql":"SELECT 8 AS a","traceparent":"nonsense"}`); !r.Success {
		t.Fatalf("a traceparent that cannot be read: %+v", r)
	}
	// One that has to wait: the only place is taken.
	c.write(`{"id":"4","type":"query","sql":"%s"}`, neverEnding)
	gentest.Eventually(t, func() bool { _, m := s.get("/metrics"); return value(t, m, "duckling_gateway_running_queries") == 1 })
	c.write(`{"id":"5","type":"query","sql":"SELECT 9 AS a","traceparent":"00-%s-%s-01"}`, queue, parent)
	gentest.Eventually(t, func() bool { _, m := s.get("/metrics"); return value(t, m, "duckling_gateway_waiting_queries") == 1 })
	c.write(`{"id":"6","type":"cancel","target":"4"}`)
	c.replies(3)
	s.stop() // which sends what has not been sent

	if got.service != "shop-analytics" {
		t.Errorf("the service is %q", got.service)
	}
	for trace, kind := range map[string]string{overHTTP: "rest", overWS: "query", bad: "query", queue: "query"} {
		span := got.of(trace)[kind+" default"]
		if span == nil {
			t.Fatalf("no span of trace %s", trace)
		}
		if hex.EncodeToString(span.ParentSpanId) != parent || span.Kind != spans.Span_SPAN_KIND_SERVER || attribute(span, "db.namespace") != "default" ||
			attribute(span, "duckling.key") != "admin" || attribute(span, "duckling.fingerprint") == "" {
			t.Errorf("%v", span)
		}
		if strings.Contains(span.String(), "confidential") || strings.Contains(span.String(), "SELECT") {
			t.Errorf("the span tells the statement: %v", span)
		}
		failed := span.Status.GetCode() == spans.Status_STATUS_CODE_ERROR
		if failed != (trace == bad) || failed && attribute(span, "error.type") != "NOT_FOUND" {
			t.Errorf("%v", span)
		}
	}
	waiting := got.of(queue)["wait for a place"]
	if waiting == nil || !bytes.Equal(waiting.ParentSpanId, got.of(queue)["query default"].SpanId) || waiting.EndTimeUnixNano <= waiting.StartTimeUnixNano {
		t.Errorf("the wait is %v", waiting)
	}
	if !strings.Contains(log.String(), `"trace":"`+overWS+`"`) {
		t.Errorf("the log does not name the trace: %s", log.String())
	}
}

// What cannot be done is told before anything is served.
func TestTraceSettings(t *testing.T) {
	for name, value := range map[string]string{"OTEL_TRACES_EXPORTER": "jaeger", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
		t.Setenv(name, value)
		c := new(Config)
		if problems := c.Problems(); !strings.Contains(strings.Join(problems, "\n"), name) {
			t.Errorf("%s=%s: %q", name, value, problems)
		}
		t.Setenv(name, "")
	}
}
