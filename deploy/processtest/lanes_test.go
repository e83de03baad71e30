package processtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// TestAnotherNumberOfLanes is the runbook's drill of that name, from 16 lanes to
// 4, and then to 8: commands of many organizations before and after.
func TestAnotherNumberOfLanes(t *testing.T) {
	s := newService(t)
	// so that the new streams are purged while some lanes are idle
	s.environment = []string{"CONNECT_PROVIDER_REPLAY_WINDOW=0s", "CONNECT_PROVIDER_UPKEEP_INTERVAL=100ms"}
	d := s.newDrill()
	s.work()
	s.work()
	d.publish(d.make(600))
	for _, lanes := range []string{"4", "8"} {
		// drained: nothing waits, nothing is to be published
		d.awaitDecided()
		s.awaitMeasured(map[string]float64{"lane_lag_messages": 0, "outbox_depth": 0})
		for _, w := range s.workers {
			w.stop()
		}
		if n := s.count(`select count(*)::int from connect_provider.outbox`); n != 0 {
			t.Fatalf("%d events are not published", n)
		}

		for _, class := range messages.Classes() {
			if err := s.js.DeleteStream(context.Background(), class.Stream()); err != nil {
				t.Fatal(err)
			}
		}
		s.run("streams", "--lanes", lanes)
		s.refused("the database was set up for")
		s.exec(`delete from connect_provider.lanes`)
		for _, w := range s.workers {
			w.start()
		}
		// only a few, so that most lanes are idle in their new streams
		d.publish(d.make(4))
		d.awaitDecided()
		s.awaitPurged()
	}
	// idle lanes look at their streams, which were purged, once more: after a
	// reconnect, and after they were taken over
	s.awaitMeasured(map[string]float64{"lane_lag_messages": 0, "outbox_depth": 0, "lanes_reading": 16})
	s.nats.Kill()
	s.nats.Start()
	s.awaitConnection()
	systemtest.Eventually(t, "readers made anew", func() error {
		if n, err := s.measured("reader_restarts_total"); err != nil || n < 16 {
			return errors.Join(fmt.Errorf("%v were", n), err)
		}
		return nil
	})
	s.awaitMeasured(map[string]float64{"lanes_reading": 16, "ranges_lost_total": 0})
	for _, w := range s.workers {
		w.stop()
		w.start()
		w.awaitReady()
	}
	s.awaitMeasured(map[string]float64{"lanes_reading": 16})
	s.checkMeasured(0, "ranges_lost_total")
	s.checkMeasured(0, "replayed_events_total")
	d.publish(d.make(300))
	// published again by producers that had not heard of their outcome
	d.publish(d.published[:100])
	d.awaitDecided()
	d.check()
	for _, w := range s.workers {
		w.stop()
	}
}

// awaitPurged waits until the command streams hold nothing that is decided.
func (s *service) awaitPurged() {
	s.t.Helper()
	systemtest.Eventually(s.t, "purged command streams", func() error {
		for _, class := range messages.Classes() {
			if n := s.size(class.Stream()); n > 0 {
				return fmt.Errorf("%d messages in %s", n, class.Stream())
			}
		}
		return nil
	})
}

// refused demands that a worker ends by itself, because of streams that do not
// fit, and says why.
func (s *service) refused(why string) {
	s.t.Helper()
	var out bytes.Buffer
	cmd := s.commandOf(s.binary, "worker")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	// one that works would never end
	patience := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer patience.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !bytes.Contains(out.Bytes(), []byte(why)) {
		s.t.Fatalf("a worker ended with %v, want exit code 4 and %q:\n%s", err, why, out.Bytes())
	}
}
