package tracing

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"google.golang.org/grpc/grpclog"

	"connect-provider/cmd/internal/program"
)

const (
	// flushTimeout bounds the last export.
	flushTimeout = 3 * time.Second
	// linkLimit is what a batch's span may need: a link for each command.
	linkLimit = 1000
	// queueSize and exportSize bound what waits for an exporter. A batch's span
	// with all its links is 100 KB in memory and 35 KB on the wire: with the
	// library's own 2048 and 512 spans they could be more than a worker's memory,
	// and more than the 4 MB that a gRPC server takes at once.
	queueSize  = 512
	exportSize = 64
)

// Tracing exports spans. A nil one does nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider
	reporter *reporter
}

// Start makes what exports spans, or returns nil where they are off. service
// names the program unless OTEL_SERVICE_NAME does, instance the process. An
// error means that the variables can't work together. Nothing is dialled before
// the first export; the caller calls Stop.
func (s *Settings) Start(ctx context.Context, service, instance string, logger *zap.Logger) (*Tracing, error) {
	if !s.on {
		return nil, nil
	}
	reporter := &reporter{logger: logger.Named("tracing"), secrets: s.headers}
	redirect(reporter)
	exporter, err := s.exporter(ctx)
	if err != nil {
		return nil, program.Usage("configuration: OTEL_EXPORTER_OTLP_*: %w", err)
	}
	described, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceVersion(program.Version()), semconv.ServiceInstanceID(instance)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		reporter.Handle(err) // what could be found is there all the same
	}
	limits := sdktrace.NewSpanLimits()
	if value("OTEL_SPAN_LINK_COUNT_LIMIT") == "" {
		limits.LinkCountLimit = linkLimit
	}
	reporter.logger.Info("exporting spans", zap.String("protocol", s.protocol), zap.String("endpoint", s.endpoint),
		zap.String("sampler", s.sampler.Description()))
	return &Tracing{reporter: reporter, provider: sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(reporting{exporter, reporter}, batching()...),
		sdktrace.WithResource(described), sdktrace.WithSampler(s.sampler), sdktrace.WithRawSpanLimits(limits))}, nil
}

func (s *Settings) exporter(ctx context.Context) (sdktrace.SpanExporter, error) {
	if s.protocol == protocolGRPC {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func batching() (options []sdktrace.BatchSpanProcessorOption) {
	if value("OTEL_BSP_MAX_QUEUE_SIZE") == "" {
		options = append(options, sdktrace.WithMaxQueueSize(queueSize))
	}
	if value("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") == "" {
		options = append(options, sdktrace.WithMaxExportBatchSize(exportSize))
	}
	return options
}

// redirect keeps the libraries from writing to standard error by themselves.
// What they hold for the whole process goes to the program's first logger.
func redirect(reporter *reporter) {
	redirected.Do(func() {
		otel.SetErrorHandler(reporter)
		otel.SetLogger(funcr.New(func(_, text string) {
			reporter.logger.Warn("OpenTelemetry says", zap.String("text", reporter.secrets.Mask(text)))
		}, funcr.Options{}))
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(discard{}, discard{}, discard{}))
	})
}

var redirected sync.Once

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Provider returns what takes the spans, nil where they are off.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil // not a nil pointer in an interface
	}
	return t.provider
}

// Stop exports what is left, for a few seconds at most, and ends the exporter.
func (t *Tracing) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.reporter.logger.Warn("the last spans were not exported", zap.Duration("waited", flushTimeout), zap.Error(err))
	}
}
