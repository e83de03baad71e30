package tracing

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// FromEnvironment returns ctx with the trace that the process was started in, as
// TRACEPARENT and TRACESTATE tell it; ctx itself where they don't or can't be
// read.
func FromEnvironment(ctx context.Context) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{
		"traceparent": os.Getenv("TRACEPARENT"), "tracestate": os.Getenv("TRACESTATE"),
	})
}

// Send begins the span of publishing a command to a stream, and puts its context
// into the command's headers, from where it reaches the event. Without a
// provider there is no span, and the context is that of ctx, if any. What is
// returned ends the span, with the stream's answer or the error.
func Send(ctx context.Context, provider trace.TracerProvider, stream string, command *nats.Msg) (ended func(*jetstream.PubAck, error)) {
	if provider == nil {
		provider = noop.NewTracerProvider()
	}
	ctx, span := provider.Tracer("connect-provider/producer", trace.WithSchemaURL(semconv.SchemaURL)).Start(ctx, "publish "+stream,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			semconv.MessagingSystemKey.String("nats"),
			semconv.MessagingOperationName("publish"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(stream),
			semconv.MessagingMessageBodySize(len(command.Data)),
		))
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	for name, text := range carrier {
		if command.Header == nil {
			command.Header = nats.Header{}
		}
		command.Header[name] = []string{text} // in lower case, as W3C spells it
	}
	return func(answer *jetstream.PubAck, err error) {
		defer span.End()
		if problem := refusal(answer, err); problem != "" {
			span.SetAttributes(semconv.ErrorTypeKey.String(problem))
			span.SetStatus(codes.Error, problem)
			return
		}
		span.SetAttributes(semconv.MessagingMessageID(strconv.FormatUint(answer.Sequence, 10)))
	}
}

// refusal says in a word why a command was not accepted, or is not known to be;
// nothing if it was.
func refusal(answer *jetstream.PubAck, err error) string {
	var refused *jetstream.APIError
	switch {
	case err == nil && answer.Duplicate:
		return "duplicate"
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return strconv.Itoa(int(refused.ErrorCode))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return "timeout"
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return "no_responders"
	}
	return "other"
}
