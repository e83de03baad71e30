package main

import (
	"context"
	"fmt"
	"time"
)

// awaitReady waits until the worker can work, or tells why it ended.
func (r *runningWorker) awaitReady(ctx context.Context) error {
	return awaitReady(ctx, "worker", r.worker.Ready, r.ended, func() error { return r.err })
}

// awaitReady waits until what runs in this process can work, or tells why it
// ended.
func awaitReady(ctx context.Context, what string, ready func() error, ended <-chan struct{}, ending func() error) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the %s could not start: %w", what, ending())
		case <-ctx.Done():
			return fmt.Errorf("the %s is not ready: %w", what, err)
		case <-ticker.C:
		}
	}
}
