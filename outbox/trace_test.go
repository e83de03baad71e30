package outbox

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	status "go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"connect-provider/messages"
)

// traced gives a relay a tracer provider, and returns what it has ended.
func traced() (option func(*RelayConfig), spans *tracetest.InMemoryExporter) {
	spans = tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	return func(c *RelayConfig) { c.TracerProvider = provider }, spans
}

// TestRetriesAreEventsOfOneSpan: a publish has one span however often it is
// tried, and one that was given up says why.
func TestRetriesAreEventsOfOneSpan(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.createStream(func(c *jetstream.StreamConfig) { c.MaxMsgs = 3 })
	option, spans := traced()
	confirmed := 0
	r := b.owner(option, func(c *RelayConfig) {
		c.Confirm = func(context.Context) error {
			if confirmed++; confirmed == 3 {
				b.createStream(nil)
			}
			return nil
		}
	})
	b.publish(r, rows(1, 10))
	b.check(1, 10)
	ended := spans.GetSpans()
	if len(ended) != 1 || len(ended[0].Events) != 3 || ended[0].Status.Code != status.Unset || len(ended[0].Links) != 0 {
		t.Fatalf("%+v", ended)
	}
	for _, event := range ended[0].Events {
		if event.Name != "retry" || event.Attributes[0] != attribute.String("error.type", "10077") {
			t.Errorf("event %s %v", event.Name, event.Attributes)
		}
	}

	spans.Reset()
	lost := b.relay(option, func(c *RelayConfig) {
		c.Confirm = func(context.Context) error { return fmt.Errorf("secret: %w", ErrLost) }
	})
	if err := lost.Publish(t.Context(), rows(1, 1)); !errors.Is(err, ErrLost) {
		t.Fatalf("a relay that knows nothing of its lane: %v", err)
	}
	ended = spans.GetSpans()
	if len(ended) != 1 || ended[0].Status != (sdktrace.Status{Code: status.Error, Description: "lost"}) {
		t.Errorf("%+v", ended)
	}
}

func TestSpanContext(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	of := SpanContext(messages.Trace{Parent: parent, State: "vendor=abc"})
	if !of.IsValid() || !of.IsRemote() || !of.IsSampled() || of.TraceState().Get("vendor") != "abc" {
		t.Errorf("%v", of)
	}
	if of := SpanContext(messages.Trace{Parent: parent, State: "=,="}); !of.IsValid() || of.TraceState().Len() != 0 {
		t.Errorf("an unreadable state: %v", of)
	}
	for _, none := range []string{"", "x", parent + "-00", "01" + parent[2:54]} {
		if of := SpanContext(messages.Trace{Parent: none}); of.IsValid() {
			t.Errorf("%q: %v", none, of)
		}
	}
}

func TestTracingCostsNothingWhenOff(t *testing.T) {
	off := newTracing(nil, testLane)
	ctx, one, failure := context.Background(), rows(1, 1), errors.New("planted")
	allocations := testing.AllocsPerRun(100, func() {
		span := off.start(ctx, one)
		span.retry(failure)
		span.accepted(1)
		span.end(failure)
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
