package worker

import (
	"context"
	"fmt"
	"testing"

	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestDatabaseRestored puts the database back to an earlier copy, under a live
// worker, while its commands are still in the stream: in the end everything is
// as if nothing had happened. The worker needs no new command to notice.
func TestDatabaseRestored(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int{"commands go on": 600, "no more commands": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, postgres := newPrivateSystem(t)
			l := newLoad(s, 6, 5)
			option, registry, _ := watched(t)
			w := s.work(option, func(c *Config) { c.BatchSize = 50 })
			s.awaitReady(w)
			published := l.publishThrough(600)
			s.awaitEventsAtLeast(200)
			backup := postgres.BaseBackup(t)
			<-published
			l.publish(200)
			before := l.verify()
			published = l.publishThrough(after)
			postgres.Restore(t, backup)
			<-published
			events := l.verify()
			for i, event := range before {
				if events[i].ID != event.ID || events[i].StreamSequence != event.StreamSequence {
					t.Fatalf("event %d is %s, it was %s before the restore", i, events[i].ID, event.ID)
				}
			}
			if n := measured(t, registry, "replayed_events_total", "equal"); n == 0 {
				t.Error("nothing was decided again: the test tests nothing")
			}
			if n := measured(t, registry, "replayed_events_total", "corrected"); n != 0 {
				t.Errorf("%v corrections", n)
			}
		})
	}
}

// TestDatabaseRestoredAgainAndAgain restores the same copy while the worker is
// still replaying from the time before.
func TestDatabaseRestoredAgainAndAgain(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	l := newLoad(s, 6, 6)
	w := s.work(func(c *Config) { c.BatchSize = 20 })
	s.awaitReady(w)
	l.publish(200)
	s.awaitEventsAtLeast(100)
	backup := postgres.BaseBackup(t)
	l.publish(800)
	l.verify()
	for range 2 {
		postgres.Restore(t, backup)
		// somewhere in the middle
		s.awaitMore(`select count(*) from connect_provider.inbox`, 300)
	}
	l.publish(200)
	l.verify()
}

// awaitMore waits until a query returns at least a number.
func (s *system) awaitMore(sql string, least int) {
	s.t.Helper()
	systemtest.Eventually(s.t, sql, func() error {
		var n int
		if err := s.pool.QueryRow(context.Background(), sql).Scan(&n); err != nil {
			return err
		}
		if n < least {
			return fmt.Errorf("%d, want %d", n, least)
		}
		return nil
	})
}

// TestDatabaseRestoredToItsBeginning: the copy is from before the first
// command, or from before the first worker: then it has not even lanes.
func TestDatabaseRestoredToItsBeginning(t *testing.T) {
	t.Parallel()
	for name, started := range map[string]bool{"no worker yet": false, "no command yet": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, postgres := newPrivateSystem(t)
			l := newLoad(s, 4, 7)
			var backup *systemtest.Backup
			if !started {
				backup = postgres.BaseBackup(t)
			}
			s.awaitReady(s.work())
			if started {
				s.awaitCount("lanes that have looked at their streams", 2*testLanes, `select count(*) from connect_provider.lanes where stream_created > 0`)
				backup = postgres.BaseBackup(t)
			}
			l.publish(300)
			l.verify()
			postgres.Restore(t, backup)
			events := l.verify()
			for _, event := range events {
				if event.Generation != 1 {
					t.Fatalf("event of generation %d", event.Generation)
				}
			}
			l.publish(100)
			l.verify()
		})
	}
}

// TestOutcomesDifferAfterARestore: what the platform added after the copy was
// made is gone with the restore, so commands that used it fail now. Their
// events are corrected, once, however often that happens.
func TestOutcomesDifferAfterARestore(t *testing.T) {
	t.Parallel()
	s, postgres := newPrivateSystem(t)
	s.organization("acme", 2, 100, "+1555")
	w := s.work()
	s.awaitReady(w)
	for i := range 10 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("before%d", i), "b0", 1, number("+1555", i)))
	}
	s.awaitEvents(10)
	backup := postgres.BaseBackup(t)
	s.platform(`insert into telephony.bridges values ('acme', 'new')`)
	for i := range 20 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("after%d", i), []string{"b1", "new"}[i%2], 1, number("+1555", 50+i)))
	}
	originals := s.awaitEvents(30)
	checkOrder(t, originals)
	if got := codes(originals); got["connected"] != 30 {
		t.Fatalf("outcomes %v", got)
	}
	for range 2 {
		postgres.Restore(t, backup)
		s.awaitCount("all decided again", 30, `select count(*) from connect_provider.inbox`)
		s.awaitCount("connections", 20, `select count(*) from connect_provider.connections`)
		events := s.awaitEvents(40)
		checkPositions(t, events)
		for i, correction := range events[30:] {
			original := originals[11+2*i]
			if correction.Corrects == nil || *correction.Corrects != original.ID || correction.ID == original.ID ||
				correction.CommandID != original.CommandID || codeOf(correction.Event) != "bridge_not_found" {
				t.Errorf("correction %d of %s: %s %s, corrects %v", i, original.CommandID, correction.CommandID, codeOf(correction.Event), correction.Corrects)
			}
		}
	}
	s.publish(messages.Interactive, "acme", connectCommand("last", "b0", 1, number("+1555", 99)))
	events := s.awaitEvents(41)
	if last := events[40]; last.CommandID != "last" || last.Corrects != nil {
		t.Errorf("the last event is of %s", last.CommandID)
	}
	checkPositions(t, events)
}

// TestLaggingStandbyPromoted: the primary is gone with what the standby had not
// received, and the standby takes its place at the same address, under two live
// workers.
func TestLaggingStandbyPromoted(t *testing.T) {
	t.Parallel()
	primary := systemtest.PrivatePostgres(t)
	if err := migrations.Up(context.Background(), primary.URL()); err != nil {
		t.Fatal(err)
	}
	address := systemtest.Proxy(t, primary.URL())
	s := newSystemOn(t, address.URL(), systemtest.NATS(t))
	l := newLoad(s, 6, 8)
	first, second := s.work(), s.work()
	s.awaitReady(first)
	s.awaitReady(second)
	l.publish(300)
	s.awaitEventsAtLeast(100)
	standby := primary.Standby(t)
	standby.CatchUp(t)
	l.publish(300)
	standby.StopReceiving(t)
	received := s.count(`select count(*) from connect_provider.inbox`)
	published := l.publishThrough(600)
	s.awaitMore(`select count(*) from connect_provider.inbox`, received+200)
	primary.Stop()
	standby.Promote(t)
	address.Redirect(standby.URL())
	<-published
	l.verify()
	// before the standby ends, which was started after them
	first.stop()
	second.stop()
}

// TestStandbyThatLagsByARemoval: all that the promoted standby lacks is that
// outbox rows were removed. Its cursor is the primary's, so nothing is decided
// again, and without new commands nothing would remove them.
func TestStandbyThatLagsByARemoval(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	l := newLoad(s, 6, 9)
	s.awaitReady(s.work())
	l.publish(100)
	l.verify()
	s.awaitCount("an empty outbox", 0, `select count(*) from connect_provider.outbox`)
	s.platform(`with back as (
			update connect_provider.lanes set last_event = last_event - 1 where last_event > 1 returning lane, generation, cursor)
		insert into connect_provider.outbox select lane, generation, cursor, 'telephony.events.' || lane || '.x.provider-connected', '' from back`)
	s.awaitCount("an empty outbox again", 0, `select count(*) from connect_provider.outbox`)
	l.verify()
}

// TestRowsThatCameBackAreRemoved: a standby that lags by a removal is promoted, and
// its lanes get new commands before anybody notices. Batches remove only what is
// behind the rows that are gone; a lane that has come to rest removes the others.
func TestRowsThatCameBackAreRemoved(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	l := newLoad(s, 6, 9)
	s.awaitReady(s.work())
	l.publish(100)
	l.verify()
	s.awaitCount("an empty outbox", 0, `select count(*) from connect_provider.outbox`)
	s.platform(`insert into connect_provider.outbox
		select lane, generation, cursor, 'telephony.events.' || lane || '.x.provider-connected', '' from connect_provider.lanes where cursor > 0`)
	l.publish(100)
	l.verify()
	s.awaitCount("an empty outbox again", 0, `select count(*) from connect_provider.outbox`)
}

// TestBatchesRemoveFromBehindWhatIsGone: or each would walk through all that was
// removed since the last vacuum.
func TestBatchesRemoveFromBehindWhatIsGone(t *testing.T) {
	t.Parallel()
	at := func(sequence uint64) messages.Position { return messages.Position{Generation: 1, Sequence: sequence} }
	l := &laneRun{worker: &Worker{}, publisher: &publisher{state: progress{published: at(20)}}, removed: at(10)}
	batch := []*messages.Received{{Message: messages.Message{Sequence: 30}}}
	if move := l.nextMove(batch); move.removed != at(10) || move.removable != at(20) {
		t.Errorf("a batch removes from behind %v up to %v", move.removed, move.removable)
	}
	if move := l.standStill(); move.removed != (messages.Position{}) || move.removable != at(20) {
		t.Errorf("a lane at rest removes from behind %v up to %v", move.removed, move.removable)
	}
}
