package systemtest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// SpanCollector takes spans by OTLP over HTTP, as OpenTelemetry's collector
// does, and keeps them.
type SpanCollector struct {
	url         string
	connections atomic.Int64

	mu      sync.Mutex
	traces  []*tracepb.ResourceSpans
	refused int
	status  int
}

// Collector starts a collector that ends with the test.
func Collector(t testing.TB) *SpanCollector {
	t.Helper()
	c := &SpanCollector{status: http.StatusOK}
	server := httptest.NewUnstartedServer(http.HandlerFunc(c.take))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *SpanCollector) take(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	switch {
	case err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf":
		http.Error(w, "no export of spans", http.StatusNotFound)
	case c.status != http.StatusOK:
		c.refused++
		http.Error(w, "refused by the test", c.status)
	default:
		c.traces = append(c.traces, request.ResourceSpans...)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}
}

// URL is the endpoint for all signals.
func (c *SpanCollector) URL() string { return c.url }

// Connections tells how often the collector was dialled.
func (c *SpanCollector) Connections() int { return int(c.connections.Load()) }

// Answer has every export answered with an HTTP status. Anything but 200 keeps
// nothing.
func (c *SpanCollector) Answer(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// Refused tells how many exports were not taken.
func (c *SpanCollector) Refused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// Span is one that was exported, with its process's resource.
type Span struct {
	*tracepb.Span
	Resource map[string]string
}

// Spans returns what was exported so far, in the order of its arrival.
func (c *SpanCollector) Spans() (spans []Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.traces {
		resource := map[string]string{}
		for _, a := range of.Resource.GetAttributes() {
			resource[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range of.ScopeSpans {
			for _, span := range scope.Spans {
				spans = append(spans, Span{span, resource})
			}
		}
	}
	return spans
}
