package worker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

//go:embed sql/record_lanes.sql
var recordLanesSQL string

// recordLanesLock is the number, no partition's, under which workers that
// start at once record the lanes one after another.
const recordLanesLock = -1

// ErrStreams says that the streams are missing or would lose data or break
// the order of events. No retry mends it.
var ErrStreams = errors.New("streams can't be used")

// streamConfigs returns what the three streams should look like.
func streamConfigs(options messages.StreamOptions) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		messages.CommandsStreamConfig(messages.Interactive, options),
		messages.CommandsStreamConfig(messages.Bulk, options),
		messages.EventsStreamConfig(options),
	}
}

// EnsureStreams creates the streams that do not exist and compares those that
// do with what they should be. With mend it also updates what an update can
// change. What the options do not give is left and not compared in a stream
// that exists, and has the default in one created. It returns the names of the streams it created, and what still
// differs. Streams created or updated before an error stay so.
func EnsureStreams(ctx context.Context, js jetstream.JetStream, options messages.StreamOptions, mend bool) (created []string, findings []messages.Finding, err error) {
	if options.Lanes == 0 {
		if options.Lanes, err = lanesThereAre(ctx, js); err != nil {
			return nil, nil, err
		}
	}
	for _, want := range streamConfigs(options) {
		stream, err := js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			if stream, err = js.CreateStream(ctx, want); err == nil {
				created = append(created, want.Name)
			}
		}
		if err != nil {
			return created, findings, fmt.Errorf("stream %s: %w", want.Name, err)
		}
		want = options.Keep(stream.CachedInfo().Config, want)
		differing := messages.CompareStream(stream.CachedInfo().Config, want)
		if mend && len(differing) > 0 {
			if stream, err = js.UpdateStream(ctx, messages.MendStream(stream.CachedInfo().Config, want)); err != nil {
				return created, append(findings, differing...), fmt.Errorf("update stream %s: %w", want.Name, err)
			}
			differing = messages.CompareStream(stream.CachedInfo().Config, want)
		}
		findings = append(findings, differing...)
	}
	return created, findings, nil
}

// lanesThereAre returns into how many lanes the first command stream that can
// be used is cut, 0 if there is none. Both classes must be cut alike, so this
// is what the other one is compared with, or created with.
func lanesThereAre(ctx context.Context, js jetstream.JetStream) (int, error) {
	for _, class := range messages.Classes() {
		stream, err := js.Stream(ctx, class.Stream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("stream %s: %w", class.Stream(), err)
		}
		// One that is not cut by organization is a finding of its own.
		if lanes, err := messages.LanesOf(stream.CachedInfo().Config); err == nil {
			return lanes, nil
		}
	}
	return 0, nil
}

// checkStreams refuses streams that would lose data or break the fence, and
// returns the number of lanes of each class.
func checkStreams(ctx context.Context, js jetstream.JetStream) (map[messages.Class]int, error) {
	lanes := map[messages.Class]int{}
	var problems []string
	for _, class := range messages.Classes() {
		config, err := streamConfig(ctx, js, class.Stream())
		if err != nil {
			return nil, err
		}
		number, err := messages.LanesOf(config)
		if err != nil {
			return nil, fmt.Errorf("%w: stream %s: %w; deploy/RUNBOOK.md says how to change the number of lanes", ErrStreams, class.Stream(), err)
		}
		lanes[class] = number
		problems = appendFatal(problems, messages.CompareStream(config, messages.CommandsStreamConfig(class, messages.StreamOptions{Lanes: number})))
	}
	if interactive, bulk := lanes[messages.Interactive], lanes[messages.Bulk]; interactive != bulk {
		return nil, fmt.Errorf("%w: %s is cut into %d lanes and %s into %d; they must be the same number, so that one lock serializes both lanes of an organization; deploy/RUNBOOK.md says how to change it",
			ErrStreams, messages.Interactive.Stream(), interactive, messages.Bulk.Stream(), bulk)
	}
	config, err := streamConfig(ctx, js, messages.EventsStream)
	if err != nil {
		return nil, err
	}
	problems = appendFatal(problems, messages.CompareStream(config, messages.EventsStreamConfig(messages.StreamOptions{})))
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w:\n  %s\nmend with: connect-provider streams --mend", ErrStreams, strings.Join(problems, "\n  "))
	}
	return lanes, nil
}

func streamConfig(ctx context.Context, js jetstream.JetStream, name string) (jetstream.StreamConfig, error) {
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return jetstream.StreamConfig{}, fmt.Errorf("%w: stream %s does not exist; run: connect-provider streams", ErrStreams, name)
	}
	if err != nil {
		return jetstream.StreamConfig{}, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream.CachedInfo().Config, nil
}

func appendFatal(problems []string, findings []messages.Finding) []string {
	for _, finding := range findings {
		if finding.Fatal {
			problems = append(problems, finding.String())
		}
	}
	return problems
}

// recordLanes writes down how many lanes each class has when it is first seen,
// and refuses streams that are cut differently from then on: an organization's
// commands would change lanes, and with them their order.
func (w *Worker) recordLanes(ctx context.Context, lanes map[messages.Class]int) error {
	for class, number := range lanes {
		var recorded int
		err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, lockSQL, recordLanesLock); err != nil {
				return err
			}
			return tx.QueryRow(ctx, recordLanesSQL, class.Letter(), number).Scan(&recorded)
		})
		if err != nil {
			return fmt.Errorf("record lanes: %w", err)
		}
		if recorded != number {
			return fmt.Errorf("%w: stream %s is cut into %d lanes, the database was set up for %d; deploy/RUNBOOK.md says how to change the number of lanes",
				ErrStreams, class.Stream(), number, recorded)
		}
		w.mu.Lock()
		w.numbers[class] = number
		w.mu.Unlock()
	}
	return nil
}
