package systemtest

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// retry calls f until it succeeds, for at most a minute, and gives f's last error.
func retry(ctx context.Context, f func() error) error {
	var last error
	err := backoff.Retry(func() error { last = f(); return last }, backoff.WithContext(backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(250*time.Millisecond), backoff.WithMaxElapsedTime(time.Minute)), ctx))
	if err != nil {
		return errors.Join(last, context.Cause(ctx))
	}
	return nil
}
