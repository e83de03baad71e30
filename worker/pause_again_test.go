package worker

import (
	"fmt"
	"testing"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestPausedLaneReadsAgain after NATS was away, as every other does: its stream
// may have been cut back or replaced, and a lane that does not look would tell
// askers how far it had come in the log that was.
func TestPausedLaneReadsAgain(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.pausedOrganizations()
	option, registry, _ := watched(t)
	w := s.work(option)
	s.awaitOwned(w, testLanes)
	s.pause(messages.Interactive, pausedOrg)
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	isPaused := func() {
		t.Helper()
		systemtest.Eventually(t, "a paused lane", func() error {
			if n := measured(t, registry, "lanes_paused", "interactive"); n != 1 {
				return fmt.Errorf("%v", n)
			}
			return nil
		})
	}
	isPaused()
	// one that is about to begin has nothing to begin again
	systemtest.Eventually(t, "every lane reading", func() error {
		if n := measured(t, registry, "lanes_reading", "interactive"); n != testLanes {
			return fmt.Errorf("%v are", n)
		}
		return nil
	})
	s.server.Stop()
	s.server.Start()
	systemtest.Eventually(t, "every lane reading again, the paused one too", func() error {
		if n := measured(t, registry, "reader_restarts_total", "interactive"); n < testLanes {
			return fmt.Errorf("%v restarts", n)
		}
		return nil
	})
	isPaused()
	s.resume(messages.Interactive, pausedOrg)
	s.awaitDecided(pausedOrg, 1)
}

// TestPausedRowsThatCannotBeRead do not keep the neighbours in front of them
// from being decided, and the lane says that it is paused, not that it is held.
func TestPausedRowsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	beside := s.pausedOrganizations()
	s.platform(`alter table telephony.bridges rename to bridges_table`)
	s.platform(`create view telephony.bridges as select domain_handle, slug from telephony.bridges_table
		where case when domain_handle = '` + pausedOrg + `' then 1 / (length(slug) - length(slug)) = 0 else true end`)
	option, registry, _ := watched(t)
	s.pause(messages.Interactive, pausedOrg)
	for n := range 5 {
		s.send(messages.Interactive, beside, "+1666", n)
	}
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	s.work(option)
	s.awaitDecided(beside, 5)
	systemtest.Eventually(t, "a paused lane", func() error {
		if n := measured(t, registry, "lanes_paused", "interactive"); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	if n := measured(t, registry, "retries_total"); n != 0 {
		t.Errorf("%v batches were tried again for what nobody is to decide", n)
	}
}
