package tracing

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/systemtest"
)

func count(n int) attribute.KeyValue { return semconv.MessagingBatchMessageCount(n) }

// start starts what an environment asks for, logging to where the test reads.
func start(t *testing.T, variables map[string]string) (*Tracing, *observer.ObservedLogs) {
	t.Helper()
	s, problems := resolve(t, variables)
	if problems != "" {
		t.Fatal(problems)
	}
	core, logs := observer.New(zap.DebugLevel)
	spans, err := s.Start(t.Context(), "service", "instance", zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	return spans, logs
}

func makeSpan(provider trace.TracerProvider, name string, links ...trace.Link) {
	_, span := provider.Tracer("test").Start(context.Background(), name, trace.WithLinks(links...))
	span.End()
}

// manyLinks are more than any limit, all sampled.
func manyLinks(n int) []trace.Link {
	links := make([]trace.Link, n)
	for i := range links {
		links[i].SpanContext = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1, byte(i), byte(i >> 8)}, TraceFlags: trace.FlagsSampled})
	}
	return links
}

func TestOffIsNothingAtAll(t *testing.T) {
	before := runtime.NumGoroutine()
	spans, logs := start(t, nil)
	if spans != nil || spans.Provider() != nil || runtime.NumGoroutine() > before || logs.Len() != 0 {
		t.Errorf("%v, %v, %d goroutines more, %v", spans, spans.Provider(), runtime.NumGoroutine()-before, logs.All())
	}
	spans.Stop()
}

func TestSpansReachACollector(t *testing.T) {
	c := systemtest.Collector(t)
	spans, logs := start(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL(), "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20bed,service.version=7",
		"OTEL_BSP_SCHEDULE_DELAY": "3600000",
	})
	makeSpan(spans.Provider(), "one", manyLinks(1200)...)
	if c.Connections() != 0 {
		t.Error("dialled before there was anything to export")
	}
	spans.Stop()
	exported := c.Spans()
	if len(exported) != 1 || exported[0].Name != "one" || len(exported[0].Links) != linkLimit || exported[0].DroppedLinksCount != 200 {
		t.Fatalf("%d spans: %.200v", len(exported), exported)
	}
	for name, want := range map[string]string{"service.name": "service", "service.instance.id": "instance", "service.version": "7",
		"deployment.environment.name": "test bed", "telemetry.sdk.language": "go"} {
		if got := exported[0].Resource[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n := logs.FilterLevelExact(zap.WarnLevel).Len(); n != 0 {
		t.Errorf("%v", logs.All())
	}
}

func TestVariablesBeatTheProgramsDefaults(t *testing.T) {
	c := systemtest.Collector(t)
	spans, _ := start(t, map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL() + "/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		"OTEL_SERVICE_NAME": "named", "OTEL_SPAN_LINK_COUNT_LIMIT": "5", "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
	})
	makeSpan(spans.Provider(), "one", manyLinks(10)...)
	spans.Stop()
	exported := c.Spans()
	if len(exported) != 1 || exported[0].Resource["service.name"] != "named" || len(exported[0].Links) != 5 {
		t.Errorf("%v", exported)
	}
}

// grpcCollector takes spans by OTLP over gRPC.
type grpcCollector struct {
	collector.UnimplementedTraceServiceServer
	taken chan *tracepb.ResourceSpans
}

func (c *grpcCollector) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	for _, spans := range request.ResourceSpans {
		c.taken <- spans
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func TestSpansReachACollectorByGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &grpcCollector{taken: make(chan *tracepb.ResourceSpans, 10)}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		<-served
	}()
	spans, logs := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
	// as many as go in one export, each with all its links: within what a server takes
	for range exportSize {
		makeSpan(spans.Provider(), "one", manyLinks(linkLimit)...)
	}
	spans.Stop()
	taken := 0
	for len(c.taken) > 0 {
		taken += len((<-c.taken).ScopeSpans[0].Spans)
	}
	if taken != exportSize || logs.FilterLevelExact(zap.WarnLevel).Len() != 0 {
		t.Errorf("%d spans taken; %v", taken, logs.All())
	}
}

// TestACollectorThatFails: one line, without the secrets, and nothing on
// standard error; Stop comes back in time.
func TestACollectorThatFails(t *testing.T) {
	c := systemtest.Collector(t)
	c.Answer(http.StatusForbidden)
	stderr := captureStderr(t)
	spans, logs := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL(), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
		"OTEL_EXPORTER_OTLP_HEADERS": "api-key=refused"})
	for range 5 {
		makeSpan(spans.Provider(), "one")
	}
	spans.Stop()
	warnings := logs.FilterLevelExact(zap.WarnLevel).All()
	if c.Refused() != 5 || len(warnings) != 1 || !strings.Contains(warnings[0].Message, "spans are not exported") {
		t.Errorf("%d exports refused, logged %v", c.Refused(), warnings)
	}
	if text, _ := warnings[0].ContextMap()["error"].(string); strings.Contains(text, "refused") || !strings.Contains(text, "403") {
		t.Errorf("the error is %q", text)
	}
	if text := stderr(); text != "" {
		t.Errorf("on standard error: %s", text)
	}
}

func TestACollectorThatDoesNotAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the end of the test
	for _, protocol := range []string{protocolHTTP, protocolGRPC} {
		stderr := captureStderr(t)
		spans, logs := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
		makeSpan(spans.Provider(), "one")
		spans.Stop() // the test would time out else
		if logs.FilterMessage("the last spans were not exported").Len() != 1 {
			t.Errorf("%s: %v", protocol, logs.All())
		}
		if text := stderr(); text != "" {
			t.Errorf("%s, on standard error: %s", protocol, text)
		}
	}
}

// captureStderr has what goes to the process's standard error in a file.
func captureStderr(t *testing.T) (text func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	real := os.Stderr
	os.Stderr = file
	t.Cleanup(func() { os.Stderr = real })
	return func() string {
		os.Stderr = real
		_ = file.Close()
		content, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
}

func TestFailuresAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		r := &reporter{logger: zap.New(core), secrets: &program.Secrets{}}
		for range 181 { // three minutes, and the first second of the fourth
			r.Handle(errors.New("planted"))
			time.Sleep(time.Second) //nolint:forbidigo // a bubble's clock: no time passes
		}
		r.Handle(nil)
		if logs.Len() != 4 {
			t.Fatalf("%d lines", logs.Len())
		}
		for i, line := range logs.All() {
			if left := line.ContextMap()["failures_not_logged"]; i > 0 && left != int64(59) || i == 0 && left != int64(0) {
				t.Errorf("line %d: %v", i, line.ContextMap())
			}
		}
	})
}

func TestSend(t *testing.T) {
	c := systemtest.Collector(t)
	spans, _ := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL()})
	t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	t.Setenv("TRACESTATE", "vendor=abc")
	ctx := FromEnvironment(t.Context())

	var passed nats.Msg
	Send(ctx, nil, "STREAM", &passed)(&jetstream.PubAck{}, nil)
	if passed.Header["traceparent"][0] != os.Getenv("TRACEPARENT") || passed.Header["tracestate"][0] != "vendor=abc" {
		t.Errorf("without spans of its own it passes on %v", passed.Header)
	}
	var without nats.Msg
	Send(t.Context(), nil, "STREAM", &without)(&jetstream.PubAck{}, nil)
	if without.Header != nil {
		t.Errorf("no trace at all, and the header is %v", without.Header)
	}
	message := nats.Msg{Data: []byte("1234"), Header: nats.Header{"Other": {"kept"}}}
	Send(ctx, spans.Provider(), "STREAM", &message)(&jetstream.PubAck{Sequence: 7}, nil)
	failures := []struct {
		answer *jetstream.PubAck
		err    error
		want   string
	}{
		{&jetstream.PubAck{Duplicate: true}, nil, "duplicate"},
		{nil, context.DeadlineExceeded, "timeout"},
		{nil, jetstream.ErrNoStreamResponse, "no_responders"},
		{nil, &jetstream.APIError{ErrorCode: 10077}, "10077"},
		{nil, errors.New("secret"), "other"},
	}
	for _, f := range failures {
		Send(ctx, spans.Provider(), "STREAM", &nats.Msg{})(f.answer, f.err)
	}
	spans.Stop()
	exported := c.Spans()
	if len(exported) != 1+len(failures) {
		t.Fatalf("%d spans", len(exported))
	}
	sent := exported[0]
	if sent.Name != "publish STREAM" || sent.Kind != tracepb.Span_SPAN_KIND_PRODUCER || len(sent.ParentSpanId) != 8 || sent.ParentSpanId[0] != 0xb7 {
		t.Errorf("%v", sent)
	}
	want := "00-0af7651916cd43dd8448eb211c80319c-" + trace.SpanID(sent.SpanId).String() + "-01"
	if got := message.Header["traceparent"][0]; got != want || message.Header.Get("Other") != "kept" || message.Header["tracestate"][0] != "vendor=abc" {
		t.Errorf("header %v, want %s", message.Header, want)
	}
	for i, f := range failures {
		if got := exported[i+1].Status; got.Code != tracepb.Status_STATUS_CODE_ERROR || got.Message != f.want {
			t.Errorf("%v: status %v, want %s", f.err, got, f.want)
		}
	}
}

func TestTraceOfTheProcessThatCantBeRead(t *testing.T) {
	for _, wrong := range []string{"", "x", "00-00000000000000000000000000000000-0000000000000000-00"} {
		t.Setenv("TRACEPARENT", wrong)
		if of := trace.SpanContextFromContext(FromEnvironment(t.Context())); of.IsValid() {
			t.Errorf("%q gives %v", wrong, of)
		}
	}
}
