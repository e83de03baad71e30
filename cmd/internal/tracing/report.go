package tracing

import (
	"context"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/zap"

	"connect-provider/cmd/internal/program"
)

// reportEvery is how often at most a failure of the exporter is logged.
const reportEvery = time.Minute

// reporter logs what the exporter and the library complain of.
type reporter struct {
	logger  *zap.Logger
	secrets *program.Secrets

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// Handle implements otel.ErrorHandler.
func (r *reporter) Handle(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && time.Since(r.last) < reportEvery {
		r.suppressed++
		return
	}
	r.logger.Warn("spans are not exported; the work goes on without", zap.String("error", r.secrets.Mask(err.Error())), zap.Int("failures_not_logged", r.suppressed))
	r.last, r.suppressed = time.Now(), 0
}

// reporting is an exporter whose failures are logged here: the library would
// hand them to a handler that the whole process shares.
type reporting struct {
	sdktrace.SpanExporter
	reporter *reporter
}

// ExportSpans implements sdktrace.SpanExporter.
func (e reporting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.reporter.Handle(e.SpanExporter.ExportSpans(ctx, spans))
	return nil
}
