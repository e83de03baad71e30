package processtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestTheBrokersDiskIsLost is the runbook's drill of that name. NATS comes back
// with nothing; the workers run on, and take up the new streams once somebody
// has made them. What was decided is known by its id when it is published again;
// what was accepted and not decided is lost, and published again decided.
func TestTheBrokersDiskIsLost(t *testing.T) {
	s := newService(t)
	d := s.newDrill()
	s.work()
	s.work()
	d.publish(d.make(400))
	d.awaitDecided()
	s.awaitEmptyOutbox()
	decided := d.published
	d.forgetEvents()

	// accepted, and waiting when the disk goes
	for _, class := range messages.Classes() {
		s.exec(`insert into connect_provider.pauses (class, reason) values ($1, 'drill')`, class.Letter())
	}
	s.awaitConnection()
	undecided := d.make(100)
	d.publish(undecided)
	s.awaitMeasured(map[string]float64{"lane_lag_messages": float64(len(undecided))})

	s.nats.LoseDisk()
	s.nats.Start()
	// connected, with all their leases, and nothing to read: the paused lanes
	// have noticed as well
	s.awaitMeasured(map[string]float64{"ready": 2, "lanes_owned": 32, "lanes_paused": 0, "lanes_reading": 0})
	s.run("streams")
	s.exec(`delete from connect_provider.pauses`)
	systemtest.Eventually(t, "all lanes in the new streams", func() error {
		if lost, err := s.measured("ranges_lost_total", `kind="replaced"`); err != nil || lost != 32 {
			return errors.Join(fmt.Errorf("%v are", lost), err)
		}
		return nil
	})
	s.awaitMeasured(map[string]float64{"lanes_reading": 32})

	// whoever does not know publishes again, in the same order
	s.awaitConnection()
	d.publish(decided)
	d.publish(undecided)
	d.publish(d.make(100))
	s.awaitOutcomes(d)
	d.check()
	for lane, generation := range s.lanesReached() {
		if generation != 2 {
			t.Errorf("lane %s is in generation %d, want 2", lane, generation)
		}
	}
	for _, w := range s.workers {
		w.stop()
	}
}

// awaitOutcomes waits until everything published has an outcome in the database
// and all events are out. (How many of them are in the new stream depends on
// what the workers had in memory when the old one was lost.)
func (s *service) awaitOutcomes(d *drill) {
	s.t.Helper()
	systemtest.Eventually(s.t, "an outcome of each command", func() error {
		if n := s.count(`select count(*)::int from connect_provider.inbox`); n < len(d.published) {
			return fmt.Errorf("%d of %d", n, len(d.published))
		}
		return nil
	})
	s.awaitEmptyOutbox()
}

// TestTheEventsStreamIsLost: commands are decided meanwhile, and their outcomes
// wait in the outbox until somebody has made the stream anew.
func TestTheEventsStreamIsLost(t *testing.T) {
	s := newService(t)
	d := s.newDrill()
	s.work()
	s.work()
	d.publish(d.make(200))
	d.awaitDecided()
	s.awaitEmptyOutbox()
	d.forgetEvents()

	if err := s.js.DeleteStream(context.Background(), messages.EventsStream); err != nil {
		t.Fatal(err)
	}
	// few enough that no lane has more than one batch, for which it would wait
	d.publish(d.make(30))
	systemtest.Eventually(t, "outcomes in the outbox", func() error {
		if n := s.count(`select count(*)::int from connect_provider.outbox`); n == 0 {
			return fmt.Errorf("%d rows", n)
		}
		return nil
	})
	s.run("streams")
	s.awaitOutcomes(d)
	d.publish(d.make(100))
	d.awaitDecided()
	d.check()
	s.checkMeasured(0, "ranges_lost_total")
	for _, w := range s.workers {
		w.stop()
	}
}
