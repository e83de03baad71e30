package worker

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	status "go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"connect-provider/messages"
	"connect-provider/outbox"
)

// tracing makes the worker's spans, after OpenTelemetry's conventions for
// messaging. A nil one makes none, and costs nothing.
type tracing struct{ tracer trace.Tracer }

func newTracing(config Config) *tracing {
	if config.TracerProvider == nil {
		return nil
	}
	return &tracing{config.TracerProvider.Tracer("connect-provider/worker",
		trace.WithInstrumentationVersion(config.Version), trace.WithSchemaURL(semconv.SchemaURL))}
}

// batchSpan is the span of a batch, from when it is taken until all of it is
// committed and handed to the publisher. Retries, halves and doubts are events
// in it. No error's text gets into it: only the log is known to hide what
// nobody may read.
type batchSpan struct {
	tracer trace.Tracer
	ctx    context.Context // with the span, and nothing else
	span   trace.Span
	stream string
	lane   string
	settle trace.Span // of the COMMIT at hand
}

// process begins the span of a batch. It links to the context of each command
// that has one. Of one command alone it is also the child, so that at low load
// one trace shows the command's whole way.
func (t *tracing) process(lane messages.Lane, batch []*messages.Received) *batchSpan {
	if t == nil {
		return nil
	}
	links := make([]trace.Link, 0, len(batch))
	for _, received := range batch {
		// without the state, which is up to 512 bytes of any producer's choice
		if of := outbox.SpanContext(messages.Trace{Parent: received.Trace.Parent}); of.IsValid() {
			links = append(links, trace.Link{SpanContext: of})
		}
	}
	s := &batchSpan{tracer: t.tracer, ctx: context.Background(), stream: lane.Class.Stream(), lane: lane.String()}
	attributes := append(s.attributes("process", semconv.MessagingOperationTypeProcess),
		semconv.MessagingConsumerGroupName("connect-provider"))
	if len(batch) == 1 {
		s.ctx = trace.ContextWithRemoteSpanContext(s.ctx, outbox.SpanContext(batch[0].Trace))
		attributes = append(attributes, messageID(batch[0]))
	} else {
		attributes = append(attributes, semconv.MessagingBatchMessageCount(len(batch)))
	}
	s.ctx, s.span = t.tracer.Start(s.ctx, "process "+s.stream,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...), trace.WithAttributes(attributes...))
	return s
}

func (s *batchSpan) attributes(operation string, kind attribute.KeyValue) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String("nats"),
		semconv.MessagingOperationName(operation), kind,
		semconv.MessagingDestinationName(s.stream),
		semconv.MessagingDestinationPartitionID(s.lane),
	}
}

// messageID names a command by its place in the stream. The id that its
// producer chose may say anything.
func messageID(received *messages.Received) attribute.KeyValue {
	return semconv.MessagingMessageID(strconv.FormatUint(received.Sequence, 10))
}

// context returns what makes other spans this one's children.
func (s *batchSpan) context() trace.SpanContext {
	if s == nil {
		return trace.SpanContext{}
	}
	return s.span.SpanContext()
}

// retry notes a try that failed.
func (s *batchSpan) retry(c class, err error) {
	if s == nil {
		return
	}
	attributes := []attribute.KeyValue{semconv.ErrorTypeKey.String(c.String())}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		attributes = append(attributes, semconv.DBResponseStatusCode(pg.Code))
	}
	s.span.AddEvent("retry", trace.WithAttributes(attributes...))
}

// halved notes that the command which breaks the batch is looked for.
func (s *batchSpan) halved(commands int) {
	if s != nil {
		s.span.AddEvent("halved", trace.WithAttributes(semconv.MessagingBatchMessageCount(commands)))
	}
}

// isolated notes that one command is given up.
func (s *batchSpan) isolated(received *messages.Received) {
	if s != nil {
		s.span.AddEvent("isolated", trace.WithAttributes(messageID(received)))
	}
}

// settling begins the span of a COMMIT, which moves the cursor: what an
// acknowledgement is elsewhere.
func (s *batchSpan) settling(cursor uint64, commands int) {
	if s == nil {
		return
	}
	_, s.settle = s.tracer.Start(s.ctx, "commit "+s.stream, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(append(s.attributes("commit", semconv.MessagingOperationTypeSettle),
			semconv.MessagingConsumerGroupName("connect-provider"),
			semconv.MessagingBatchMessageCount(commands),
			attribute.Int64("connect_provider.cursor", int64(cursor)))...))
}

// doubt notes that the COMMIT was not answered.
func (s *batchSpan) doubt() {
	if s != nil {
		s.settle.AddEvent("commit in doubt")
	}
}

// settled ends the span of the COMMIT, if one was sent.
func (s *batchSpan) settled(ctx context.Context, err error) {
	if s == nil || s.settle == nil {
		return
	}
	fail(ctx, s.settle, err)
	s.settle.End()
	s.settle = nil
}

// end ends the batch's span. An error means that not all of it was applied.
func (s *batchSpan) end(ctx context.Context, err error) {
	if s == nil {
		return
	}
	fail(ctx, s.span, err)
	s.span.End()
}

func fail(ctx context.Context, span trace.Span, err error) {
	if err == nil {
		return
	}
	why := classify(ctx, err).String()
	if errors.Is(err, errHandedBack) {
		why = "handed_back"
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(why))
	span.SetStatus(status.Error, why)
}
