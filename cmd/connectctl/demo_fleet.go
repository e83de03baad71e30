package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// speed is how fast the mass of commands went.
type speed struct {
	commands  int
	published time.Duration // until the stream had accepted all
	decided   time.Duration // until the last outcome was read
}

// playFleet publishes the mass of valid commands in atomic batches, while the
// worker is at work, and waits for all outcomes.
func (s *show) playFleet(ctx context.Context) (speed, error) {
	if s.bulk == 0 {
		return speed{}, nil
	}
	s.screen.step("Publishing %s valid commands in bulk, in atomic batches of up to %s", count(s.bulk), count(messages.MaxBatch))
	before := s.outcomes()
	total := s.bulk
	result := speed{commands: total}
	start := time.Now()
	for first := 0; first < total; first += messages.MaxBatch {
		if err := s.publishBatch(ctx, first, min(first+messages.MaxBatch, total)); err != nil {
			return speed{}, err
		}
		s.screen.progress(s.outcomes()-before, total)
	}
	result.published = time.Since(start)
	err := s.feed.await(ctx, func() bool {
		decided := len(s.feed.came) - before
		s.screen.progress(decided, total)
		return decided >= total
	})
	result.decided = time.Since(start)
	if err != nil {
		return speed{}, fmt.Errorf("%s of %s commands have an outcome: %w", count(s.outcomes()-before), count(total), err)
	}
	return result, nil
}

// outcomes is how many have come.
func (s *show) outcomes() int {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return len(s.feed.came)
}

// publishBatch publishes the commands of the fleet's numbers from first up to,
// not including, end.
func (s *show) publishBatch(ctx context.Context, first, end int) error {
	batch := make([]*nats.Msg, 0, end-first)
	entries := make([]entry, 0, end-first)
	for n := first; n < end; n++ {
		organization, command, err := s.fleetCommand(n, "bulk")
		if err != nil {
			return err
		}
		body, err := messages.EncodeCommand(command)
		if err != nil {
			return err
		}
		batch = append(batch, &nats.Msg{Subject: messages.CommandSubject(messages.Bulk, organization, messages.VerbConnectProvider), Data: body})
		entries = append(entries, entry{token: organization.Token, id: command.ID, outcome: outcomeConnected})
	}
	last, err := messages.PublishBatch(ctx, s.system.nc, messages.Bulk.Stream(), batch)
	if err != nil {
		return err
	}
	s.ledger.accepted(messages.Bulk, last, entries)
	return nil
}

func (s *show) fleetCommand(n int, job string) (messages.Organization, messages.Command, error) {
	handle, command := s.fleet.Command(n)
	command.ID = fmt.Sprintf("demo-%s-%d", job, n)
	command.Metadata = map[string]string{"job": job, "row": fmt.Sprint(n)}
	organization, err := messages.OrganizationFromHandle(handle)
	return organization, command, err
}

// playLatencies publishes commands one by one and measures each from its
// publication to the reading of its outcome. It returns the times in order.
func (s *show) playLatencies(ctx context.Context) ([]time.Duration, error) {
	var latencies []time.Duration
	for n := s.bulk; n < s.fleet.Numbers; n++ {
		organization, command, err := s.fleetCommand(n, "single")
		if err != nil {
			return nil, err
		}
		start := time.Now()
		at, err := s.publish(ctx, organization, command.ID, []byte(encode(command)), outcomeConnected)
		if err != nil {
			return nil, err
		}
		came, err := s.feed.awaitOne(ctx, at)
		if err != nil {
			return nil, err
		}
		latencies = append(latencies, came.Sub(start))
	}
	slices.Sort(latencies)
	return latencies, nil
}
