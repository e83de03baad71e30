package processtest

import (
	"testing"
)

// TestDatabaseRestoredFromABackup is the runbook's drill of that name: the copy
// is put in place under running workers, and producers go on publishing. What
// the copy lacks is decided again, and no event is sent twice.
func TestDatabaseRestoredFromABackup(t *testing.T) {
	s := newService(t)
	d := s.newDrill()
	s.work()
	s.work()
	d.publish(d.make(300))
	d.awaitDecided()
	backup := s.postgres.BaseBackup(t)
	d.publish(d.make(300))
	d.awaitDecided()
	published := d.publishMeanwhile(d.make(300))
	s.postgres.Restore(t, backup)
	s.run("migrate") // changes nothing where the copy is of this release
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	s.awaitOutcomes(d)
	d.awaitDecided()
	d.check()
	if equal, err := s.measured("replayed_events_total", `result="equal"`); err != nil || equal == 0 {
		t.Errorf("nothing was decided again: the test tests nothing (%v)", err)
	}
	s.checkMeasured(0, "replayed_events_total", `result="corrected"`)
	s.checkMeasured(0, "ranges_lost_total")
	for _, w := range s.workers {
		w.stop()
	}
}
