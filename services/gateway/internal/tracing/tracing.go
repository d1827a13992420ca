// Package tracing tells a collector of each statement, by OpenTelemetry's protocol. It is off unless the standard variables
// (OTEL_EXPORTER_OTLP_ENDPOINT and its like) name a collector; a nil *Span then does nothing.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/chittihq/duckling/pkg/daemon"
)

// Tracer makes spans and sends them.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// The variables that are read here; the SDK itself reads the others.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
)

// enabled tells whether there is anyone to tell. An endpoint or an exporter must be named: the standard's default, a collector on this
// host, is not taken for granted.
func enabled() bool {
	exporter := os.Getenv(envExporter)
	if strings.EqualFold(os.Getenv(envDisabled), "true") || exporter == "none" {
		return false
	}
	return exporter != "" || os.Getenv(envEndpoint) != "" || os.Getenv(envTracesEndpoint) != ""
}

// Problems are what is wrong with the variables.
func Problems() []string {
	if !enabled() {
		return nil
	}
	var problems []string
	if exporter := os.Getenv(envExporter); exporter != "" && exporter != "otlp" {
		problems = append(problems, fmt.Sprintf("%s is %s; it can be otlp or none", envExporter, exporter))
	}
	for _, name := range []string{envTracesProtocol, envProtocol} {
		if protocol := os.Getenv(name); protocol != "" && protocol != "http/protobuf" {
			problems = append(problems, fmt.Sprintf("%s is %s; it can be http/protobuf, which collectors take on port 4318", name, protocol))
		}
	}
	return problems
}

// FromEnvironment returns nil when traces are off. What cannot be sent is dropped, and the log says so once.
func FromEnvironment(ctx context.Context, version string, log *slog.Logger) (*Tracer, error) {
	if !enabled() {
		return nil, nil //nolint:nilnil // nobody is to be told
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("sending traces (OTEL_EXPORTER_OTLP_ENDPOINT): %w", err)
	}
	// What the environment says of the service has the last word.
	described, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", "duckling-gateway"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describing the service (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	failing := daemon.NewRepeated(log)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { failing.Failed(context.Background(), "traces cannot be sent", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(described))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/chittihq/duckling/services/gateway", trace.WithInstrumentationVersion(version))}, nil
}

// patience is how long the last spans may take on their way when the service ends.
const patience = 3 * time.Second

// Close sends what has not been sent.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the error handler has been told
}

// Parent is what a client says of the span that its request belongs to: the W3C headers traceparent and tracestate.
type Parent struct{ TraceParent, TraceState string }

// Statement is what is told of a statement when it arrives. Its text is not: it may hold what nobody else should see.
type Statement struct {
	Kind, Database, Key string
	Fingerprint         string
	Generation          uint64
}

// Span is one statement's, from its arrival to its end. Nil stands for a statement of which nobody is told.
type Span struct {
	tracer trace.Tracer
	ctx    context.Context //nolint:containedctx // it is how the SDK knows a span's children
	span   trace.Span
}

// Begin begins a statement's span.
func (t *Tracer) Begin(parent Parent, s Statement) *Span {
	ctx := context.Background()
	if parent.TraceParent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": parent.TraceParent, "tracestate": parent.TraceState})
	}
	ctx, span := t.tracer.Start(ctx, s.Kind+" "+s.Database, trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("db.system.name", "duckdb"), attribute.String("db.namespace", s.Database), attribute.String("db.operation.name", s.Kind),
			attribute.Int64("duckling.generation", int64(s.Generation)), attribute.String("duckling.key", s.Key), attribute.String("duckling.fingerprint", s.Fingerprint),
		)
	}
	return &Span{tracer: t.tracer, ctx: ctx, span: span}
}

// Waited says that the statement has waited for its place until now.
func (s *Span) Waited(since time.Time) {
	if s == nil {
		return
	}
	_, waiting := s.tracer.Start(s.ctx, "wait for a place", trace.WithTimestamp(since))
	waiting.End()
}

// Event notes a moment.
func (s *Span) Event(name string) {
	if s != nil {
		s.span.AddEvent(name)
	}
}

// End ends the span. An empty code is a success.
func (s *Span) End(rows int, code, message string) {
	if s == nil {
		return
	}
	if code == "" {
		s.span.SetAttributes(attribute.Int("db.response.returned_rows", rows))
	} else {
		s.span.SetAttributes(attribute.String("error.type", code))
		s.span.SetStatus(codes.Error, message)
	}
	s.span.End()
}

// TraceID names the trace in logs; it is empty for a statement of which nobody is told.
func (s *Span) TraceID() string {
	if s == nil || !s.span.SpanContext().IsSampled() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}
