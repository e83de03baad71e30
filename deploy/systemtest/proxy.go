package systemtest

import (
	"testing"

	"connect-provider/deploy/faults"
)

// Proxy starts a line to the target, a URL with host and port or host:port. It
// ends with the test.
func Proxy(t testing.TB, target string) *faults.Line {
	t.Helper()
	l, err := faults.NewLine(target, nil)
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("proxy: %v", err)
		}
	})
	return l
}
