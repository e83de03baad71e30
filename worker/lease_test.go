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
	// also where its cursor is still the lane's
	third, err := d.acquire(lane)
	if err != nil {
		t.Fatal(err)
	}
	if batch, err = d.next(third, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := d.acquire(lane); err != nil {
		t.Fatal(err)
	}
	if _, err := d.commitOnly(third, batch); !errors.Is(err, outbox.ErrLost) {
		t.Errorf("a batch of the owner before last ended with %v, want ErrLost", err)
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

// awaitOwned waits until a worker has a number of lanes of each class.
func (s *system) awaitOwned(r *running, want int) {
	s.t.Helper()
	for _, class := range messages.Classes() {
		s.awaitCount(fmt.Sprintf("%d lanes of class %s", want, class), want,
			`select count(*) from connect_provider.lanes where owner = $1 and class = $2`, r.id, class.Letter())
	}
}

// TestLanesAreSharedFairly: two workers have half each, at once when the second
// joins, and one has all, at once when the other ends in order. Leases are so
// long that only the workers' word to each other can bring that about.
func TestLanesAreSharedFairly(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	long := func(c *Config) { c.LeaseTTL = 5 * time.Minute }
	first := s.work(long)
	s.awaitOwned(first, testLanes)
	second := s.work(long)
	s.awaitOwned(first, testLanes/2)
	s.awaitOwned(second, testLanes/2)
	for i := range 20 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1555", i)))
	}
	second.stop()
	s.awaitOwned(first, testLanes)
	for i := range 20 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("d%d", i), fmt.Sprintf("b%d", (i+20)%10), 1, number("+1555", i+20)))
	}
	checkOrder(t, s.awaitEvents(40))
}

// TestKilledWorkersLanesAreTakenOver within their lease time.
func TestKilledWorkersLanesAreTakenOver(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	first := s.work()
	s.awaitOwned(first, testLanes)
	second := s.work()
	s.awaitOwned(second, testLanes/2)
	for i := range 20 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1555", i)))
	}
	second.kill()
	if n := s.count(`select count(*) from connect_provider.lanes where owner = $1`, second.id); n == 0 {
		t.Error("the killed worker released its lanes: that is not how a kill ends")
	}
	s.awaitOwned(first, testLanes)
	checkOrder(t, s.awaitEvents(20))
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
