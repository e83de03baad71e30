package tracing

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"connect-provider/cmd/internal/program"
)

// resolve reads an environment. The environment is the process's, so no test
// here is parallel.
func resolve(t *testing.T, variables map[string]string) (*Settings, string) {
	t.Helper()
	for name, text := range variables {
		t.Setenv(name, text)
	}
	var s Settings
	secrets := &program.Secrets{}
	problems := errors.Join(s.Resolve(secrets)...)
	if problems == nil {
		return &s, ""
	}
	return &s, problems.Error()
}

const endpoint = "http://127.0.0.1:4318"

func TestWhetherSpansAreAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		variables map[string]string
		on        bool
	}{
		"nothing set":         {nil, false},
		"endpoint":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"endpoint for traces": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint + "/v1/traces"}, true},
		"exporter":            {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		"none":                {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
		"disabled":            {map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
		"not disabled":        {map[string]string{"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"empty means not set": {map[string]string{"OTEL_SDK_DISABLED": "", "OTEL_TRACES_EXPORTER": " ", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}, false},
		"off, so nothing else matters": {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "x",
			"OTEL_TRACES_SAMPLER": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, problems := resolve(t, test.variables)
			if problems != "" || s.On() != test.on {
				t.Errorf("on is %v, want %v; %s", s.On(), test.on, problems)
			}
		})
	}
}

func TestWhatIsWrongWithTheVariables(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]string{
		"OTEL_SDK_DISABLED":                      "perhaps",
		"OTEL_TRACES_EXPORTER":                   "jaeger",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":     "collector:4318",
		"OTEL_EXPORTER_OTLP_PROTOCOL":            "http",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL":     "grcp",
		"OTEL_EXPORTER_OTLP_HEADERS":             "api-key: s3cret",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":      "api-key=s3cret%zz",
		"OTEL_EXPORTER_OTLP_COMPRESSION":         "zip",
		"OTEL_EXPORTER_OTLP_INSECURE":            "1",
		"OTEL_EXPORTER_OTLP_TIMEOUT":             "10s",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":         noPEM + ".missing",
		"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE":  noPEM,
		"OTEL_EXPORTER_OTLP_CLIENT_KEY":          noPEM,
		"OTEL_TRACES_SAMPLER":                    "parentbased_jaeger_remote",
		"OTEL_RESOURCE_ATTRIBUTES":               "deployment",
		"OTEL_SPAN_LINK_COUNT_LIMIT":             "many",
		"OTEL_BSP_MAX_QUEUE_SIZE":                "0",
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "-2",
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := resolve(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, name: wrong})
			if !strings.HasPrefix(problems, name) || strings.Contains(problems, "s3cret") {
				t.Errorf("%s=%s: %q", name, wrong, problems)
			}
		})
	}
	for _, wrong := range []string{"1.1", "-1", "NaN", "all"} {
		_, problems := resolve(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
			"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": wrong})
		if !strings.HasPrefix(problems, "OTEL_TRACES_SAMPLER_ARG") {
			t.Errorf("%s: %q", wrong, problems)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, test := range []struct{ endpoint, protocol, problem string }{
		{"http://127.0.0.1:4318", "", ""},
		{"https://collector.example/otlp", "http/json", ""},
		{"http://127.0.0.1:4317", "grpc", ""},
		{"unix:///run/collector.sock", "grpc", ""},
		{"unix:///run/collector.sock", "", "http://"},
		{"127.0.0.1:4317", "grpc", "no URL"},
		{"localhost:4317", "grpc", "http://"},
		{"http://", "", "names no host"},
		{"http://user:s3cret@127.0.0.1:4318", "", "OTEL_EXPORTER_OTLP_HEADERS"},
		{"http://user:s3cret%@127.0.0.1", "", "no URL"},
	} {
		_, problems := resolve(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": test.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": test.protocol})
		if test.problem == "" && problems != "" || !strings.Contains(problems, test.problem) || strings.Contains(problems, "s3cret") {
			t.Errorf("%s by %s: %q, want %q", test.endpoint, test.protocol, problems, test.problem)
		}
	}
}

func TestSampling(t *testing.T) {
	const sampled, unsampled, none = 's', 'u', '-'
	for _, test := range []struct {
		sampler string
		parent  rune
		links   string // of a batch's commands; one without a context has none
		want    bool
	}{
		{"", none, "", true},
		{"", sampled, "s", true},
		{"", unsampled, "u", false},
		{"", none, "us", true},
		{"", none, "uu", false},
		{"", none, "u-", true}, // one has not decided: the root does
		{"parentbased_always_off", none, "", false},
		{"parentbased_always_off", none, "us", true},
		{"parentbased_always_off", none, "u-", false},
		{"parentbased_traceidratio", none, "--", false},
		{"parentbased_traceidratio", none, "-s", true},
		{"parentbased_always_on", unsampled, "u", false},
		{"always_on", unsampled, "u", true},
		{"always_off", sampled, "s", false},
		{"traceidratio", none, "ss", false},
		{"traceidratio", sampled, "s", false},
	} {
		t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0")
		sampler, err := sampler()
		if err != nil {
			t.Fatal(err)
		}
		of := func(kind rune) trace.SpanContext {
			config := trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: true}
			if kind == sampled {
				config.TraceFlags = trace.FlagsSampled
			}
			return trace.NewSpanContext(config)
		}
		p := sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: trace.TraceID{2}}
		if test.parent != none {
			p.ParentContext = trace.ContextWithRemoteSpanContext(t.Context(), of(test.parent))
		}
		for _, kind := range test.links {
			if kind != none {
				p.Links = append(p.Links, trace.Link{SpanContext: of(kind)})
			}
		}
		if n := len(test.links); n > 1 {
			p.Attributes = append(p.Attributes, count(n))
		}
		if got := sampler.ShouldSample(p).Decision == sdktrace.RecordAndSample; got != test.want {
			t.Errorf("%q, parent %c, links %q: sampled is %v", test.sampler, test.parent, test.links, got)
		}
	}
}
