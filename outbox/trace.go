package outbox

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	status "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"connect-provider/messages"
)

// SpanContext returns a command's or an event's trace context in OpenTelemetry's
// terms; it is not valid where there is none or it can't be read.
func SpanContext(t messages.Trace) trace.SpanContext {
	if t.Parent == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{"traceparent": t.Parent, "tracestate": t.State}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
}

// tracing makes the spans of one lane's relay. A nil one makes none, and costs
// nothing.
type tracing struct {
	tracer trace.Tracer
	lane   messages.Lane
}

func newTracing(provider trace.TracerProvider, lane messages.Lane) *tracing {
	if provider == nil {
		return nil
	}
	return &tracing{tracer: provider.Tracer("connect-provider/outbox", trace.WithSchemaURL(semconv.SchemaURL)), lane: lane}
}

// sending is the span of one Publish, all its tries included.
type sending struct {
	span trace.Span
	rows int
	sent int
}

// start begins the span: a child of the batch that decided the rows, where ctx
// has that, or else, for what a former owner left, a root that links to the
// commands. It is of the kind client: an event carries its command's context on,
// which is the same whoever publishes it, and not this span's.
func (t *tracing) start(ctx context.Context, rows []Row) *sending {
	if t == nil || len(rows) == 0 {
		return nil
	}
	var links []trace.Link
	if !trace.SpanContextFromContext(ctx).IsValid() {
		links = linksTo(rows)
	}
	_, span := t.tracer.Start(ctx, "publish "+messages.EventsStream,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithLinks(links...), trace.WithAttributes(
			semconv.MessagingSystemKey.String("nats"),
			semconv.MessagingOperationName("publish"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(messages.EventsStream),
			semconv.MessagingDestinationPartitionID(t.lane.String()),
			semconv.MessagingBatchMessageCount(len(rows)),
		))
	return &sending{span: span, rows: len(rows)}
}

// linksTo reads the commands' contexts from their events. What can't be read
// has no link.
func linksTo(rows []Row) []trace.Link {
	links := make([]trace.Link, 0, len(rows))
	for _, row := range rows {
		event, err := messages.DecodeEvent(row.Payload)
		if err != nil {
			continue
		}
		// without the state, which is up to 512 bytes of any producer's choice
		if of := SpanContext(messages.Trace{Parent: event.Trace.Parent}); of.IsValid() {
			links = append(links, trace.Link{SpanContext: of})
		}
	}
	return links
}

// accepted notes that the stream has taken so many events more.
func (s *sending) accepted(events int) {
	if s != nil {
		s.sent += events
	}
}

// retry notes a try that was not acknowledged.
func (s *sending) retry(err error) {
	if s != nil {
		s.span.AddEvent("retry", trace.WithAttributes(semconv.ErrorTypeKey.String(reason(err))))
	}
}

// end ends the span. No error's text gets into it: only the log is known to
// hide what nobody may read.
func (s *sending) end(err error) {
	if s == nil {
		return
	}
	if s.sent != s.rows {
		// the others are left, or were in the stream already
		s.span.SetAttributes(semconv.MessagingBatchMessageCount(s.sent), attribute.Int("connect_provider.events", s.rows))
	}
	if err != nil {
		why := "stopped"
		if errors.Is(err, ErrLost) {
			why = "lost"
		}
		s.span.SetAttributes(semconv.ErrorTypeKey.String(why))
		s.span.SetStatus(status.Error, why)
	}
	s.span.End()
}
