package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"connect-provider/deploy/bench/bed"
	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// steady is the command that looks at one worker's memory and the outbox's size
// over many commands.
type steady struct {
	Commands int  `default:"5000000" help:"How many commands."`
	Backlog  int  `default:"100000" help:"How many may wait in the stream."`
	JSON     bool `name:"json" help:"Print the result as JSON."`
}

// steadyOrganizations is whose the commands are, each with 200 bridges.
const steadyOrganizations = 100

const mostSteady = 99_000_000 // the workload's numbers have eight digits

// sample is what one second showed, in MB.
type sample struct {
	Events   int     `json:"events"`
	Resident float64 `json:"resident_mb"` // of the worker's process
	Outbox   float64 `json:"outbox_mb"`   // the table with its index, dead rows included
}

// steadiness is the result.
type steadiness struct {
	Commands int      `json:"commands"`
	Rate     float64  `json:"commands_per_second"`
	First    sample   `json:"first_quarter_maximum"`
	Last     sample   `json:"last_quarter_maximum"`
	Samples  []sample `json:"samples"`
}

// Run measures and prints.
func (s *steady) Run(ctx context.Context, t terminal) error {
	if s.Commands < 1 || s.Commands > mostSteady || s.Backlog < messages.MaxBatch {
		return fmt.Errorf("--commands %d, --backlog %d: choose 1 to %d commands and a backlog of %d or more", s.Commands, s.Backlog, mostSteady, messages.MaxBatch)
	}
	streams := messages.StreamOptions{BulkMaxBytes: 8 << 30, EventsMaxBytes: 16 << 30}
	return onServers(ctx, bed.Start, streams, func(program program, b *bed.Bed) error { return s.measure(ctx, program, b, t) })
}

func (s *steady) measure(ctx context.Context, program program, b *bed.Bed, t terminal) error {
	w := workload.Workload{Prefix: "load", Numbering: "+999", Organizations: steadyOrganizations, Bridges: 200,
		Numbers: (s.Commands + steadyOrganizations*200 - 1) / (steadyOrganizations * 200), UnknownEvery: 50}
	if err := w.Load(ctx, b.Pool); err != nil {
		return err
	}
	service, err := program.start(b)
	if err != nil {
		return err
	}
	result, err := s.watch(ctx, b, w, service.pid(), t)
	if err := service.stop(err); err != nil {
		return err
	}
	if err := w.Check(ctx, b.Pool, s.Commands); err != nil {
		return err
	}
	return result.print(t.out, s.JSON)
}

// watch publishes and takes samples until all events are there.
func (s *steady) watch(ctx context.Context, b *bed.Bed, w workload.Workload, pid int, t terminal) (result steadiness, err error) {
	result.Commands = s.Commands
	start, published := time.Now(), 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		now, err := takeSample(ctx, b, pid)
		if err != nil {
			return result, err
		}
		result.Samples = append(result.Samples, now)
		if len(result.Samples)%10 == 0 {
			t.say("%s events, %.0f MB resident, outbox %.1f MB", thousands(float64(now.Events)), now.Resident, now.Outbox)
		}
		if now.Events >= s.Commands {
			break
		}
		if published, err = s.fill(ctx, b, w, published); err != nil {
			return result, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return result, context.Cause(ctx)
		}
	}
	result.Rate = float64(s.Commands) / time.Since(start).Seconds()
	quarter := (len(result.Samples) + 3) / 4
	result.First, result.Last = maxima(result.Samples[:quarter]), maxima(result.Samples[len(result.Samples)-quarter:])
	return result, nil
}

// fill publishes until enough commands wait, for as long as no sample is due.
func (s *steady) fill(ctx context.Context, b *bed.Bed, w workload.Workload, published int) (int, error) {
	deadline := time.Now().Add(900 * time.Millisecond)
	for published < s.Commands && time.Now().Before(deadline) {
		decided, err := b.Events(ctx)
		if err != nil {
			return published, err
		}
		if published-decided >= s.Backlog {
			return published, nil
		}
		end := min(published+messages.MaxBatch, s.Commands)
		if err := w.Publish(ctx, b.NC, published, end); err != nil {
			return published, err
		}
		published = end
	}
	return published, nil
}

func takeSample(ctx context.Context, b *bed.Bed, pid int) (now sample, err error) {
	if now.Events, err = b.Events(ctx); err != nil {
		return now, err
	}
	if now.Resident, err = residentMB(pid); err != nil {
		return now, err
	}
	err = b.Pool.QueryRow(ctx, "select pg_total_relation_size('connect_provider.outbox') / 1e6::float8").Scan(&now.Outbox)
	return now, err
}

// residentMB is what a process has in memory, as Linux tells it.
func residentMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return kilobytes * 1024 / 1e6, nil
}

func maxima(samples []sample) (most sample) {
	for _, s := range samples {
		most = sample{max(most.Events, s.Events), max(most.Resident, s.Resident), max(most.Outbox, s.Outbox)}
	}
	return most
}

func (s steadiness) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(s)
	}
	_, err := fmt.Fprintf(out, "| %s commands, %s a second | first quarter | last quarter |\n|---|--:|--:|\n| the worker's memory, at most, MB | %.0f | %.0f |\n| the outbox table, at most, MB | %.1f | %.1f |\n",
		thousands(float64(s.Commands)), thousands(s.Rate), s.First.Resident, s.Last.Resident, s.First.Outbox, s.Last.Outbox)
	return err
}
