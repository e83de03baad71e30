package tracing

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"connect-provider/cmd/internal/program"
)

// The ways in which spans go out.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
	protocolJSON = "http/json"
)

// Settings say whether and where spans go. The zero value is off.
type Settings struct {
	on       bool
	endpoint string // for people; empty for the exporter's default
	protocol string
	sampler  sdktrace.Sampler
	headers  *program.Secrets // their values, for what the exporter complains of
}

// On tells whether spans are asked for.
func (s *Settings) On() bool { return s.on }

// Resolve reads the environment and returns what is wrong with it. Nothing is
// dialled. Spans are on where OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, or OTEL_TRACES_EXPORTER is otlp,
// unless OTEL_SDK_DISABLED is true or OTEL_TRACES_EXPORTER none. Where they are
// off, no other variable matters. A secret in the wrong place is noted as one.
func (s *Settings) Resolve(secrets *program.Secrets) []error {
	*s = Settings{}
	disabled, err := truth("OTEL_SDK_DISABLED")
	if err != nil || disabled {
		return []error{err}
	}
	endpointName, endpoint := either("ENDPOINT")
	switch exporter := value("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return nil
	case "otlp":
		s.on = true
	case "":
		s.on = endpoint != ""
	default:
		return []error{fmt.Errorf("OTEL_TRACES_EXPORTER %q: choose otlp or none", exporter)}
	}
	if !s.on {
		return nil
	}
	var problems []error
	s.protocol, err = protocol()
	problems = append(problems, err)
	s.endpoint, err = checkEndpoint(endpointName, endpoint, s.protocol, secrets)
	problems = append(problems, err)
	s.sampler, err = sampler()
	return append(append(problems, err), s.checkRest()...)
}

// value returns a variable as the specification has it: empty means not set.
func value(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// either returns a variable of the exporter, and its name: the traces' own wins
// over the one for all signals.
func either(name string) (set, text string) {
	for _, set = range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
		if text = value(set); text != "" {
			return set, text
		}
	}
	return set, ""
}

// both names the exporter's variables that a word stands for.
func both(name string) []string {
	return []string{"OTEL_EXPORTER_OTLP_" + name, "OTEL_EXPORTER_OTLP_TRACES_" + name}
}

func truth(name string) (bool, error) {
	switch text := strings.ToLower(value(name)); text {
	case "true", "false", "":
		return text == "true", nil
	default:
		return false, fmt.Errorf("%s %q: choose true or false", name, text)
	}
}

func protocol() (string, error) {
	name, text := either("PROTOCOL")
	if text == "" {
		return protocolHTTP, nil // the specification's default
	}
	if !slices.Contains([]string{protocolGRPC, protocolHTTP, protocolJSON}, text) {
		return "", fmt.Errorf("%s %q: choose %s, %s or %s", name, text, protocolHTTP, protocolJSON, protocolGRPC)
	}
	return text, nil
}

func checkEndpoint(name, text, protocol string, secrets *program.Secrets) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is no URL; write it as in http://collector:4318", name) // the error repeats the text
	case u.User != nil:
		password, _ := u.User.Password()
		secrets.Add(u.User.Username(), password)
		return "", fmt.Errorf("%s has a user in it, which would not be sent: put it into OTEL_EXPORTER_OTLP_HEADERS", name)
	case protocol == protocolGRPC && u.Scheme == "unix":
		return text, nil
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%s %q: begin it with http:// or https://", name, text)
	case u.Host == "":
		return "", fmt.Errorf("%s %q names no host", name, text)
	}
	return text, nil
}

// checkRest checks what the library itself reads: it would only print what is
// wrong there, or pass over it.
func (s *Settings) checkRest() (problems []error) {
	s.headers = &program.Secrets{}
	for _, name := range both("HEADERS") {
		problems = append(problems, checkPairs(name, s.headers.Add))
	}
	problems = append(problems, checkPairs("OTEL_RESOURCE_ATTRIBUTES", func(...string) {}))
	for _, name := range both("COMPRESSION") {
		if text := value(name); text != "" && text != "gzip" && text != "none" {
			problems = append(problems, fmt.Errorf("%s %q: choose gzip or none", name, text))
		}
	}
	for _, name := range both("INSECURE") {
		_, err := truth(name)
		problems = append(problems, err)
	}
	for _, name := range slices.Concat(both("CERTIFICATE"), both("CLIENT_CERTIFICATE"), both("CLIENT_KEY")) {
		problems = append(problems, checkFile(name))
	}
	for _, prefix := range both("CLIENT") {
		if (value(prefix+"_CERTIFICATE") == "") != (value(prefix+"_KEY") == "") {
			problems = append(problems, fmt.Errorf("%s_CERTIFICATE and %s_KEY belong together: set both", prefix, prefix))
		}
	}
	return append(problems, checkNumbers()...)
}

// checkPairs reads name=value,name=value with percent-encoded values, and has
// each value noted.
func checkPairs(name string, note func(values ...string)) error {
	text := value(name)
	if text == "" {
		return nil
	}
	for _, pair := range strings.Split(text, ",") {
		key, encoded, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		decoded, err := url.PathUnescape(strings.TrimSpace(encoded))
		if !found || err != nil || key == "" || strings.ContainsAny(key, " \t:;()<>@\"/[]?{}\\") {
			// not repeated: it may hold a secret
			return errors.New(name + ": write it as in name=value,name=value, the values percent-encoded")
		}
		note(decoded)
	}
	return nil
}

func checkFile(name string) error {
	file := value(name)
	if file == "" {
		return nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !strings.Contains(string(content), "-----BEGIN ") {
		return fmt.Errorf("%s: %s is not in PEM form", name, file)
	}
	return nil
}

// checkNumbers checks the limits, and the times in milliseconds.
func checkNumbers() (problems []error) {
	least := map[string]int{
		"OTEL_BSP_SCHEDULE_DELAY": 1, "OTEL_BSP_EXPORT_TIMEOUT": 1, "OTEL_BSP_MAX_QUEUE_SIZE": 1, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 1,
		"OTEL_EXPORTER_OTLP_TIMEOUT": 1, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": 1,
		// negative: no limit
		"OTEL_SPAN_LINK_COUNT_LIMIT": -1, "OTEL_SPAN_EVENT_COUNT_LIMIT": -1, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": -1,
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": -1, "OTEL_ATTRIBUTE_COUNT_LIMIT": -1, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": -1,
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": -1, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": -1,
	}
	for name, atLeast := range least {
		text := value(name)
		if text == "" {
			continue
		}
		if n, err := strconv.Atoi(text); err != nil || n < atLeast {
			problems = append(problems, fmt.Errorf("%s %q: give a whole number from %d on", name, text, atLeast))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}
