package tracing

import (
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	// the settings of whoever runs the tests are not the tests'
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "TRACE") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}
