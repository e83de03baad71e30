package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"connect-provider/cmd/internal/program"
	"connect-provider/deploy/systemtest"
)

// asProgram is the variable with which the test binary is connectctl: tests
// that kill it start themselves again.
const asProgram = "CONNECT_TEST_AS_CONNECTCTL"

func TestMain(m *testing.M) {
	// the settings of whoever runs the tests are not the tests'
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		for _, prefix := range []string{"NATS_", "DATABASE_", "CONNECT_PROVIDER_", "OTEL_", "TRACE"} {
			if strings.HasPrefix(name, prefix) {
				_ = os.Unsetenv(name)
			}
		}
	}
	if os.Getenv(asProgram) != "" {
		program.Main(run)
	}
	os.Exit(systemtest.Main(m))
}

// output is what a program has written so far.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// runs runs the program to its end and checks the exit code.
func runs(t *testing.T, wantCode int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs output
	if code := run(t.Context(), args, &out, &errs); code != wantCode {
		t.Fatalf("%q ended with %d, want %d\n%s%s", args, code, wantCode, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}
