// Package tracing has the programs' spans exported, as OpenTelemetry's usual
// variables say. Its own package documentation is that of the variables:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
//
//   - Resolve (environment.go) tells whether spans are asked for, and what is
//     wrong with the variables, before anything is dialled. Without an endpoint
//     nothing is on: no exporter, no goroutine, no span.
//   - Start (start.go) makes the exporter (OTLP over HTTP or gRPC), the limits and
//     the resource; sampler.go says which spans are recorded.
//   - What fails is logged (report.go), once a minute at most, and never keeps
//     the program from its work: spans are dropped where nobody takes them.
//   - Stop exports what is left, within a bounded time.
//   - Send (send.go) is the span of a producer. It gives a command the context
//     that goes with it to its event.
//
// Which spans the worker makes stands in worker/trace.go and outbox/trace.go.
package tracing
