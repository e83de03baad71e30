package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"connect-provider/cmd/internal/bench"
	"connect-provider/deploy/local"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// benchWorkers are the workers of an embedded system. They are held by not being
// there: so each round begins with fresh ones, whose metrics count from zero.
type benchWorkers struct {
	process              process
	number               int
	databaseURL, natsURL string
	running              []benchWorker
}

type benchWorker struct {
	*benchPart
	name, address string
}

// Hold ends the workers.
func (w *benchWorkers) Hold(context.Context, messages.Class, workload.Workload) error {
	return w.stop()
}

// Release starts the workers, unless they run, and returns when they can work.
func (w *benchWorkers) Release(ctx context.Context) error {
	if len(w.running) > 0 {
		return nil
	}
	for n := range w.number {
		port, err := local.FreePort("127.0.0.1")
		if err != nil {
			return err
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		name := fmt.Sprintf("worker %d", n+1)
		part, err := startBenchPart(w.process, []string{"worker", "--listen", address, "--log-level", w.process.logger.Level().String()},
			"DATABASE_URL="+w.databaseURL, "NATS_URL="+w.natsURL)
		if err != nil {
			return err
		}
		w.running = append(w.running, benchWorker{part, name, address})
	}
	for _, running := range w.running {
		if err := running.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Processes are the workers that run.
func (w *benchWorkers) Processes() []bench.Process {
	var processes []bench.Process
	for _, running := range w.running {
		processes = append(processes, bench.ProcessOf(running.name, running.pid()))
	}
	return processes
}

// Metrics are the addresses of their metrics.
func (w *benchWorkers) Metrics() []string {
	var urls []string
	for _, running := range w.running {
		urls = append(urls, "http://"+running.address+"/metrics")
	}
	return urls
}

// stop has the workers finish what they are at, and waits for them.
func (w *benchWorkers) stop() error {
	var errs []error
	for _, running := range w.running {
		if err := running.end(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", running.name, err))
		}
	}
	w.running = nil
	return errors.Join(errs...)
}

// readyLimit is how long a worker may take until it can work.
const readyLimit = 30 * time.Second

func (w benchWorker) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return awaitReady(ctx, w.name, func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close() //nolint:errcheck // nothing is read of it
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	}, w.ended, func() error { return w.err })
}
