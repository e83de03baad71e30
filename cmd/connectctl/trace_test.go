package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// Not parallel: the environment is the process's.
func TestPublishGivesTheCommandItsTrace(t *testing.T) {
	server := systemtest.NATS(t)
	js := withStreams(t, server.URL(), devStreams)
	published := 0
	publish := func() (traceParent string) {
		t.Helper()
		runs(t, 0, "publish", "--server", server.URL(), "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "+1234567890")
		published++
		stream, err := js.Stream(t.Context(), messages.Interactive.Stream())
		if err != nil {
			t.Fatal(err)
		}
		message, err := stream.GetMsg(t.Context(), uint64(published))
		if err != nil {
			t.Fatal(err)
		}
		if values := message.Header["traceparent"]; len(values) > 0 {
			return values[0]
		}
		return ""
	}
	if got := publish(); got != "" {
		t.Errorf("no trace at all, and the command has %q", got)
	}
	const outside = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	t.Setenv("TRACEPARENT", outside)
	if got := publish(); got != outside {
		t.Errorf("tracing is off, and the command has %q", got)
	}
	collector := systemtest.Collector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL())
	got := publish()
	spans := collector.Spans()
	if len(spans) != 1 || spans[0].Name != "publish TELEPHONY_COMMANDS" || hex.EncodeToString(spans[0].ParentSpanId) != "b7ad6b7169203331" ||
		spans[0].Resource["service.name"] != "connectctl" {
		t.Fatalf("%v", spans)
	}
	if want := "00-0af7651916cd43dd8448eb211c80319c-" + hex.EncodeToString(spans[0].SpanId) + "-01"; got != want {
		t.Errorf("the command has %q, want %q", got, want)
	}
	if text := spans[0].String(); strings.Contains(text, "1234567890") || strings.Contains(text, "acme") {
		t.Errorf("the span tells whom it is about: %s", text)
	}

	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon")
	_, stderr := runs(t, 2, "publish", "--server", server.URL(), "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "+1234567890")
	contains(t, stderr, "OTEL_EXPORTER_OTLP_PROTOCOL")
}
