package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/outbox"
)

// TestPausedOwnerDoesNoHarm: a worker that sleeps past its lease, before it
// commits or before it publishes, wakes up to find that it can do neither.
func TestPausedOwnerDoesNoHarm(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.organization("acme", 2, 10, "+1555")
	d := newDriver(t, s)
	lane := messages.Lane{Class: messages.Interactive, Number: messages.Partition("acme", testLanes)}
	for i := range 10 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
	}
	paused, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := d.next(paused, 4)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.commitOnly(paused, batch)
	if err != nil {
		t.Fatal(err)
	}
	stale, err := d.next(paused, 4)
	if err != nil {
		t.Fatal(err)
	}

	// its lease runs out; another takes over, publishes what it left, goes on
	successor, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.events()); n != 4 {
		t.Fatalf("the successor published %d of 4 leftovers", n)
	}
	next, err := d.next(successor, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.apply(successor, next); err != nil {
		t.Fatal(err)
	}

	// it wakes up
	if _, err := d.commitOnly(paused, stale); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("the paused owner's batch ended with %v, want ErrLost", err)
	}
	if err := paused.publisher.relay.Publish(ctx, rows); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("the paused owner's publish ended with %v, want ErrLost", err)
	}
	if err := paused.tidy(ctx); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("the paused owner's clean-up ended with %v, want ErrLost", err)
	}
	events := s.events()
	checkOrder(t, events)
	if len(events) != 6 {
		t.Errorf("%d events, want 6", len(events))
	}
	if n := s.count(`select count(*) from connect_provider.connections`); n != 6 {
		t.Errorf("%d connections, want 6", n)
	}
}

// TestStaleCursorIsRefused: the token alone does not admit a batch. After a
// failover to a standby that lagged, owner, token and epoch are as they were,
// and only the cursor tells that commits are missing.
func TestStaleCursorIsRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 2, 10, "+1555")
	d := newDriver(t, s)
	lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition("acme", testLanes)}
	for i := range 6 {
		s.publish(messages.Bulk, "acme", connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
	}
	l, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		batch, err := d.next(l, 2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.commitOnly(l, batch); err != nil {
			t.Fatal(err)
		}
	}
	batch, err := d.next(l, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.platform(`update connect_provider.lanes set cursor = 2, cursor_time = $2 where lane = $1`, lane.String(), time.Now().UnixNano())
	if _, err := d.commitOnly(l, batch); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("got %v, want ErrLost", err)
	}
}

// TestLanesAreSharedFairly: two workers have half each, and what one hands
// back or leaves behind the other has at once, or within the lease after a kill.
func TestLanesAreSharedFairly(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 1000, "+1555")
	owned := func(r *running, want int) {
		t.Helper()
		for _, class := range messages.Classes() {
			s.awaitCount(fmt.Sprintf("%d lanes of class %s", want, class), want,
				`select count(*) from connect_provider.lanes where owner = $1 and class = $2`, r.id, class.Letter())
		}
	}
	slow := func(c *Config) { c.LeaseTTL = 30 * time.Second }
	first := s.work(slow)
	owned(first, testLanes)
	second := s.work(slow)
	// renewals come every 10 s: it is the word on the wire that brings them here
	owned(first, testLanes/2)
	owned(second, testLanes/2)
	published := 0
	send := func(n int) {
		t.Helper()
		for range n {
			s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", published), fmt.Sprintf("b%d", published%10), 1, number("+1555", published)))
			published++
		}
		checkOrder(t, s.awaitEvents(published))
	}
	send(20)
	started := time.Now()
	second.stop()
	owned(first, testLanes)
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("taking over after an orderly end took %s: it waited for the lease", took)
	}
	send(20)
	third := s.work(func(c *Config) { c.LeaseTTL = time.Second })
	owned(third, testLanes/2)
	third.kill()
	owned(first, testLanes)
	send(20)
}

// TestIdleWorkerKeepsItsLanes: a lease outlives its time as long as the worker lives.
func TestIdleWorkerKeepsItsLanes(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.work()
	s.awaitCount("all lanes", 2*testLanes, `select count(*) from connect_provider.lanes where owner is not null`)
	systemtest.Eventually(t, "three lease times", func() error {
		var renewed bool
		err := s.pool.QueryRow(context.Background(), `select min(lease_expires_at) > (select min(started_at) from connect_provider.workers) + interval '4 seconds'
			from connect_provider.lanes`).Scan(&renewed)
		if err == nil && !renewed {
			err = errors.New("not renewed yet")
		}
		return err
	})
	if n := s.count(`select max(epoch) from connect_provider.lanes`); n != 1 {
		t.Errorf("epoch %d: an idle worker lost a lane", n)
	}
}
