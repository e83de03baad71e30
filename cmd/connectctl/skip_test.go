package main

import (
	"testing"
)

func TestSkipGivesUpTheCommandAtWhichALaneIsHeld(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	o.restricted()
	o.impatient()
	o.refuse("stuck", "XX000")
	lane := laneOfAcme()
	contains(t, o.publish(0, "--id", "before", "--wait", "30s"), "sequence 1 of", "connected")
	_, stderr := o.ctl(1, "skip", "--lane", lane, "--sequence", "2", "--reason", "ticket 4711")
	contains(t, stderr, "lane "+lane+" is not held: its cursor is at 1, and worker impatient has it; nothing was skipped")
	_, stderr = o.ctl(1, "skip", "--lane", lane, "--sequence", "1", "--reason", "ticket 4711")
	contains(t, stderr, "is not held and has passed sequence 1")
	_, stderr = o.ctl(1, "skip", "--lane", "c99", "--sequence", "1", "--reason", "ticket 4711")
	contains(t, stderr, "there is no lane c99")

	contains(t, o.publish(0, "--id", "stuck"), "sequence 2 of")
	contains(t, o.publish(0, "--id", "behind", "--bridge", "nowhere"), "sequence 3 of")
	o.await("the lane held", 2, `select coalesce(max(held_sequence), 0) from connect_provider.lanes`)
	_, stderr = o.ctl(1, "skip", "--lane", lane, "--sequence", "3", "--reason", "ticket 4711")
	contains(t, stderr, "is not held at sequence 3 but at 2, where it is held since 20", "planted, for +1*****7890", "give --sequence 2")
	if n := o.count(`select count(*) from connect_provider.lanes where skip_sequence is not null`); n != 0 {
		t.Error("a skip was written that nobody may have meant")
	}
	if n := o.count(`select count(*) from connect_provider.inbox`); n != 1 {
		t.Errorf("%d decided while the lane is held, want 1", n)
	}
	told := o.toldWorkers()
	out, _ := o.ctl(0, "skip", "--lane", lane, "--sequence", "2", "--reason", "ticket 4711")
	told()
	id := lane + ".1.2"
	contains(t, out, "asked      lane "+lane+" to give up sequence 2, at which it is held since 20", "planted, for +1*****7890",
		"skipped    sequence 2 of lane "+lane+" failed with internal_error; its bytes are kept as dead letter "+id)
	out, _ = o.ctl(0, "dead-letters", "show", id)
	contains(t, out, "skipped by an operator: ticket 4711")
	contains(t, o.publish(exitFailed, "--id", "behind", "--bridge", "nowhere", "--wait", "30s"), "bridge_not_found")
}

// A skip that nobody can carry out stands, and is told as undecided; a lane
// that goes on by itself meanwhile is told as what it is.
func TestSkipWithoutAWorker(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	if err := o.stopWorker(); err != nil {
		t.Fatal(err)
	}
	contains(t, o.publish(0, "--id", "one"), "sequence 1 of")
	lane := laneOfAcme()
	o.exec(`update connect_provider.lanes set held_since = now(), held_sequence = 1, held_error = 'planted' where lane = $1`, lane)
	out, _ := o.ctl(exitUndecided, "skip", "--lane", lane, "--sequence", "1", "--reason", "ticket 4711", "--wait", "300ms")
	contains(t, out, "undecided  lane "+lane+" has not passed sequence 1 within 300ms", "planted", "no worker has it")
	if n := o.count(`select skip_sequence from connect_provider.lanes where lane = $1`, lane); n != 1 {
		t.Error("the skip does not stand")
	}
	out, _ = o.ctl(0, "skip", "--lane", lane, "--sequence", "1", "--reason", "ticket 4711", "--wait", "0s")
	contains(t, out, "asked      lane "+lane)
	done := make(chan string, 1)
	go func() {
		var text output
		run(t.Context(), []string{"skip", "--lane", lane, "--sequence", "1", "--reason", "ticket 4711", "--database-url", o.url, "--server", o.natsURL}, &text, &text)
		done <- text.String()
	}()
	if err := o.startWorker(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := <-done; text == "" {
		t.Error("nothing was told")
	} else {
		contains(t, text, "lane "+lane)
	}
	if n := o.count(`select count(*) from connect_provider.lanes where skip_sequence is not null`); n != 0 {
		t.Error("the skip outlives the command")
	}
}

func TestSkipRefusesWhatSaysNothing(t *testing.T) {
	t.Parallel()
	_, stderr := runs(t, 2, "skip", "--database-url=postgres://127.0.0.1:1/nobody", "--lane", "x7", "--sequence", "0", "--reason", " ", "--wait=-1s")
	contains(t, stderr, "--lane: ", "--sequence 0", "--reason is empty", "--wait -1s", "4 problems")
}
