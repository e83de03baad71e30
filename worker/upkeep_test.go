package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/outbox"
)

func (s *system) firstSequence(class messages.Class) uint64 {
	s.t.Helper()
	stream, err := s.js.Stream(context.Background(), class.Stream())
	if err != nil {
		s.t.Fatal(err)
	}
	return stream.CachedInfo().State.FirstSeq
}

// organizationIn returns a handle whose commands go to a lane.
func organizationIn(lane int, name string) string {
	for i := 0; ; i++ {
		handle := fmt.Sprintf("%s%d", name, i)
		if messages.Partition(handle, testLanes) == lane {
			return handle
		}
	}
}

// TestPurgeStopsAtTheSlowestLane: what one lane has not applied stays, with
// all that stands behind it; a lane that has nothing to do pins nothing.
func TestPurgeStopsAtTheSlowestLane(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	fast, slow := organizationIn(0, "fast"), organizationIn(1, "slow")
	s.organization(fast, 10, 10, "+1555")
	s.organization(slow, 10, 10, "+1666")
	d := newDriver(t, s)
	d.w.config.ReplayWindow = 0
	for n := range testLanes { // all have looked at the stream; 2 and 3 stay idle
		if _, err := d.acquire(messages.Lane{Class: messages.Bulk, Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 { // 1 to 20, in turn
		s.publish(messages.Bulk, fast, connectCommand(fmt.Sprintf("f%d", i), "b0", 1, number("+1555", i)))
		s.publish(messages.Bulk, slow, connectCommand(fmt.Sprintf("s%d", i), "b0", 1, number("+1666", i)))
	}
	work := func(lane, n int) {
		t.Helper()
		l, err := d.acquire(messages.Lane{Class: messages.Bulk, Number: lane})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := d.next(l, n)
		if err != nil || len(batch) != n {
			t.Fatalf("%d messages, %v", len(batch), err)
		}
		if err := d.apply(l, batch); err != nil {
			t.Fatal(err)
		}
	}
	purgedTo := func(want uint64) {
		t.Helper()
		if err := d.w.purge(ctx, messages.Bulk); err != nil {
			t.Fatal(err)
		}
		if first := s.firstSequence(messages.Bulk); first != want {
			t.Errorf("stream begins at %d, want %d", first, want)
		}
	}
	purgedTo(1)
	work(0, 10)
	purgedTo(2) // slow's first command is number 2
	work(1, 3)
	purgedTo(8) // its fourth is number 8
	work(1, 7)
	purgedTo(21)
	s.publish(messages.Bulk, slow, connectCommand("after", "b0", 1, number("+1666", 0)))
	work(1, 1) // the cursors are below the first sequence, which is legal
	if n := len(s.events()); n != 21 {
		t.Errorf("%d events, want 21", n)
	}

	// inside the replay window nothing goes, until the stream is nearly full
	d.w.config.ReplayWindow = time.Hour
	purgedTo(21)
	stream, err := s.js.Stream(ctx, messages.Bulk.Stream())
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxBytes = int64(stream.CachedInfo().State.Bytes) + 10
	if _, err := s.js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	purgedTo(22)
}

// TestPurgeKeepsTheReplayWindow purges what was applied before it and keeps
// what was applied in it, whenever it was published.
func TestPurgeKeepsTheReplayWindow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	handle := organizationIn(0, "acme")
	s.organization(handle, 1, 10, "+1555")
	d := newDriver(t, s)
	for n := range testLanes {
		if _, err := d.acquire(messages.Lane{Class: messages.Interactive, Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		s.publish(messages.Interactive, handle, connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
	}
	// published before the window, as after a long outage
	d.w.config.ReplayWindow = time.Hour
	work := func(n int) {
		t.Helper()
		l, err := d.acquire(messages.Lane{Class: messages.Interactive, Number: 0})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := d.next(l, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.apply(l, batch); err != nil {
			t.Fatal(err)
		}
	}
	hoursPass := func(hours float64) {
		t.Helper()
		s.platform(fmt.Sprintf(`update connect_provider.purge_marks set marked_at = marked_at - make_interval(mins => %d)`, int(hours*60)))
	}
	purgedTo := func(want uint64) {
		t.Helper()
		if err := d.w.purge(ctx, messages.Interactive); err != nil {
			t.Fatal(err)
		}
		if first := s.firstSequence(messages.Interactive); first != want {
			t.Errorf("stream begins at %d, want %d", first, want)
		}
	}
	work(2)
	purgedTo(1)
	hoursPass(0.5)
	work(2)
	purgedTo(1)
	hoursPass(0.6) // the first two have been applied for 1.1 hours
	purgedTo(3)
	hoursPass(0.6)
	work(2)
	purgedTo(5)
	hoursPass(1.1)
	purgedTo(7)
	hoursPass(1.1)
	purgedTo(7)
	if n := s.count(`select count(*) from connect_provider.purge_marks`); n > 3 {
		t.Errorf("%d marks are kept", n)
	}

	// a mark from before the stream was cut back tells nothing of what came since
	s.platform(`insert into connect_provider.purge_marks select class, stream_created, 1000, now() - interval '3 hours' from connect_provider.purge_marks limit 1`)
	s.publish(messages.Interactive, handle, connectCommand("c6", "b0", 1, number("+1555", 6)))
	work(1)
	purgedTo(7)
}

// TestPurgeWaitsForLanesThatHaveNotSeenTheStream: after a stream was replaced,
// the cursors of the old one say nothing about the new one.
func TestPurgeWaitsForLanesThatHaveNotSeenTheStream(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	handle := organizationIn(0, "acme")
	s.organization(handle, 1, 10, "+1555")
	d := newDriver(t, s)
	d.w.config.ReplayWindow = 0
	for n := range testLanes {
		if _, err := d.acquire(messages.Lane{Class: messages.Interactive, Number: n}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		s.publish(messages.Interactive, handle, connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
	}
	d.drain(t, messages.Lane{Class: messages.Interactive, Number: 0}, 10)
	if err := s.js.DeleteStream(ctx, messages.Interactive.Stream()); err != nil {
		t.Fatal(err)
	}
	s.createStreams()
	for i := range 3 {
		s.publish(messages.Interactive, handle, connectCommand(fmt.Sprintf("d%d", i), "b0", 1, number("+1555", i)))
	}
	if err := d.w.purge(ctx, messages.Interactive); err != nil {
		t.Fatal(err)
	}
	if first := s.firstSequence(messages.Interactive); first != 1 {
		t.Errorf("undecided commands were purged: the stream begins at %d", first)
	}
	// its cursor (5) is beyond this stream's end: the new one is read from its beginning
	d.drain(t, messages.Lane{Class: messages.Interactive, Number: 0}, 10)
	events := s.events()
	checkOrder(t, events)
	if len(events) != 8 || events[7].Generation != 2 {
		t.Errorf("%d events, the last of generation %d; want 8 and 2", len(events), events[len(events)-1].Generation)
	}
}

// TestPruneKeepsTheRetention deletes what is older than its retention only.
func TestPruneKeepsTheRetention(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.organization("acme", 1, 10, "+1555")
	w := s.work()
	for i := range 4 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
		s.publish(messages.Interactive, "acme", []byte("?"))
	}
	s.awaitEvents(8)
	w.stop()
	s.platform(`update connect_provider.inbox set decided_at = now() - interval '31 days' where key in ('c0', 'c1')`)
	s.platform(`update connect_provider.dead_letters set died_at = now() - interval '91 days' where ctid = (select min(ctid) from connect_provider.dead_letters)`)
	inbox, deadLetters, err := outbox.Prune(ctx, s.pool, DefaultConfig().InboxRetention, DefaultConfig().DeadLetterRetention)
	if err != nil || inbox != 2 || deadLetters != 1 {
		t.Errorf("pruned %d and %d, %v; want 2 and 1", inbox, deadLetters, err)
	}
	if n := s.count(`select count(*) from connect_provider.inbox`); n != 6 {
		t.Errorf("%d inbox rows left, want 6", n)
	}
}

// TestUpkeepRunsByItself: an idle system with a short window ends up with empty
// command streams.
func TestUpkeepRunsByItself(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 1, 10, "+1555")
	s.work(func(c *Config) { c.ReplayWindow, c.UpkeepInterval = 0, 50*time.Millisecond })
	for i := range 5 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("c%d", i), "b0", 1, number("+1555", i)))
	}
	s.awaitEvents(5)
	systemtest.Eventually(t, "an empty command stream", func() error {
		stream, err := s.js.Stream(context.Background(), messages.Interactive.Stream())
		if err != nil {
			return err
		}
		if n := stream.CachedInfo().State.Msgs; n != 0 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
}
