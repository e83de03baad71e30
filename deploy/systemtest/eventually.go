package systemtest

import (
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// patience is how long Eventually waits. It is no expectation of speed: a
// healthy system is done in milliseconds, a loaded machine in seconds.
const patience = 30 * time.Second

// Eventually waits until cond returns nil. After 30 s the test fails, with what
// was awaited and cond's last error. Call it from the test's own goroutine.
func Eventually(t testing.TB, what string, cond func() error) {
	t.Helper()
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(2*time.Millisecond),
		backoff.WithMaxInterval(100*time.Millisecond), backoff.WithMaxElapsedTime(patience))
	if err := backoff.Retry(cond, wait); err != nil {
		t.Fatalf("waited %s in vain for %s: %v", patience, what, err)
	}
}
