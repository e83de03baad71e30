package main

import (
	"context"
	"fmt"
	"time"
)

// awaitReady waits until the worker can work, or tells why it ended.
func (r *runningWorker) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := r.worker.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-r.ended:
			return fmt.Errorf("the worker could not start: %w", r.err)
		case <-ctx.Done():
			return fmt.Errorf("the worker is not ready: %w", err)
		case <-ticker.C:
		}
	}
}
