//go:build !linux

package bench

import (
	"context"
	"time"
)

// sleepUntil returns at a time, or with the context's error.
func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}
