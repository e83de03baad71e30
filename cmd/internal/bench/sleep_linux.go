package bench

import (
	"context"
	"syscall"
	"time"
)

// nap is the longest sleep that nothing interrupts.
const nap = 50 * time.Millisecond

// sleepUntil returns at a time, or with the context's error. The kernel wakes
// this thread some 70 µs late; Go's timers, which wait in whole milliseconds
// where nothing else is to be done, would be 550 µs late at the median, as much
// as the system itself takes.
func sleepUntil(ctx context.Context, at time.Time) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		left := time.Until(at)
		if left <= 0 {
			return nil
		}
		rest := syscall.NsecToTimespec(int64(min(left, nap)))
		// it may be woken earlier by a signal, and sleeps again
		_ = syscall.Nanosleep(&rest, nil)
	}
}
