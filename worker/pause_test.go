package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func (s *system) pause(class messages.Class, token string) {
	s.t.Helper()
	if set, err := SetPause(context.Background(), s.pool, Pause{Class: class, OrgToken: token, Reason: "told to"}); err != nil || !set {
		s.t.Fatalf("pause: %v, %v", set, err)
	}
}

func (s *system) resume(class messages.Class, token string) {
	s.t.Helper()
	if p, err := EndPause(context.Background(), s.pool, class, token); err != nil || p == nil || p.Reason != "told to" {
		s.t.Fatalf("resume: %v, %v", p, err)
	}
	if err := Nudge(s.nc); err != nil {
		s.t.Fatal(err)
	}
}

// The organizations of these tests: two that share a lane, one in another.
const (
	pausedOrg = "acme"
	elsewhere = "globex"
)

// neighbour finds a handle that shares acme's lane.
func neighbour(t testing.TB) string {
	t.Helper()
	if messages.Partition(elsewhere, testLanes) == messages.Partition(pausedOrg, testLanes) {
		t.Fatal("the other organization is not elsewhere")
	}
	for i := range 1000 {
		if handle := fmt.Sprint("next-door-", i); messages.Partition(handle, testLanes) == messages.Partition(pausedOrg, testLanes) {
			return handle
		}
	}
	t.Fatal("no handle shares the lane")
	return ""
}

func (s *system) pausedOrganizations() (beside string) {
	s.t.Helper()
	beside = neighbour(s.t)
	s.organization(pausedOrg, 10, 400, "+1555")
	s.organization(beside, 10, 400, "+1666")
	s.organization(elsewhere, 10, 400, "+1777")
	return beside
}

// send publishes the nth command of an organization.
func (s *system) send(class messages.Class, handle, prefix string, n int) {
	s.t.Helper()
	s.publish(class, handle, connectCommand(fmt.Sprintf("c%d", n), fmt.Sprintf("b%d", n%10), 1, number(prefix, n)))
}

func (s *system) decidedOf(token string) int {
	s.t.Helper()
	return s.count(`select count(*) from connect_provider.inbox where org_token = $1`, token)
}

func (s *system) awaitDecided(token string, want int) {
	s.t.Helper()
	s.awaitCount(fmt.Sprintf("%d decided of %s", want, token), want, `select count(*) from connect_provider.inbox where org_token = $1`, token)
}

// TestPausedOrganizationWaits whatever happens to the workers: orderly ends,
// kills and takeovers. Its lane waits from its first command on, the others go
// on, and after the pause all is decided in order, once.
func TestPausedOrganizationWaits(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	beside := s.pausedOrganizations()
	option, registry, logs := watched(t)
	first := s.work(option)
	s.awaitOwned(first, testLanes)
	s.send(messages.Interactive, beside, "+1666", 0)
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	s.awaitEvents(2)
	s.pause(messages.Interactive, pausedOrg)

	s.send(messages.Interactive, beside, "+1666", 1) // before the first paused one: decided
	s.send(messages.Interactive, pausedOrg, "+1555", 1)
	s.send(messages.Interactive, pausedOrg, "+1555", 0)                 // a repeat waits as well,
	s.publish(messages.Interactive, pausedOrg, []byte("not a command")) // and what can't be read
	s.send(messages.Interactive, beside, "+1666", 2)                    // behind them: waits
	s.send(messages.Bulk, pausedOrg, "+1555", 50)                       // another class: decided
	others := 0
	elsewhereGoesOn := func() {
		t.Helper()
		for range 5 {
			s.send(messages.Interactive, elsewhere, "+1777", others)
			others++
		}
		s.awaitDecided(elsewhere, others)
		if acme, next := s.decidedOf(pausedOrg), s.decidedOf(beside); acme != 2 || next != 2 {
			t.Fatalf("%d decided of the paused organization, %d of its neighbour, want 2 and 2", acme, next)
		}
	}
	s.awaitDecided(beside, 2)
	s.awaitDecided(pausedOrg, 2)
	systemtest.Eventually(t, "a lane that says it is paused", func() error {
		if n := measured(t, registry, "lanes_paused", "interactive"); n != 1 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	s.awaitCount("an empty outbox while paused", 0, `select count(*) from connect_provider.outbox`)
	if measured(t, registry, "lanes_held") != 0 || measured(t, registry, "retries_total") != 0 {
		t.Error("a paused lane counts as held or retrying")
	}
	elsewhereGoesOn()
	epoch := s.count(`select epoch from connect_provider.lanes where lane = $1`, messages.Lane{Class: messages.Interactive, Number: messages.Partition(pausedOrg, testLanes)}.String())

	second := s.work()
	s.awaitOwned(second, testLanes/2)
	elsewhereGoesOn()
	first.kill()
	s.awaitOwned(second, testLanes)
	elsewhereGoesOn()
	third := s.work()
	s.awaitOwned(third, testLanes/2)
	second.stop()
	s.awaitOwned(third, testLanes)
	elsewhereGoesOn()
	if s.count(`select max(epoch) from connect_provider.lanes`) == epoch {
		t.Error("no lane was taken over: the test shows nothing")
	}

	s.resume(messages.Interactive, pausedOrg)
	s.awaitDecided(beside, 3)
	s.awaitDecided(pausedOrg, 4)
	events := s.awaitEvents(others + 7)
	checkOrder(t, events)
	if got := codes(events); got["connected"] != others+6 || got["malformed_command"] != 1 {
		t.Errorf("outcomes %v", got)
	}
	if said(logs, "lane waits") == 0 {
		t.Fatal("the first worker did not tell that a lane waits")
	}
	line := logs.FilterMessageSnippet("lane waits").All()[0].ContextMap()
	if line["org"] != pausedOrg || line["reason"] != "told to" {
		t.Errorf("the log line has %v", line)
	}
}

// TestPausedClassWaits in all its lanes, and the other class goes on.
func TestPausedClassWaits(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	beside := s.pausedOrganizations()
	option, registry, logs := watched(t)
	s.pause(messages.Bulk, "")
	s.work(option, func(c *Config) { c.LeaseTTL = time.Minute }) // no lane changes hands, however slow this machine
	orgs := []struct{ handle, prefix string }{{pausedOrg, "+1555"}, {beside, "+1666"}, {elsewhere, "+1777"}}
	// what can't be read waits as well, first in its lane
	s.publishTo("telephony.bulk.acme.unknown-verb", []byte("{}"), nil)
	for i := range 10 {
		for _, o := range orgs {
			s.send(messages.Bulk, o.handle, o.prefix, i)
			s.send(messages.Interactive, o.handle, o.prefix, 100+i)
		}
	}
	s.awaitEvents(30)
	systemtest.Eventually(t, "two lanes that say they are paused", func() error {
		if n := measured(t, registry, "lanes_paused", "bulk"); n != 2 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	if n := s.count(`select count(*) from connect_provider.inbox where lane like 'b%'`); n != 0 {
		t.Errorf("%d commands of the paused class were decided", n)
	}
	s.resume(messages.Bulk, "")
	events := s.awaitEvents(61)
	checkOrder(t, events)
	systemtest.Eventually(t, "no paused lane", func() error {
		if n := measured(t, registry, "lanes_paused"); n != 0 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	if said(logs, "lane waits") != 2 || said(logs, "lane goes on") != 2 {
		t.Errorf("told %d times that a lane waits and %d times that one goes on, want 2 and 2", said(logs, "lane waits"), said(logs, "lane goes on"))
	}
}

// TestPauseIsStrict: whatever is under way, nothing of the organization is
// decided from the moment SetPause has returned.
func TestPauseIsStrict(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.pausedOrganizations()
	s.awaitOwned(s.work(func(c *Config) { c.BatchSize = 5 }), testLanes)
	lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition(pausedOrg, testLanes)}
	cursor := func() int {
		t.Helper()
		return s.count(`select cursor from connect_provider.lanes where lane = $1`, lane.String())
	}
	sent, others := 0, 0
	for range 12 {
		bodies := make([][]byte, 25)
		for i := range bodies {
			bodies[i] = connectCommand(fmt.Sprintf("c%d", sent), fmt.Sprintf("b%d", sent%10), 1, number("+1555", sent))
			sent++
		}
		s.publishAll(messages.Bulk, pausedOrg, bodies)
		s.pause(messages.Bulk, pausedOrg)
		stands := cursor()
		for range 3 { // published after the pause: when these are decided, much time has passed
			s.send(messages.Bulk, elsewhere, "+1777", others)
			others++
			s.awaitDecided(elsewhere, others)
		}
		if now := cursor(); now != stands {
			t.Fatalf("the cursor went on from %d to %d while its organization was paused", stands, now)
		}
		s.resume(messages.Bulk, pausedOrg)
	}
	events := s.awaitEvents(sent + others)
	checkOrder(t, events)
	if got := codes(events)["connected"]; got != sent+others {
		t.Errorf("%v", codes(events))
	}
}

// TestPauseWaitsForTheBatchAtWork, which has not seen it: SetPause returns when
// that has committed, and the next command waits.
func TestPauseWaitsForTheBatchAtWork(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.pausedOrganizations()
	s.platform(`create function connect_provider.stop() returns trigger language plpgsql as
		$$ begin perform pg_advisory_xact_lock(1, 1); return new; end $$`)
	s.platform(`create trigger stop before insert on connect_provider.inbox for each row when (new.key = 'c0') execute function connect_provider.stop()`)
	gate, err := s.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Release()
	if _, err := gate.Exec(ctx, `select pg_advisory_lock(1, 1)`); err != nil {
		t.Fatal(err)
	}
	s.work()
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	waiting := `select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database()) and classid = $1`
	s.awaitCount("the batch at work", 1, waiting, 1)

	set := make(chan error, 1)
	go func() {
		_, err := SetPause(ctx, s.pool, Pause{Class: messages.Interactive, OrgToken: pausedOrg, Reason: "told to"})
		set <- err
	}()
	s.awaitCount("SetPause waiting for the batch", 1, waiting, 1667460196)
	select {
	case err := <-set:
		t.Fatalf("SetPause returned (%v) while a batch of its organization was under way", err)
	default:
	}
	s.send(messages.Interactive, pausedOrg, "+1555", 1)
	if _, err := gate.Exec(ctx, `select pg_advisory_unlock(1, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := <-set; err != nil {
		t.Fatal(err)
	}
	if n := s.decidedOf(pausedOrg); n != 1 {
		t.Errorf("%d decided when SetPause returned, want the one that was under way", n)
	}
	s.send(messages.Interactive, elsewhere, "+1777", 0)
	s.awaitDecided(elsewhere, 1)
	if n := s.decidedOf(pausedOrg); n != 1 {
		t.Errorf("%d decided while paused, want 1", n)
	}
	s.resume(messages.Interactive, pausedOrg)
	checkOrder(t, s.awaitEvents(3))
}

// TestPauseThatCannotBeSureSaysSo: the pause stands, and the caller is told that
// a batch from before may still commit.
func TestPauseThatCannotBeSureSaysSo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.work()
	s.awaitCount("all lanes", 2*testLanes, `select count(*) from connect_provider.lanes where owner is not null`)
	gate, err := s.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Release()
	if _, err := gate.Exec(ctx, `select pg_advisory_lock(1667460196, $1)`, messages.Partition(pausedOrg, testLanes)); err != nil {
		t.Fatal(err)
	}
	impatient, enough := context.WithCancel(ctx)
	defer enough()
	type result struct {
		set bool
		err error
	}
	returned := make(chan result, 1)
	go func() {
		set, err := SetPause(impatient, s.pool, Pause{Class: messages.Bulk, OrgToken: pausedOrg, Reason: "told to"})
		returned <- result{set, err}
	}()
	s.awaitCount("SetPause waiting for the batch", 1, `select count(*) from pg_locks where locktype = 'advisory' and not granted
		and database = (select oid from pg_database where datname = current_database()) and classid = 1667460196`)
	enough()
	got := <-returned
	set, err := got.set, got.err
	if !set || err == nil || !strings.Contains(err.Error(), "batch at work in lane b") {
		t.Errorf("got %v, %v", set, err)
	}
	pauses, err := Pauses(ctx, s.pool)
	if err != nil || len(pauses) != 1 || pauses[0].OrgToken != pausedOrg || pauses[0].Class != messages.Bulk || pauses[0].Since.IsZero() {
		t.Errorf("%v, %v", pauses, err)
	}
}

// TestBatchIsCutBeforeItsFirstPausedCommand: what stands before is committed in
// the order of the stream, what stands behind waits.
func TestBatchIsCutBeforeItsFirstPausedCommand(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	beside := s.pausedOrganizations()
	d := newDriver(t, s)
	for i := range 3 {
		s.send(messages.Interactive, beside, "+1666", i)
	}
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	s.send(messages.Interactive, beside, "+1666", 3)
	s.pause(messages.Interactive, pausedOrg)
	l, err := d.acquire(messages.Lane{Class: messages.Interactive, Number: messages.Partition(pausedOrg, testLanes)})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := d.next(l, 5)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.commitOnly(l, batch)
	if err != nil || len(rows) != 3 || l.row.cursor != batch[2].Sequence {
		t.Fatalf("%d events, cursor %d, %v; want the three before the paused one", len(rows), l.row.cursor, err)
	}
	rest := behind(batch, l.row.cursor)
	if !slices.Equal(rest, batch[3:]) {
		t.Errorf("%d commands are left, want 2", len(rest))
	}
	_, err = d.commitOnly(l, rest)
	var paused *pausedError
	if !errors.As(err, &paused) || paused.OrgToken != pausedOrg || classify(ctx, err) != classPaused {
		t.Errorf("got %v, want it to be paused", err)
	}
	if n := s.count(`select count(*) from connect_provider.inbox`); n != 3 {
		t.Errorf("%d decided, want 3", n)
	}
}

// TestCutBatchIsFinishedAfterThePause: what was left of a batch that a pause cut
// is applied next, and nothing of it is passed over.
func TestCutBatchIsFinishedAfterThePause(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	beside := s.pausedOrganizations()
	for i := range 3 {
		s.send(messages.Interactive, beside, "+1666", i)
	}
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	for i := 3; i < 6; i++ {
		s.send(messages.Interactive, beside, "+1666", i)
	}
	s.send(messages.Interactive, pausedOrg, "+1555", 1)
	s.pause(messages.Interactive, pausedOrg)
	option, registry, _ := watched(t)
	s.work(option)
	s.awaitEvents(3)
	systemtest.Eventually(t, "a paused lane with the rest", func() error {
		if paused, waiting := measured(t, registry, "lanes_paused"), measured(t, registry, "lane_lag_messages"); paused != 1 || waiting != 5 {
			return fmt.Errorf("%v paused, %v messages wait", paused, waiting)
		}
		return nil
	})
	s.send(messages.Interactive, beside, "+1666", 6) // read while the rest waits
	s.resume(messages.Interactive, pausedOrg)
	events := s.awaitEvents(9)
	checkOrder(t, events)
	if got := codes(events); got["connected"] != 9 {
		t.Errorf("outcomes %v", got)
	}
}

// TestPausedLaneIsHandedBackAtOnce, and goes on at once when the pause ends:
// leases and the lanes' own looks are so long here that only what workers are
// told can bring that about.
func TestPausedLaneIsHandedBackAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.pausedOrganizations()
	long := func(c *Config) { c.LeaseTTL = 5 * time.Minute }
	patient := func(w *Worker) { w.pauseCheck = time.Hour }
	s.pause(messages.Interactive, "")
	option, registry, _ := watched(t)
	first := s.workWith(patient, long, option)
	s.awaitOwned(first, testLanes)
	s.send(messages.Interactive, pausedOrg, "+1555", 0)
	s.send(messages.Interactive, elsewhere, "+1777", 0)
	systemtest.Eventually(t, "two paused lanes", func() error {
		if n := measured(t, registry, "lanes_paused", "interactive"); n != 2 {
			return fmt.Errorf("%v", n)
		}
		return nil
	})
	second := s.workWith(patient, long)
	s.awaitOwned(first, testLanes/2)
	s.awaitOwned(second, testLanes/2)
	second.stop()
	s.awaitOwned(first, testLanes)
	if n := s.count(`select count(*) from connect_provider.inbox`); n != 0 {
		t.Errorf("%d decided", n)
	}
	s.resume(messages.Interactive, "")
	s.awaitEvents(2)
}

// TestPausedLaneIsNotHeld: a lane that was held and is paused then says so no
// longer, and is held again when it goes on.
func TestPausedLaneIsNotHeld(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	s.refuse("c5", "XX000")
	h := s.applyTen()
	h.awaitHeldAt5("planted")
	s.pause(messages.Bulk, "acme")
	tell(h.run.nudged)
	s.awaitCount("a lane that is not held", 0, `select count(*) from connect_provider.lanes where held_since is not null`)
	systemtest.Eventually(t, "metrics to say so", func() error {
		if h.run.held.Load() || !h.run.paused.Load() {
			return fmt.Errorf("held %t, paused %t", h.run.held.Load(), h.run.paused.Load())
		}
		return nil
	})
	s.resume(messages.Bulk, "acme")
	tell(h.run.nudged)
	h.awaitHeldAt5("planted")
	s.platform(`drop trigger refuse_c5 on connect_provider.inbox`)
	h.check("connected")
}
