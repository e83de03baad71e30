package tracing

import (
	"fmt"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// sampler is the one that OTEL_TRACES_SAMPLER names. Those that go by the
// parent go by the links where a span has no parent: see linkBased.
func sampler() (sdktrace.Sampler, error) {
	root, err := sdktrace.TraceIDRatioBased(1), error(nil)
	name := value("OTEL_TRACES_SAMPLER")
	switch name {
	case "traceidratio", "parentbased_traceidratio":
		root, err = ratio()
	case "always_off", "parentbased_always_off":
		root = sdktrace.NeverSample()
	case "always_on", "parentbased_always_on", "":
		root = sdktrace.AlwaysSample()
	default:
		err = fmt.Errorf("OTEL_TRACES_SAMPLER %q: choose always_on, always_off, traceidratio, or one of these after parentbased_", name)
	}
	switch name {
	case "always_on", "always_off", "traceidratio":
		return root, err
	}
	return sdktrace.ParentBased(linkBased{root}), err
}

func ratio() (sdktrace.Sampler, error) {
	text := value("OTEL_TRACES_SAMPLER_ARG")
	if text == "" {
		return sdktrace.TraceIDRatioBased(1), nil
	}
	part, err := strconv.ParseFloat(text, 64)
	if err != nil || !(part >= 0 && part <= 1) {
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG %q: give a number from 0 to 1", text)
	}
	return sdktrace.TraceIDRatioBased(part), nil
}

// linkBased samples a span without a parent as ParentBased does one with a
// parent: it follows the producers. A batch is recorded if any producer recorded
// its command, so that no trace ends in the middle, and not if all of them
// decided not to. Where some have not decided, root does.
type linkBased struct{ root sdktrace.Sampler }

// ShouldSample implements sdktrace.Sampler.
func (s linkBased) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	for _, link := range p.Links {
		if link.SpanContext.IsSampled() {
			return sdktrace.AlwaysSample().ShouldSample(p)
		}
	}
	if len(p.Links) > 0 && int64(len(p.Links)) >= commands(p) {
		return sdktrace.NeverSample().ShouldSample(p)
	}
	return s.root.ShouldSample(p)
}

// commands is how many messages a span is about.
func commands(p sdktrace.SamplingParameters) int64 {
	for _, a := range p.Attributes {
		if a.Key == semconv.MessagingBatchMessageCountKey {
			return a.Value.AsInt64()
		}
	}
	return 1
}

// Description implements sdktrace.Sampler.
func (s linkBased) Description() string { return "LinkBased{" + s.root.Description() + "}" }
